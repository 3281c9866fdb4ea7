"""External conversations as rows of a batch: several turns, videos and pictures, free answers.

`<video>` and `<image>` in a question stand for the next medium of the row. Every answer is a
target. There are no labels to distil, so such rows have the SFT loss only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from p4d.config import ClipsParams
from p4d.external.conversation import VIDEO, ForeignTurn
from p4d.external.forms import MARKER
from p4d.external.rows import ExternalConversation
from p4d.students.data.clip_reader import Visual
from p4d.students.model.adapters.protocol import ABSENT, StudentAdapter
from p4d.students.model.batch import IGNORED, PADDING, PackedBatch
from p4d.students.model.chat import TURN_END, TURN_START
from p4d.students.model.tokenizer import encode, token_id
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode, read_timeline
from p4d.video.still import read_still

MAX_VIDEO_S = 7200.0


@dataclass(frozen=True)
class DecodedConversation:
    """A conversation with its media as a student reads them, one `Visual` per marker."""

    conversation: ExternalConversation
    visuals: tuple[Visual, ...]


def unseen(conversation: ExternalConversation) -> DecodedConversation:
    """The texts alone, for an arm that sees no video: markers go with their media."""
    turns = [
        ForeignTurn(MARKER.sub("", turn.asked).strip(), turn.answer) for turn in conversation.turns
    ]
    return DecodedConversation(
        dataclasses.replace(conversation, turns=tuple(turns), media=()), visuals=()
    )


def decoded(conversation: ExternalConversation, clips: ClipsParams) -> DecodedConversation:
    """Decode the media; of a video `clips.frames` frames, spread evenly over it.

    Raises:
        DecodeError: a video cannot be read.
        ContractError: a picture cannot be read.
    """
    visuals = []
    for marker, path in conversation.media:
        if marker == VIDEO:
            frames, times_s = _spread(path, clips)
        else:
            frames, times_s = (
                read_still(path, clips.size_px, clips.size_px)[None],
                np.array([np.nan]),
            )
        visuals.append(Visual(frames, times_s, np.zeros((0, *frames.shape[1:3]), np.uint8)))
    return DecodedConversation(conversation, tuple(visuals))


def _spread(path: Path, clips: ClipsParams) -> tuple[np.ndarray, np.ndarray]:
    pts_ns = read_timeline(path, FileBudget(max_duration_s=MAX_VIDEO_S)).pts_ns
    at = np.unique(np.linspace(0, len(pts_ns) - 1, clips.frames).round().astype(np.int64))
    size_px, wanted = clips.size_px, set(at.tolist())
    pictures = [f.squashed(size_px) for f in decode(path) if f.index in wanted]
    return np.stack(pictures), (pts_ns[at] - pts_ns[0]) / 1e9


@dataclass(frozen=True)
class _ConversationRow:
    tokens: list[int]
    targets: list[int]


class ConversationPacker:
    """Turns conversations into batches for one tokenizer and one student family."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> None:
        """`adapter` gives the tokens of pictures in the text."""
        self._tokenizer, self._adapter = tokenizer, adapter
        self._pad = token_id(tokenizer, str(tokenizer.pad_token))

    def pack(
        self, samples: Sequence[DecodedConversation], *, row_tokens: int | None = None
    ) -> PackedBatch:
        """One conversation per row, padded; or as many as fit into `row_tokens`, in order.

        Conversations that share a row do not attend to each other, and each starts at position 0:
        the result is equal to that of separate rows.
        """
        made = [self._row(sample) for sample in samples]
        groups = list(_filled([len(row.tokens) for row in made], row_tokens))
        length = max(sum(len(made[i].tokens) for i in group) for group in groups)
        shape = (len(groups), length)
        tokens, positions = np.full(shape, self._pad), np.zeros(shape, np.int64)
        segments, targets = np.full(shape, PADDING), np.full(shape, IGNORED)
        for number, group in enumerate(groups):
            start = 0
            for segment, index in enumerate(group, start=1):
                row, place = made[index], np.s_[number, start : start + len(made[index].tokens)]
                tokens[place], targets[place] = row.tokens, row.targets
                positions[place], segments[place] = np.arange(len(row.tokens)), segment
                start += len(row.tokens)
        frames, times_s = _media([[v for i in g for v in samples[i].visuals] for g in groups])
        return PackedBatch(
            input_ids=torch.from_numpy(tokens),
            position_ids=torch.from_numpy(positions),
            segment_ids=torch.from_numpy(segments),
            targets=torch.from_numpy(targets),
            frames=frames,
            times_s=times_s,
            clip_ids=tuple(
                "+".join(samples[i].conversation.row_id for i in group) for group in groups
            ),
            **_no_questions(shape),
        )

    def _row(self, sample: DecodedConversation) -> _ConversationRow:
        tokens: list[int] = []
        targets: list[int] = []

        def put(ids: Sequence[int], learned: bool) -> None:
            # The token before predicts this one, so targets are shifted by one at the end.
            tokens.extend(ids)
            targets.extend(ids if learned else [IGNORED] * len(ids))

        visuals = iter(sample.visuals)
        for number, turn in enumerate(sample.conversation.turns):
            put(self._ids(f"{chr(10) * (number > 0)}{TURN_START}user\n"), learned=False)
            for part in MARKER.split(turn.asked):
                if MARKER.fullmatch(part):
                    shown = next(visuals).times_s.tolist()
                    put(self._adapter.visual_ids(shown, self._ids), learned=False)
                else:
                    put(self._ids(part), learned=False)
            put(self._ids(f"{TURN_END}\n{TURN_START}assistant\n"), learned=False)
            put(self._ids(turn.answer + TURN_END), learned=True)
        return _ConversationRow(tokens, [*targets[1:], IGNORED])

    def _ids(self, text: str) -> list[int]:
        return encode(self._tokenizer, text)


def _filled(lengths: Sequence[int], row_tokens: int | None) -> Iterator[list[int]]:
    """Indices row by row; a conversation longer than a row gets its own row."""
    group: list[int] = []
    used = 0
    for index, length in enumerate(lengths):
        if group and (row_tokens is None or used + length > row_tokens):
            yield group
            group, used = [], 0
        group.append(index)
        used += length
    if group:
        yield group


def _media(rows: Sequence[Sequence[Visual]]) -> tuple[Tensor | None, Tensor | None]:
    """Pictures and times of all rows, padded with absent pictures."""
    counts = [sum(len(visual.frames) for visual in row) for row in rows]
    if not any(counts):
        return None, None
    side = next(visual.frames.shape[1] for row in rows for visual in row)
    frames = np.zeros((len(rows), max(counts), side, side, 3), np.uint8)
    times_s = np.full((len(rows), max(counts)), ABSENT)
    for number, row in enumerate(rows):
        if row:
            frames[number, : counts[number]] = np.concatenate([v.frames for v in row])
            times_s[number, : counts[number]] = np.concatenate([v.times_s for v in row])
    return torch.from_numpy(frames), torch.from_numpy(times_s)


def _no_questions(shape: tuple[int, int]) -> dict[str, Any]:
    """Empty values of the fields of a batch about multiple-choice questions."""
    none = torch.zeros(0, dtype=torch.long)
    return {
        "branch_ids": torch.zeros(shape, dtype=torch.long),
        "letter_rows": none.view(0, 2),
        "scored": none.view(0, 4),
        "scored_tokens": none,
        "answer_index": none,
        "option_counts": none,
        "qa_ids": (),
        "labelled_rows": none,
        "mapped": none,
    }
