"""The general set: external rows that no student trained on, to notice what training forgets.

An answer is read as it was trained: the student predicts each token of it from the question, the
media and the answer up to there. `score` is the share of its tokens that are predicted, and `exact`
says whether all are, which is when greedy generation would give the answer word for word. The token
that ends a turn does not count. No parser and no other model has a say in it. `forgetting.py`
compares the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch

from p4d.config import ClipsParams
from p4d.external.rows import ExternalConversation
from p4d.students.data.conversations import ConversationPacker, decoded
from p4d.students.model.batch import IGNORED
from p4d.students.model.chat import TURN_END
from p4d.students.model.student import Student, hidden_states
from p4d.students.model.tokenizer import token_id

SCHEMA: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "row_id": pl.String(),
    "set": pl.String(),
    "group": pl.String(),
    "tokens": pl.Int64(),
    "predicted": pl.Int64(),
    "score": pl.Float64(),
    "exact": pl.Boolean(),
    "loss": pl.Float64(),
}


def general_scores(
    student: Student,
    rows: Sequence[ExternalConversation],
    clips: ClipsParams,
    *,
    arm: str,
    batch: int,
) -> pl.DataFrame:
    """One row per conversation: its tokens, how many are predicted, and their mean loss in nats."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        for row, counted in zip(part, _counted(student, part, clips), strict=True):
            tokens, predicted, loss = counted
            found.append(
                {
                    "arm": arm,
                    "row_id": row.row_id,
                    "set": row.set_name,
                    "group": row.group,
                    "tokens": tokens,
                    "predicted": predicted,
                    "score": round(predicted / max(tokens, 1), 6),
                    "exact": predicted == tokens,
                    "loss": round(loss, 4),
                }
            )
    return pl.DataFrame(found, schema=SCHEMA)


@torch.no_grad()
def _counted(
    student: Student, rows: Sequence[ExternalConversation], clips: ClipsParams
) -> list[tuple[int, int, float]]:
    """Tokens, predicted tokens and mean loss of each row."""
    adapter = student.adapter
    adapter.model.eval()
    packer = ConversationPacker(student.tokenizer, adapter)
    batch = packer.pack([decoded(row, clips) for row in rows])
    batch = batch.to(next(adapter.model.parameters()).device)
    hidden = hidden_states(adapter, batch)[-1]
    end = token_id(student.tokenizer, TURN_END)
    asked = (batch.targets != IGNORED) & (batch.targets != end)
    counted = []
    for row in range(len(rows)):
        wanted = batch.targets[row, asked[row]]
        logits = adapter.logits(hidden[row, asked[row]]).float()
        loss = torch.nn.functional.cross_entropy(logits, wanted) if len(wanted) else logits.sum()
        predicted = int((logits.argmax(dim=-1) == wanted).sum())
        counted.append((len(wanted), predicted, float(loss)))
    return counted
