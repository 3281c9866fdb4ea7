"""Turns samples into packed batches (p4d/students/model/batch.py describes the layout)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from p4d.students.data.burned_times import with_times
from p4d.students.data.clip_reader import Visual
from p4d.students.data.prompt_layout import layout_of
from p4d.students.data.questions import Question
from p4d.students.data.samples import LATENTS, Sample
from p4d.students.model.adapters.protocol import ABSENT, StudentAdapter
from p4d.students.model.batch import IGNORED, PADDING, PREFIX, PackedBatch
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.tokenizer import encode, letter_ids, token_id


@dataclass
class _PackedRow:
    """One row while it is laid out; all lists but the last two are as long as the row."""

    tokens: list[int]
    positions: list[int]
    segments: list[int]
    branches: list[int]
    targets: list[int]
    letters_at: list[int] = dataclasses.field(default_factory=list)
    scored: list[tuple[int, int, int, int]] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, opening: list[int]) -> _PackedRow:
        count = len(opening)
        fills = [PREFIX] * count, [0] * count, [IGNORED] * count
        return cls(list(opening), list(range(count)), *fills)

    def add(self, tokens: Sequence[int], at: int, segment: int, branch: int = 0) -> int:
        """Append tokens of a question at positions from `at`; returns the index of the first."""
        start = len(self.tokens)
        self.tokens += tokens
        self.positions += range(at, at + len(tokens))
        self.segments += [segment] * len(tokens)
        self.branches += [branch] * len(tokens)
        self.targets += [IGNORED] * len(tokens)
        return start


@dataclass(frozen=True)
class _Asked:
    """A question as tokens.

    Attributes:
        number: its index in the row.
        last: last token of the turn, which predicts the first token of the answer.
        at: position of `last`.
        answers: tokens of each option, as the student answers.
        correct: index of the correct option.
    """

    number: int
    last: int
    at: int
    answers: list[list[int]]
    correct: int

    @property
    def of_single_tokens(self) -> bool:
        """Whether every answer is one token, so that one position scores them all."""
        return all(len(answer) == 1 for answer in self.answers)


class Packer:
    """Packs samples for one tokenizer and one student family."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> None:
        """`adapter` gives the tokens of pictures; its model's config gives the prompt settings."""
        self._tokenizer, self._adapter = tokenizer, adapter
        self._settings = PromptSettings.of(adapter.model)
        self._layout = layout_of(tokenizer, adapter)
        self._letters = letter_ids(tokenizer)
        names = REGION_MARKS if self._settings.regions == "tokens" else ()
        self._region_ids = torch.tensor([token_id(tokenizer, mark) for mark in names])
        self._pad = token_id(tokenizer, str(tokenizer.pad_token))
        self._texts: dict[str, list[int]] = {}

    def pack(self, samples: Sequence[Sample], *, scored: bool = True) -> PackedBatch:
        """Pack one row per sample; the correct answer and the end of the turn are targets.

        Samples that hold one `Visual` object are encoded once.

        Args:
            samples: one row each.
            scored: whether options are compared. A student that answers in the text of an option
                then reads the text of every option, each in a branch of its own; the branch of the
                correct one holds the targets. Training does not need this.
        """
        samples = self._as_read(samples)
        rows = [self._row(sample, scored=scored) for sample in samples]
        questions = [question for sample in samples for question in sample.questions]
        letter_rows, scored_table = _answer_places(rows)
        visuals = [sample.visual for sample in samples]
        frames, times_s, spans_s = _stacked(visuals)
        labelled = [row for row, sample in enumerate(samples) if sample.labels]
        labels, mapped = _stacked_labels([samples[row].labels for row in labelled])
        masks = _stacked_masks(visuals) if self._settings.regions == "tokens" else None
        return PackedBatch(
            input_ids=_padded([row.tokens for row in rows], self._pad),
            position_ids=_padded([row.positions for row in rows], 0),
            segment_ids=_padded([row.segments for row in rows], PADDING),
            targets=_padded([row.targets for row in rows], IGNORED),
            branch_ids=_padded([row.branches for row in rows], 0),
            letter_rows=letter_rows,
            scored=scored_table[:, :4],
            scored_tokens=scored_table[:, 4],
            answer_index=torch.tensor([q.answer_index for q in questions]),
            option_counts=torch.tensor([len(q.options) for q in questions]),
            qa_ids=tuple(q.qa_id for q in questions),
            clip_ids=tuple(sample.clip_id for sample in samples),
            frames=frames,
            times_s=times_s,
            spans_s=spans_s,
            labels=labels,
            labelled_rows=torch.tensor(labelled, dtype=torch.long),
            mapped=mapped,
            masks=masks,
            region_ids=self._region_ids if masks is not None else None,
            same_pictures=_same(visuals),
        )

    def prompts(self, samples: Sequence[Sample]) -> PackedBatch:
        """One unanswered question per row, padded on the left, for generation."""
        rows = []
        for sample in self._as_read(samples):
            (question,) = sample.questions
            turn = self._layout.turn(question, sample.visual)
            rows.append(self._layout.opening(sample.visual) + self._encoded(turn))
        batch = self.pack(samples)
        length = max(len(row) for row in rows)
        tokens = torch.full((len(rows), length), self._pad)
        segments = torch.full((len(rows), length), PADDING)
        for number, row in enumerate(rows):
            tokens[number, length - len(row) :] = torch.tensor(row)
            segments[number, length - len(row) :] = PREFIX
        return dataclasses.replace(
            batch,
            input_ids=tokens,
            segment_ids=segments,
            branch_ids=torch.zeros_like(tokens),
        )

    def _as_read(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples with their pictures as the student reads them; one object remains one."""
        seen = {id(sample.visual): sample.visual for sample in samples}
        read = {key: self._visual_as_read(visual) for key, visual in seen.items() if visual}
        return [
            dataclasses.replace(sample, visual=read.get(id(sample.visual))) for sample in samples
        ]

    def _visual_as_read(self, visual: Visual) -> Visual:
        """Drops a marked picture that the student does not read, and draws the times into frames.

        The marked picture is left out for a student that reads regions as tokens. A published
        checkpoint that is asked as it is gets none without marks either: it then equals a frame.
        """
        marked = len(visual.times_s) > 1 and bool(np.isnan(visual.times_s[0]))
        own = self._settings.template == "own"
        if marked and (
            self._settings.regions == "tokens"
            or (own and np.array_equal(visual.frames[0], visual.frames[1]))
        ):
            visual = dataclasses.replace(
                visual, frames=visual.frames[1:], times_s=visual.times_s[1:]
            )
        if self._settings.time == "burned_in":
            visual = dataclasses.replace(visual, frames=with_times(visual.frames, visual.times_s))
        return visual

    def _encoded(self, text: str) -> list[int]:
        if text not in self._texts:
            self._texts[text] = encode(self._tokenizer, text)
        return self._texts[text]

    def _answers(self, question: Question) -> list[list[int]]:
        """Tokens of each option, as the student answers."""
        if self._settings.answers == "letter" and not question.answers_in_text:
            return [[letter] for letter in self._letters[: len(question.options)]]
        return [self._encoded(option) for option in question.options]

    def _row(self, sample: Sample, *, scored: bool) -> _PackedRow:
        row = _PackedRow.of(self._layout.opening(sample.visual))
        start = len(row.tokens)
        for number, question in enumerate(sample.questions):
            *turn, last = self._encoded(self._layout.turn(question, sample.visual))
            row.add(turn, start, number + 1)
            answers = self._answers(question)
            asked = _Asked(number, last, start + len(turn), answers, question.answer_index)
            if scored and not asked.of_single_tokens:
                _add_branches(row, asked)
            else:
                self._add_answer(row, asked)
        return row

    def _add_answer(self, row: _PackedRow, asked: _Asked) -> None:
        """Appends the correct answer alone; single-token answers share the position before it."""
        # A question without options is answered by generation.
        answer = asked.answers[asked.correct] if asked.answers else []
        at = row.add([asked.last, *answer], asked.at, asked.number + 1)
        row.targets[at:] = [*answer, self._layout.end]
        row.letters_at.append(at)
        if asked.of_single_tokens:
            row.scored += [
                (at, asked.number, option, only) for option, (only,) in enumerate(asked.answers)
            ]


def _add_branches(row: _PackedRow, asked: _Asked) -> None:
    """Appends every option in a branch of its own; each begins with the last token of the turn."""
    for option, answer in enumerate(asked.answers):
        tokens = [asked.last, *answer[:-1]]
        at = row.add(tokens, asked.at, asked.number + 1, branch=option + 1)
        row.scored += [
            (at + place, asked.number, option, token) for place, token in enumerate(answer)
        ]
        if option == asked.correct:
            row.targets[at:] = answer
            row.letters_at.append(at)


def _answer_places(rows: Sequence[_PackedRow]) -> tuple[Tensor, Tensor]:
    """`letter_rows`, and `scored` with `scored_tokens` as its fifth column."""
    letter_rows: list[tuple[int, int]] = []
    marks: list[tuple[int, int, int, int, int]] = []
    for number, row in enumerate(rows):
        marks += [(number, at, len(letter_rows) + q, k, token) for at, q, k, token in row.scored]
        letter_rows += [(number, at) for at in row.letters_at]
    return (
        torch.tensor(letter_rows, dtype=torch.long).view(-1, 2),
        torch.tensor(marks, dtype=torch.long).view(-1, 5),
    )


def _padded(lists: Sequence[list[int]], fill: int) -> Tensor:
    table = np.full((len(lists), max(map(len, lists))), fill, dtype=np.int64)
    for number, values in enumerate(lists):
        table[number, : len(values)] = values
    return torch.from_numpy(table)


def _same(visuals: Sequence[Visual | None]) -> Tensor | None:
    """The first row that shows the same pictures, by row; None if all rows differ."""
    first: dict[int, int] = {}
    rows = [first.setdefault(id(visual), row) for row, visual in enumerate(visuals)]
    return torch.tensor(rows) if len(first) < len(rows) else None


def _stacked_masks(visuals: Sequence[Visual | None]) -> Tensor | None:
    """Masks of all rows `[B, K, S, S]`, padded with empty masks."""
    seen = [visual.masks_khw for visual in visuals if visual is not None]
    most = max((len(masks) for masks in seen), default=0)
    if not most:
        return None
    stacked = np.zeros((len(visuals), most, *seen[0].shape[1:]), np.uint8)
    for row, visual in enumerate(visuals):
        if visual is not None:
            stacked[row, : len(visual.masks_khw)] = visual.masks_khw
    return torch.from_numpy(stacked)


def _stacked(
    visuals: Sequence[Visual | None],
) -> tuple[Tensor | tuple[Tensor, ...] | None, Tensor | None, Tensor | None]:
    """Pictures, times and spans of all rows, padded to the longest with absent pictures.

    Pictures of several sizes stay one tensor per row.
    """
    seen = [visual for visual in visuals if visual is not None]
    if not seen:
        return None, None, None
    longest = max(len(visual.frames) for visual in seen)
    times_s = np.full((len(visuals), longest), ABSENT)
    for row, visual in enumerate(visuals):
        if visual is not None:
            times_s[row, : len(visual.times_s)] = visual.times_s
    spans = [visual.span_s if visual is not None else None for visual in visuals]
    known = [span for span in spans if span is not None]
    spans_s = torch.tensor(known) if len(known) == len(spans) else None
    sizes = {visual.frames.shape[1:3] for visual in seen}
    if len(sizes) > 1:
        none = np.zeros((0, 1, 1, 3), np.uint8)
        rows = (none if visual is None else visual.frames for visual in visuals)
        return tuple(map(torch.from_numpy, rows)), torch.from_numpy(times_s), spans_s
    frames = np.zeros((len(visuals), longest, *seen[0].frames.shape[1:]), np.uint8)
    for row, visual in enumerate(visuals):
        if visual is not None:
            frames[row, : len(visual.frames)] = visual.frames
    return torch.from_numpy(frames), torch.from_numpy(times_s), spans_s


def _stacked_labels(rows: Sequence[Mapping[str, np.ndarray]]) -> tuple[dict[str, Tensor], Tensor]:
    mapped = [number for number, labels in enumerate(rows) if labels.keys() - {LATENTS}]
    names = sorted({name for labels in rows for name in labels})
    stacked = {
        name: torch.from_numpy(np.stack([labels[name] for labels in rows if name in labels]))
        for name in names
    }
    return stacked, torch.tensor(mapped, dtype=torch.long)
