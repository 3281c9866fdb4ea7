"""Readers that should know nothing: one reads the texts only, one sees the marks besides.

A reader is a conditional logit: every option of a question gets the sum of the weights of its
features, and the softmax over the options is its belief. Features are pairs of a property of the
question (its wording, marks, times, numbers, other options, and what the marks show) with a
property of the option (its text, letter, rank, size, length, distance from the others), within a
family. Such a reader finds any answer that one or two properties tell, from a few hundred
questions; a small language model, which has to learn to read first, does not.

How long to learn, and from which pairs, is decided for each family by questions set aside for that,
so that a leak of one family shows although all the others are noise. Where nothing helps, the first
option is taken.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.students.model.chat import LETTERS

MOST_OPTIONS = len(LETTERS)
BINS = 2**20
EPOCHS, BATCH, LEARNING_RATE, DECAY = 12, 512, 0.05, 1e-4
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MARK = re.compile(r"<obj_(\d)>")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Marks:
    """What the marks of a clip show: outlines of regions in the first frame, by mark.

    Attributes:
        x: middle of the region, 0 left to 1 right.
        y: middle of the region, 0 top to 1 bottom.
        foot: its lowest row, 0 top to 1 bottom.
        width: of its box, in pictures.
        height: of its box, in pictures.
        area: its share of the picture.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    foot: tuple[float, ...]
    width: tuple[float, ...]
    height: tuple[float, ...]
    area: tuple[float, ...]

    @classmethod
    def of(cls, masks_khw: NDArray[np.uint8]) -> Marks:
        """Measure 0/1 masks in the order of their marks; an empty one counts as a corner pixel."""
        rows = []
        for mask_hw in masks_khw:
            v, u = np.nonzero(mask_hw)
            if not len(v):
                v, u = np.zeros(1, np.int64), np.zeros(1, np.int64)
            tall, wide = mask_hw.shape
            box = (np.ptp(u) + 1) / wide, (np.ptp(v) + 1) / tall
            middle = (u.mean() + 0.5) / wide, (v.mean() + 0.5) / tall
            rows.append((*middle, (v.max() + 1) / tall, *box, len(v) / (tall * wide)))
        columns = list(zip(*rows, strict=True)) if rows else [()] * 6
        return cls(*(tuple(map(float, column)) for column in columns))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.x)


def answer_across_folds(
    questions: pl.DataFrame, folds: Sequence[Sequence[str]], marks: Mapping[str, Marks] | None
) -> pl.DataFrame:
    """Every question answered by a reader that learned from the shards of the other folds.

    Exchange groups lie within a shard, so no question's partners are learned from. Of the folds
    that are learned from, the next one is set aside to choose by.

    Args:
        questions: as `answer_after_learning` takes them, with `shard`.
        folds: three or more lists of shards.
        marks: by clip; None for the reader of texts.
    """
    if len(folds) < 3:
        raise ContractError(f"{len(folds)} folds: one to ask, one to choose by, one to learn from")
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
    choose_by: pl.DataFrame,
    asked: pl.DataFrame,
    marks: Mapping[str, Marks] | None,
) -> pl.DataFrame:
    """`asked` with `predicted_index` and `correct`, as `chance_report` takes it.

    Args:
        train: `clip_id`, `family`, `question`, `options`, `answer_index`; no clip of the others and
            no partner of their exchange groups.
        choose_by: the same columns; says when to stop, family by family.
        asked: the same columns.
        marks: by clip; None for the reader of texts.

    Raises:
        ContractError: nothing to learn from or to ask.
    """
    tables = [train, choose_by, asked]
    if any(table.is_empty() for table in tables):
        raise ContractError("a control needs questions to learn from, to choose by and to ask")
    readings = [_Reading.of(table, marks) for table in tables]
    with deterministic(torch.get_num_threads(), seed=0):
        # Alone: options whatever is asked. Paired: options by what is asked.
        courses = [course for paired in (False, True) for course in _learn(readings, paired)]
    chosen, tested = readings[1], readings[2]
    families = sorted(set(tested.families))
    scores = np.zeros(tested.shape)
    for family in families:
        judges, rows = chosen.rows(family), tested.rows(family)
        losses = [_loss(beliefs[judges], chosen.answer[judges]) for beliefs, _ in courses]
        best = int(np.argmin([_loss(chosen.chance[judges], chosen.answer[judges]), *losses]))
        if best and len(judges):
            scores[rows] = courses[best - 1][1][rows]
    predicted = np.where(tested.is_option, scores, -np.inf).argmax(axis=1)
    return asked.with_columns(
        predicted_index=pl.Series(predicted, dtype=pl.Int64),
        correct=pl.Series(predicted == tested.answer),
    )


