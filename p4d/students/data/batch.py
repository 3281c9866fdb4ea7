"""Questions, clips and teacher labels as batches.

A training row packs one clip and several of its questions. Each question sees the clip and itself,
never another question: a mask separates them and their positions restart after the clip. A row of K
questions is therefore exactly K single-turn samples, at the visual cost of one, and no answer can
leak into the next question.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from p4d.artifacts import Arrays, read_table
from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.students.model.adapters.protocol import ABSENT, StudentAdapter
from p4d.students.model.chat import (
    LETTERS,
    REGION_MARKS,
    TURN_END,
    VIDEO,
    opening,
    question_turn,
)
from p4d.students.model.prompt_settings import Reading
from p4d.students.model.tokenizer import encode, letter_ids, token_id

IGNORED = -100
PREFIX, PADDING = 0, -1
LATENTS = "latents"  # among the arrays of labels; the others are maps


@dataclass(frozen=True, kw_only=True)
class Question:
    """One multiple-choice question of a release."""

    qa_id: str
    clip_id: str
    video_id: str
    shard: str
    category: str
    question: str
    options: tuple[str, ...]
    answer_index: int
    dynamic: bool

    def turn(self) -> str:
        """What a student reads of it."""
        return question_turn(self.question, self.options)


def load_questions(release: Path, split: str) -> list[Question]:
    """Questions of one split, sorted by id.

    Raises:
        ContractError: a question has more options than letters, or its answer is not among them.
    """
    table = read_table(release / "questions.parquet").filter(pl.col("split") == split)
    names = [field.name for field in dataclasses.fields(Question)]
    found = []
    for row in table.select(names).sort("qa_id").iter_rows(named=True):
        question = Question(**{**row, "options": tuple(row["options"])})
        count = len(question.options)
        if not 2 <= count <= len(LETTERS) or not 0 <= question.answer_index < count:
            raise ContractError(
                f"question {question.qa_id}: {count} options, answer {question.answer_index}"
            )
        found.append(question)
    return found


@dataclass(frozen=True)
class Visual:
    """What a student sees of one clip.

    Attributes:
        frames: u8 `[1+T, S, S, 3]`: the marked picture of the first frame, then the clip.
        times_s: float64 `[1+T]`, seconds since the start of the clip; NaN for the marked picture.
        masks_khw: u8 0/1 `[K, S, S]`, regions in the first frame in the order of their marks; no
            later frame, as a track would tell how a region moves. `[0, S, S]` without regions.
    """

    frames: np.ndarray
    times_s: np.ndarray
    masks_khw: np.ndarray


class ClipReader:
    """Pictures and times of clips, read one at a time from the shards that hold them."""

    def __init__(self, clips: Mapping[str, Path], regions: Mapping[str, Path]) -> None:
        """Shard folders of the stages `clips` and `regions`."""
        self._clips, self._regions = clips, regions
        self._open: dict[Path, Arrays] = {}

    def read(self, shard: str, clip_id: str) -> Visual:
        """The pictures of one clip; without marked regions the plain first frame takes their place.

        Raises:
            ContractError: the shard has no such clip.
        """
        if shard not in self._clips:
            raise ContractError(f"clip {clip_id}: shard {shard} is not among the inputs")
        frames = self._arrays(self._clips[shard] / "frames.safetensors")
        marks = self._arrays(self._regions[shard] / "marks.safetensors")
        name = f"{clip_id}.rgb_thw3"
        if name not in frames or clip_id not in self._times:
            raise ContractError(f"shard {shard} holds no frames of clip {clip_id}")
        clip = frames[name]
        marked = marks[f"{clip_id}.marks_hw3"] if f"{clip_id}.marks_hw3" in marks else clip[0]
        times = np.concatenate([[np.nan], self._times[clip_id]])
        masks = self._arrays(self._regions[shard] / "masks.safetensors")
        tracks = f"{clip_id}.masks_kthw"
        if tracks in masks:
            first = masks[tracks][:, 0]
        else:
            first = np.zeros((0, *clip.shape[1:3]), np.uint8)
        return Visual(np.concatenate([marked[None], clip]), times, first)

    @cached_property
    def _times(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for folder in self._clips.values():
            table = read_table(folder / "clips.parquet").filter(pl.col("outcome") == "ok")
            for clip_id, start_ns, pts_ns in table.select(
                "clip_id", "start_ns", "frame_pts_ns"
            ).iter_rows():
                found[clip_id] = (np.asarray(pts_ns, np.int64) - start_ns) / 1e9
        return found

    def _arrays(self, path: Path) -> Arrays:
        if path not in self._open:
            self._open[path] = Arrays(path)
        return self._open[path]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Packed rows; see the module's text for the layout.

    Attributes:
        input_ids: `[B, N]` tokens: the clip, then questions one after another, then padding.
        position_ids: `[B, N]`, restarting after the clip for each question.
        segment_ids: `[B, N]`: 0 for the clip, k for the k-th question, -1 for padding.
        targets: `[B, N]` the token each position must predict, or -100.
        branch_ids: `[B, N]`: k where a position belongs to the k-th option's text alone (counted
            from 1), else 0. Options of a question do not see each other's text.
        letter_rows: `[Q, 2]` row and position whose hidden state predicts each answer.
        scored: `[A, 4]` row, position, question and option of each token that makes up an answer;
            the likelihood of an option is the product over its tokens.
        scored_tokens: `[A]` those tokens.
        answer_index: `[Q]` index of the right option.
        option_counts: `[Q]` number of options.
        qa_ids: ids of the questions, in the order of `letter_rows`.
        clip_ids: ids of the clips, one per row.
        frames: u8 `[B, 1+T, S, S, 3]`, or None for an arm that sees no video.
        times_s: `[B, 1+T]` or None; see p4d/students/model/adapters/protocol.py for what is no
        time. labels: what the teacher says (training only): latents stacked over the rows that have
            labels, maps over those of them that are compared in maps.
        labelled_rows: `[L]` rows with labels, in order.
        mapped: `[M]` which of the labelled rows are compared in maps.
        masks: u8 `[B, K, S, S]` regions in the first frame, for a student that reads them as tokens
            (p4d/students/model/region_tokens.py), else None.
        region_ids: `[K]` the tokens that name them.
    """

    input_ids: Tensor
    position_ids: Tensor
    segment_ids: Tensor
    targets: Tensor
    branch_ids: Tensor
    letter_rows: Tensor
    scored: Tensor
    scored_tokens: Tensor
    answer_index: Tensor
    option_counts: Tensor
    qa_ids: tuple[str, ...]
    clip_ids: tuple[str, ...]
    frames: Tensor | None = None
    times_s: Tensor | None = None
    labels: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    labelled_rows: Tensor
    mapped: Tensor
    masks: Tensor | None = None
    region_ids: Tensor | None = None

    @property
    def token_mask(self) -> Tensor:
        """True where a position holds text or video."""
        return self.segment_ids != PADDING

    def attention_mask(self) -> Tensor:
        """`[B, 1, N, N]` bool: who may look at whom (query, key)."""
        segments = self.segment_ids
        length = segments.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
        same = segments[:, :, None] == segments[:, None, :]
        clip = (segments == PREFIX)[:, None, :]
        branches = self.branch_ids
        shared = (branches == 0)[:, None, :] | (branches[:, :, None] == branches[:, None, :])
        return (causal & (clip | (same & shared)))[:, None]

    def to(self, device: torch.device | str) -> Batch:
        """A copy on another device."""

        def move(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device)
            if isinstance(value, dict):
                return {name: tensor.to(device) for name, tensor in value.items()}
            return value

        fields = {f.name: move(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return Batch(**fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sample:
    """One clip with the questions asked about it, before packing."""

    clip_id: str
    questions: tuple[Question, ...]
    visual: Visual | None
    labels: Mapping[str, np.ndarray]


@dataclass
class _Row:
    """One packed row while it is laid out; the lists are as long as the row."""

    tokens: list[int]
    positions: list[int]
    segments: list[int]
    branches: list[int]
    targets: list[int]
    letters_at: list[int] = dataclasses.field(default_factory=list)
    scored: list[tuple[int, int, int, int]] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, opening: list[int]) -> _Row:
        count = len(opening)
        fills = [PREFIX] * count, [0] * count, [IGNORED] * count
        return cls(list(opening), list(range(count)), *fills)

    def add(self, tokens: Sequence[int], at: int, question: int, branch: int = 0) -> int:
        """Append tokens of a question at positions from `at`; returns where they start."""
        start = len(self.tokens)
        self.tokens += tokens
        self.positions += range(at, at + len(tokens))
        self.segments += [question] * len(tokens)
        self.branches += [branch] * len(tokens)
        self.targets += [IGNORED] * len(tokens)
        return start


class Packer:
    """Turns samples into batches for one tokenizer and one student family."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> None:
        """`adapter` says what stands for pictures, its model's config how it reads and answers."""
        self._tokenizer, self._adapter = tokenizer, adapter
        self._reading = Reading.of(adapter.model)
        before, after = opening(sees_video=True).split(VIDEO)
        self._around = encode(tokenizer, before), encode(tokenizer, after)
        self._blind_opening = encode(tokenizer, opening(sees_video=False))
        self._letters = letter_ids(tokenizer)
        self._region_ids = torch.tensor([token_id(tokenizer, mark) for mark in REGION_MARKS])
        self._end = token_id(tokenizer, TURN_END)
        self._pad = token_id(tokenizer, str(tokenizer.pad_token))
        self._texts: dict[str, list[int]] = {}

    def pack(self, samples: Sequence[Sample], *, scored: bool = True) -> Batch:
        """Pack one row per sample; the right answer and the end of the turn are targets.

        Args:
            samples: one row each.
            scored: whether options are to be compared. A student that answers in the text of an
                option then reads every option's text, in a branch of its own; the branch of the
                right one holds the targets. Training does without.
        """
        samples = [self._as_read(sample) for sample in samples]
        rows = [self._row(sample, scored=scored) for sample in samples]
        length = max(len(row.tokens) for row in rows)

        def padded(lists: Sequence[list[int]], fill: int) -> Tensor:
            table = np.full((len(rows), length), fill, dtype=np.int64)
            for number, values in enumerate(lists):
                table[number, : len(values)] = values
            return torch.from_numpy(table)

        questions = [question for sample in samples for question in sample.questions]
        letter_rows: list[tuple[int, int]] = []
        marks: list[tuple[int, int, int, int, int]] = []
        for number, row in enumerate(rows):
            marks += [
                (number, at, len(letter_rows) + q, k, token) for at, q, k, token in row.scored
            ]
            letter_rows += [(number, at) for at in row.letters_at]
        marks_table = torch.tensor(marks, dtype=torch.long).view(-1, 5)
        visuals = [sample.visual for sample in samples]
        frames, times_s = _stacked(visuals)
        labelled = [row for row, sample in enumerate(samples) if sample.labels]
        labels, mapped = _stacked_labels([samples[row].labels for row in labelled])
        masks = _stacked_masks(visuals) if self._reading.regions == "tokens" else None
        return Batch(
            input_ids=padded([row.tokens for row in rows], self._pad),
            position_ids=padded([row.positions for row in rows], 0),
            segment_ids=padded([row.segments for row in rows], PADDING),
            targets=padded([row.targets for row in rows], IGNORED),
            branch_ids=padded([row.branches for row in rows], 0),
            letter_rows=torch.tensor(letter_rows, dtype=torch.long).view(-1, 2),
            scored=marks_table[:, :4],
            scored_tokens=marks_table[:, 4],
            answer_index=torch.tensor([q.answer_index for q in questions]),
            option_counts=torch.tensor([len(q.options) for q in questions]),
            qa_ids=tuple(q.qa_id for q in questions),
            clip_ids=tuple(sample.clip_id for sample in samples),
            frames=frames,
            times_s=times_s,
            labels=labels,
            labelled_rows=torch.tensor(labelled, dtype=torch.long),
            mapped=mapped,
            masks=masks,
            region_ids=self._region_ids if masks is not None else None,
        )

    def prompts(self, samples: Sequence[Sample]) -> Batch:
        """One unanswered question per row, padded on the left, for generation."""
        rows = []
        for sample in map(self._as_read, samples):
            (question,) = sample.questions
            rows.append(self._opening(sample.visual) + self._encoded(question.turn()))
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

    def _as_read(self, sample: Sample) -> Sample:
        """Without the marked picture, for a student that reads regions as tokens."""
        visual = sample.visual
        if self._reading.regions == "marks" or visual is None:
            return sample
        marked = len(visual.times_s) > 1 and np.isnan(visual.times_s[0])
        if not marked:
            return sample
        plain = dataclasses.replace(visual, frames=visual.frames[1:], times_s=visual.times_s[1:])
        return dataclasses.replace(sample, visual=plain)

    def _opening(self, visual: Visual | None) -> list[int]:
        if visual is None:
            return self._blind_opening
        before, after = self._around
        return [*before, *self._adapter.visual_ids(visual.times_s.tolist()), *after]

    def _encoded(self, text: str) -> list[int]:
        if text not in self._texts:
            self._texts[text] = encode(self._tokenizer, text)
        return self._texts[text]

    def _answers(self, question: Question) -> list[list[int]]:
        """Each option as the student says it."""
        if self._reading.answers == "letter":
            return [[letter] for letter in self._letters[: len(question.options)]]
        return [self._encoded(option) for option in question.options]

    def _row(self, sample: Sample, *, scored: bool) -> _Row:
        row = _Row.of(self._opening(sample.visual))
        start = len(row.tokens)
        for number, question in enumerate(sample.questions):
            *turn, last = self._encoded(question.turn())
            answers = self._answers(question)
            segment, asked = number + 1, start + len(turn)
            row.add(turn, start, segment)
            if not scored or all(len(answer) == 1 for answer in answers):
                self._say(row, last, answers, question.answer_index, number, asked)
                continue
            # Every branch begins with the last token of the turn, which predicts its first one.
            for option, answer in enumerate(answers):
                at = row.add([last, *answer[:-1]], asked, segment, branch=option + 1)
                places = range(at, at + len(answer))
                row.scored += zip(
                    places, [number] * len(answer), [option] * len(answer), answer, strict=True
                )
                if option == question.answer_index:
                    row.targets[at:] = answer
                    row.letters_at.append(at)
        return row

    def _say(
        self, row: _Row, last: int, answers: list[list[int]], right: int, number: int, asked: int
    ) -> None:
        """The right answer alone; what it has in common with the others is where it begins."""
        said = answers[right] if answers else []  # without options: to be generated
        at = row.add([last, *said], asked, number + 1)
        row.targets[at:] = [*said, self._end]
        row.letters_at.append(at)
        if all(len(answer) == 1 for answer in answers):
            row.scored += [(at, number, option, answer[0]) for option, answer in enumerate(answers)]


def _stacked_masks(visuals: Sequence[Visual | None]) -> Tensor | None:
    """Masks of all rows `[B, K, S, S]`, filled up with empty ones."""
    seen = [visual.masks_khw for visual in visuals if visual is not None]
    most = max((len(masks) for masks in seen), default=0)
    if not most:
        return None
    stacked = np.zeros((len(visuals), most, *seen[0].shape[1:]), np.uint8)
    for row, visual in enumerate(visuals):
        if visual is not None:
            stacked[row, : len(visual.masks_khw)] = visual.masks_khw
    return torch.from_numpy(stacked)


def _stacked(visuals: Sequence[Visual | None]) -> tuple[Tensor | None, Tensor | None]:
    """Pictures and times of all rows, filled up to the longest with pictures that are absent."""
    seen = [visual for visual in visuals if visual is not None]
    if not seen:
        return None, None
    longest = max(len(visual.frames) for visual in seen)
    frames = np.zeros((len(visuals), longest, *seen[0].frames.shape[1:]), np.uint8)
    times_s = np.full((len(visuals), longest), ABSENT)
    for row, visual in enumerate(visuals):
        if visual is not None:
            frames[row, : len(visual.frames)] = visual.frames
            times_s[row, : len(visual.times_s)] = visual.times_s
    return torch.from_numpy(frames), torch.from_numpy(times_s)


def _stacked_labels(rows: Sequence[Mapping[str, np.ndarray]]) -> tuple[dict[str, Tensor], Tensor]:
    mapped = [number for number, labels in enumerate(rows) if labels.keys() - {LATENTS}]
    names = sorted({name for labels in rows for name in labels})
    stacked = {
        name: torch.from_numpy(np.stack([labels[name] for labels in rows if name in labels]))
        for name in names
    }
    return stacked, torch.tensor(mapped, dtype=torch.long)


class LabelReader:
    """What a teacher says of a clip; p4d/students/data/targets.py reads it from shards."""

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the clip has labels."""
        del shard, clip_id
        return False

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> Mapping[str, np.ndarray]:
        """Labels of a clip, empty where it has none; `maps`: whether maps are wanted, too."""
        del shard, clip_id, maps
        return {}


class TrainingSamples(Dataset[Sample]):
    """The samples of a whole run in the order they are used, equal for every arm.

    Sample i belongs to pass i // n over the n clips, each pass in its own seeded order; the
    questions asked of a clip are drawn per pass, without repetition. The first `labelled` samples
    bring the teacher's latents along, and of every `maps_every` of them one its maps.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        *,
        length: int,
        questions_per_clip: int,
        seed: int,
        clips: ClipReader | None,
        labels: LabelReader,
        labelled: int | None = None,
        maps_every: int = 1,
    ) -> None:
        """`clips` is None for an arm that sees no video, `labelled` where all samples are."""
        self._by_clip: dict[str, list[Question]] = {}
        for question in sorted(questions, key=lambda q: q.qa_id):
            self._by_clip.setdefault(question.clip_id, []).append(question)
        self._clip_ids = sorted(self._by_clip)
        self._length, self._per_clip, self._seed = length, questions_per_clip, seed
        self._clips, self._labels = clips, labels
        self._labelled = length if labelled is None else labelled
        self._maps_every = maps_every

    def __len__(self) -> int:
        """Samples of the run: steps times batch."""
        return self._length

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index` of the run."""
        epoch, place = divmod(index, len(self._clip_ids))
        order = np.random.default_rng(seed_for("clip order", self._seed, epoch))
        clip_id = self._clip_ids[order.permutation(len(self._clip_ids))[place]]
        asked = self._by_clip[clip_id]
        draw = np.random.default_rng(seed_for("questions", self._seed, epoch, clip_id))
        chosen = draw.permutation(len(asked))[: self._per_clip]
        shard = asked[0].shard
        labels: Mapping[str, np.ndarray] = {}
        if index < self._labelled:
            labels = self._labels.read(shard, clip_id, maps=index % self._maps_every == 0)
        return Sample(
            clip_id=clip_id,
            questions=tuple(asked[i] for i in chosen),
            visual=self._clips.read(shard, clip_id) if self._clips else None,
            labels=labels,
        )
