"""A conditional logit over hashed features: a reader that learns what texts and marks give away.

Each option scores the sum of the weights of its features, and a softmax over the options gives its
probability. A feature pairs a property of the question with a property of the option, within a
family. Such a reader finds any answer that one or two properties predict, from a few hundred
questions; a small language model, which has to learn to read first, does not.

For each family, held-out questions decide how long to learn and from which features, so a leak of
one family shows even if all others are noise. If nothing helps, the first option is predicted.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.evaluation.controls.features import (
    MarkOutlines,
    option_features,
    question_features,
)
from p4d.students.model.chat import LETTERS

MAX_OPTIONS = len(LETTERS)
FEATURE_BINS = 2**20
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 12, 512, 0.05, 1e-4
"""Protocol constants: the readers of docs/benchmarks.md were trained with these."""

Ints = NDArray[np.int64]


def answer_across_folds(
    questions: pl.DataFrame,
    folds: Sequence[Sequence[str]],
    marks: Mapping[str, MarkOutlines] | None,
) -> pl.DataFrame:
    """Answer every question by a reader trained on the shards of other folds (cross-validation).

    Exchange groups are within a shard, so the partners of a question are never trained on. The fold
    after the tested one is the validation fold.

    Args:
        questions: as `answer_after_learning` takes them, with `shard`.
        folds: three or more lists of shards.
        marks: by clip; None for the text-only reader.

    Raises:
        ContractError: fewer than three folds.
    """
    if len(folds) < 3:
        raise ContractError(f"{len(folds)} folds; training, validation and test need three")
    parts = [questions.filter(pl.col("shard").is_in(list(shards))) for shards in folds]
    return pl.concat(
        answer_after_learning(
            pl.concat([p for k, p in enumerate(parts) if k not in (fold, (fold + 1) % len(parts))]),
            parts[(fold + 1) % len(parts)],
            asked,
            marks,
        )
        for fold, asked in enumerate(parts)
    )


def answer_after_learning(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    asked: pl.DataFrame,
    marks: Mapping[str, MarkOutlines] | None,
) -> pl.DataFrame:
    """Return `asked` with `predicted_index` and `correct`, as `chance_report` takes it.

    Args:
        train: `clip_id`, `family`, `question`, `options`, `answer_index`; no clip of the others and
            no partner of their exchange groups.
        validation: the same columns; decides when to stop, family by family.
        asked: the same columns.
        marks: by clip; None for the text-only reader.

    Raises:
        ContractError: a table is empty.
    """
    tables = [train, validation, asked]
    if any(table.is_empty() for table in tables):
        raise ContractError("a control needs questions to learn from, to validate on and to answer")
    encoded = [_EncodedQuestions.of(table, marks) for table in tables]
    with deterministic(torch.get_num_threads(), seed=0):
        # Unpaired: options regardless of the question. Paired: options by properties of it.
        epochs = [epoch for paired in (False, True) for epoch in _learn(encoded, paired)]
    held_out, tested = encoded[1], encoded[2]
    scores = np.zeros(tested.shape)
    for family in sorted(set(tested.families)):
        validated, rows = held_out.rows(family), tested.rows(family)
        answers = held_out.answer[validated]
        losses = [_loss(logp[validated], answers) for logp, _ in epochs]
        best = int(np.argmin([_loss(held_out.chance[validated], answers), *losses]))
        if best and len(validated):
            scores[rows] = epochs[best - 1][1][rows]
    predicted = np.where(tested.is_option, scores, -np.inf).argmax(axis=1)
    return asked.with_columns(
        predicted_index=pl.Series(predicted, dtype=pl.Int64),
        correct=pl.Series(predicted == tested.answer),
    )


@dataclass(frozen=True)
class _EncodedQuestions:
    """Questions as hashed features.

    Attributes:
        families: family of each question.
        answer: index of the correct option.
        is_option: [n, MAX_OPTIONS], False beyond the options of a question.
        of_question: hashed features of each question; the first one is its family.
        of_options: hashed features per question and option.
    """

    families: list[str]
    answer: Ints
    is_option: NDArray[np.bool_]
    of_question: list[Ints]
    of_options: list[list[Ints]]

    @classmethod
    def of(cls, table: pl.DataFrame, marks: Mapping[str, MarkOutlines] | None) -> _EncodedQuestions:
        columns = ("clip_id", "family", "question", "options", "answer_index")
        questions, options, is_option = [], [], []
        for clip_id, family, text, texts, _ in table.select(columns).iter_rows():
            seen = None if marks is None else marks[clip_id]
            own = question_features(text, texts, seen)
            questions.append(_hashes([family, *(f"{family}|{one}" for one in own)]))
            options.append([_hashes(each) for each in option_features(text, texts, seen)])
            is_option.append([k < len(texts) for k in range(MAX_OPTIONS)])
        return cls(
            table["family"].to_list(),
            table["answer_index"].to_numpy().astype(np.int64),
            np.array(is_option, dtype=bool),
            questions,
            options,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.is_option.shape[0], self.is_option.shape[1]

    @property
    def chance(self) -> NDArray[np.float64]:
        """Log-probabilities of a uniform guess."""
        return np.where(self.is_option, -np.log(self.is_option.sum(axis=1, keepdims=True)), -np.inf)

    def rows(self, family: str) -> Ints:
        return np.flatnonzero(np.array(self.families) == family)

    def features(self, paired: bool) -> _Features:
        """Features of every option of every question."""
        rows, lengths = [], np.zeros(self.shape, dtype=np.int64)
        for row, (question, options) in enumerate(
            zip(self.of_question, self.of_options, strict=True)
        ):
            asked = question[: None if paired else 1, None] * 31
            mine = [((asked + option) * 2_654_435_761 % FEATURE_BINS).ravel() for option in options]
            lengths[row, : len(mine)] = [len(each) for each in mine]
            rows.append(np.concatenate(mine).astype(np.int32))
        return _Features(rows, lengths)


@dataclass(frozen=True)
class _Features:
    """Indices of weights, per question those of its options in order, and their number."""

    rows: list[NDArray[np.int32]]
    lengths: Ints

    def batch(self, wanted: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the indices of some questions, and the offsets of their options."""
        lengths = self.lengths[wanted].ravel()
        starts = np.cumsum(lengths) - lengths
        flat = np.concatenate([self.rows[row] for row in wanted.tolist()])
        return torch.from_numpy(flat), torch.from_numpy(starts.astype(np.int32))