@dataclass(frozen=True)
class _Reading:
    """Questions as numbers.

    Attributes:
        families: of each question.
        answer: place of the right option.
        is_option: [n, MOST_OPTIONS], False where a question has fewer.
        of_question: hashes of properties of each question; the first one is its family.
        of_options: hashes of properties, per question and option.
    """

    families: list[str]
    answer: Ints
    is_option: NDArray[np.bool_]
    of_question: list[Ints]
    of_options: list[list[Ints]]

    @classmethod
    def of(cls, table: pl.DataFrame, marks: Mapping[str, Marks] | None) -> _Reading:
        columns = ("clip_id", "family", "question", "options", "answer_index")
        questions, options, is_option = [], [], []
        for clip_id, family, text, texts, _ in table.select(columns).iter_rows():
            seen = None if marks is None else marks[clip_id]
            said = _said(text, texts, seen)
            questions.append(_hashes([family, *(f"{family}|{one}" for one in said)]))
            options.append([_hashes(each) for each in _of_options(text, texts, seen)])
            is_option.append([k < len(texts) for k in range(MOST_OPTIONS)])
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
        """Log beliefs of a reader that knows nothing."""
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
            mine = [((asked + option) * 2_654_435_761 % BINS).ravel() for option in options]
            lengths[row, : len(mine)] = [len(each) for each in mine]
            rows.append(np.concatenate(mine).astype(np.int32))
        return _Features(rows, lengths)


@dataclass(frozen=True)
class _Features:
    """Places of weights: of each question those of its options one after another, and how many."""

    rows: list[NDArray[np.int32]]
    lengths: Ints

    def batch(self, wanted: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        """Those of some questions, and where those of each option begin."""
        lengths = self.lengths[wanted].ravel()
        starts = np.cumsum(lengths) - lengths
        flat = np.concatenate([self.rows[row] for row in wanted.tolist()])
        return torch.from_numpy(flat), torch.from_numpy(starts.astype(np.int32))


_Course = tuple[NDArray[np.float64], NDArray[np.float64]]


def _learn(readings: Sequence[_Reading], paired: bool) -> list[_Course]:
    """Log beliefs about the questions to choose by and those asked, after each epoch."""
    train = readings[0]
    features = [reading.features(paired) for reading in readings]
    weights = nn.EmbeddingBag(BINS, 1, mode="sum")
    nn.init.zeros_(weights.weight)
    optimiser = torch.optim.Adam(weights.parameters(), lr=LEARNING_RATE, weight_decay=DECAY)
    lengths = features[0].lengths
    scale = 1 / np.sqrt(lengths[lengths > 0].mean())

    def beliefs(part: int, rows: Ints) -> torch.Tensor:
        scores = weights(*features[part].batch(rows)).view(-1, MOST_OPTIONS) * scale
        blocked = torch.from_numpy(~readings[part].is_option[rows])
        return torch.log_softmax(scores.masked_fill(blocked, -torch.inf), dim=1)

    def all_beliefs(part: int) -> NDArray[np.float64]:
        rows = np.arange(len(readings[part].answer))
        chunks = np.array_split(rows, -(-len(rows) // BATCH))
        return np.concatenate([beliefs(part, chunk).double().numpy() for chunk in chunks])

    answers = torch.from_numpy(train.answer)
    shuffled = np.random.default_rng(0)
    courses = []
    for _ in range(EPOCHS):
        for rows in np.array_split(shuffled.permutation(len(answers)), -(-len(answers) // BATCH)):
            loss = nn.functional.nll_loss(beliefs(0, rows), answers[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            courses.append((all_beliefs(1), all_beliefs(2)))
    return courses


def _loss(beliefs: NDArray[np.float64], answer: Ints) -> float:
    return float(-beliefs[np.arange(len(answer)), answer].mean()) if len(answer) else np.inf


def _hashes(names: Iterable[str]) -> Ints:
    return np.array([zlib.crc32(name.encode()) for name in names], dtype=np.int64)


def _said(text: str, options: Sequence[str], marks: Marks | None) -> list[str]:
    """What a question says, besides its family."""
    named = _MARK.findall(text)
    numbers = [float(one) for one in _NUMBER.findall(_MARK.sub("", text))]
    found = [
        f"wording {_NUMBER.sub('#', text)}",
        f"marks {named}",
        f"when {text.partition(',')[0] if text.startswith(('At', 'From')) else ''}",
        f"options {sorted(options)}",
        f"count {len(options)}",
        *(f"word {word}" for word in sorted(set(_WORD.findall(text.lower())))),
        *(f"mark {place} {mark}" for place, mark in enumerate(named)),
        *(f"number {place} {round(2 * value)}" for place, value in enumerate(numbers)),
        *(f"other {option}" for option in sorted(options)),
    ]
    if len(named) > 1:
        found.append(f"first mark lower {named[0] < named[1]}")
    if marks is not None:
        found += _shown(marks, [int(mark) - 1 for mark in named])
    return found


def _shown(marks: Marks, named: Sequence[int]) -> list[str]:
    """What the outlines of the named regions show; absent ones show nothing."""
    found = [f"marks shown {len(marks)}"]
    there = [k for k in named if k < len(marks)]
    for place, k in enumerate(there):
        found += [
            f"{place} {name} {round(8 * value[k])}"
            for name, value in (("x", marks.x), ("y", marks.y), ("foot", marks.foot))
        ]
        found += [
            f"{place} {name} {round(3 * np.log2(value[k]))}"
            for name, value in (("w", marks.width), ("h", marks.height), ("area", marks.area))
        ]
        found += [
            f"{place} edge {marks.x[k] - marks.width[k] / 2 < 0.02} "
            f"{marks.x[k] + marks.width[k] / 2 > 0.98} {marks.foot[k] > 0.98}",
            *(
                f"{place} among all {name} {sum(other < value[k] for other in value)}"
                for name, value in (("x", marks.x), ("foot", marks.foot), ("area", marks.area))
            ),
        ]
    for first, second in pairwise(there):
        dx, dy = marks.x[second] - marks.x[first], marks.y[second] - marks.y[first]
        ratio = np.log2(marks.area[second] / marks.area[first])
        turn = round(float(np.arctan2(dy, dx)) / np.pi * 4)
        found += [
            f"apart {round(8 * float(np.hypot(dx, dy)))}",
            f"dx {round(6 * dx)}",
            f"dy {round(6 * dy)}",
            f"feet {round(6 * (marks.foot[second] - marks.foot[first]))}",
            f"areas {round(2 * float(ratio))}",
            f"towards {turn}",
        ]
    return found


def _of_options(text: str, options: Sequence[str], marks: Marks | None) -> list[list[str]]:
    """Properties of every option among its neighbours."""
    numbers = [[float(one) for one in _NUMBER.findall(option)] for option in options]
    regions = [_MARK.fullmatch(option) for option in options]
    words = [set(_WORD.findall(option)) for option in options]
    found = []
    for place, option in enumerate(options):
        others = [words[k] for k in range(len(options)) if k != place]
        own = [
            f"letter {place}",
            f"text {option}",
            f"length {sorted(map(len, options)).index(len(option))}",
            f"in text {option in text}",
            f"shared words {sum(len(words[place] & other) for other in others)}",
            f"has not {bool(words[place] & {'no', 'not', 'does', 'neither'})}",
            *(f"word {word}" for word in sorted(words[place])),
        ]
        if all(numbers) and len({len(one) for one in numbers}) == 1 and not any(regions):
            own += _of_number(place, numbers)
        if marks is not None and all(regions):
            own += _of_region(place, [int(one[1]) - 1 for one in regions if one], marks)
        found.append(own)
    return found


def _of_number(place: int, numbers: Sequence[Sequence[float]]) -> list[str]:
    """Ranks and sizes of a number, or of each coordinate of a point."""
    values = np.array(numbers)
    middle = np.abs(values - np.median(values, axis=0)).sum(axis=1)
    found = [f"from the middle {int((middle < middle[place]).sum())}"]
    for axis, column in enumerate(values.T):
        value, spread = column[place], np.ptp(column) or 1.0
        found += [
            f"{axis} rank {int((column < value).sum())}",
            f"{axis} size {round(3 * float(np.arcsinh(4 * value)))}",
            f"{axis} share {round(4 * float((value - column.mean()) / spread))}",
            f"{axis} last digit {round(abs(value) * 100) % 10} {round(abs(value) * 10) % 10}",
        ]
    return found


def _of_region(place: int, regions: Sequence[int], marks: Marks) -> list[str]:
    """Ranks and sizes of an outline that is an option."""
    if max(regions) >= len(marks):
        return []
    found = []
    for name, column in (("x", marks.x), ("y", marks.y), ("foot", marks.foot),
                         ("area", marks.area), ("height", marks.height)):  # fmt: skip
        value = column[regions[place]]
        found += [
            f"{name} rank {sum(column[k] < value for k in regions)}",
            f"{name} {round(8 * value)}",
        ]
    middle = abs(marks.x[regions[place]] - 0.5)
    found.append(f"aside rank {sum(abs(marks.x[k] - 0.5) < middle for k in regions)}")
    return found