_Epoch = tuple[NDArray[np.float64], NDArray[np.float64]]


def _learn(encoded: Sequence[_EncodedQuestions], paired: bool) -> list[_Epoch]:
    """Return log-probabilities for the validation and the tested questions after each epoch."""
    train = encoded[0]
    features = [part.features(paired) for part in encoded]
    weights = nn.EmbeddingBag(FEATURE_BINS, 1, mode="sum")
    nn.init.zeros_(weights.weight)
    optimiser = torch.optim.Adam(weights.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    lengths = features[0].lengths
    scale = 1 / np.sqrt(lengths[lengths > 0].mean())

    def logp(part: int, rows: Ints) -> torch.Tensor:
        scores = weights(*features[part].batch(rows)).view(-1, MAX_OPTIONS) * scale
        blocked = torch.from_numpy(~encoded[part].is_option[rows])
        return torch.log_softmax(scores.masked_fill(blocked, -torch.inf), dim=1)

    def all_logp(part: int) -> NDArray[np.float64]:
        rows = np.arange(len(encoded[part].answer))
        chunks = np.array_split(rows, -(-len(rows) // BATCH))
        return np.concatenate([logp(part, chunk).double().numpy() for chunk in chunks])

    answers = torch.from_numpy(train.answer)
    shuffled = np.random.default_rng(0)
    epochs = []
    for _ in range(EPOCHS):
        for rows in np.array_split(shuffled.permutation(len(answers)), -(-len(answers) // BATCH)):
            loss = nn.functional.nll_loss(logp(0, rows), answers[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            epochs.append((all_logp(1), all_logp(2)))
    return epochs


def _loss(logp: NDArray[np.float64], answer: Ints) -> float:
    return float(-logp[np.arange(len(answer)), answer].mean()) if len(answer) else np.inf


def _hashes(names: Iterable[str]) -> Ints:
    return np.array([zlib.crc32(name.encode()) for name in names], dtype=np.int64)
