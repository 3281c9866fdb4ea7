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
from p4d.students.prompt import LETTERS, TURN_END, VIDEO, opening, question_turn
from p4d.students.tokenizer import encode, letter_ids, token_id

IGNORED = -100
PREFIX, PADDING = 0, -1


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
    """

    frames: np.ndarray
    times_s: np.ndarray


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
        return Visual(np.concatenate([marked[None], clip]), times)

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
        letter_rows: `[Q, 2]` row and position whose hidden state predicts each answer letter.
        answer_index: `[Q]` index of the right option.
        option_counts: `[Q]` number of options.
        qa_ids: ids of the questions, in the order of `letter_rows`.
        clip_ids: ids of the clips, one per row.
        frames: u8 `[B, 1+T, S, S, 3]`, or None for an arm that sees no video.
        times_s: `[B, 1+T]` or None.
        labels: what the teacher says, stacked over the rows that have labels (training only).
        labelled_rows: `[L]` those rows, in order.
    """

    input_ids: Tensor
    position_ids: Tensor
    segment_ids: Tensor
    targets: Tensor
    letter_rows: Tensor
    answer_index: Tensor
    option_counts: Tensor
    qa_ids: tuple[str, ...]
    clip_ids: tuple[str, ...]
    frames: Tensor | None = None
    times_s: Tensor | None = None
    labels: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    labelled_rows: Tensor

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
        return (causal & (same | clip))[:, None]

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


class Packer:
    """Turns samples into batches for one tokenizer and one student family."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, visual_tokens: int) -> None:
        """`visual_tokens`: placeholders of one clip, 0 for an arm that sees no video."""
        self._tokenizer = tokenizer
        video = token_id(tokenizer, VIDEO)
        self._opening: list[int] = []
        for token in encode(tokenizer, opening(sees_video=visual_tokens > 0)):
            self._opening += [token] * (visual_tokens if token == video else 1)
        self._letters = letter_ids(tokenizer)
        self._end = token_id(tokenizer, TURN_END)
        self._pad = token_id(tokenizer, str(tokenizer.pad_token))
        self._turns: dict[str, list[int]] = {}

    def pack(self, samples: Sequence[Sample]) -> Batch:
        """Pack one row per sample; the answer letter and the end of the turn are targets."""
        rows = [self._row(sample) for sample in samples]
        length = max(len(tokens) for tokens, *_ in rows)

        def padded(index: int, fill: int) -> Tensor:
            table = np.full((len(rows), length), fill, dtype=np.int64)
            for number, row in enumerate(rows):
                table[number, : len(row[index])] = row[index]
            return torch.from_numpy(table)

        questions = [question for sample in samples for question in sample.questions]
        letter_rows = [(b, at) for b, row in enumerate(rows) for at in row[4]]
        pictures = [sample.visual for sample in samples if sample.visual is not None]
        labelled = [row for row, sample in enumerate(samples) if sample.labels]
        names = sorted(samples[labelled[0]].labels) if labelled else []
        return Batch(
            input_ids=padded(0, self._pad),
            position_ids=padded(1, 0),
            segment_ids=padded(2, PADDING),
            targets=padded(3, IGNORED),
            letter_rows=torch.tensor(letter_rows, dtype=torch.long).view(-1, 2),
            answer_index=torch.tensor([q.answer_index for q in questions]),
            option_counts=torch.tensor([len(q.options) for q in questions]),
            qa_ids=tuple(q.qa_id for q in questions),
            clip_ids=tuple(sample.clip_id for sample in samples),
            frames=torch.from_numpy(np.stack([p.frames for p in pictures])) if pictures else None,
            times_s=torch.from_numpy(np.stack([p.times_s for p in pictures])) if pictures else None,
            labels={
                name: torch.from_numpy(np.stack([samples[row].labels[name] for row in labelled]))
                for name in names
            },
            labelled_rows=torch.tensor(labelled, dtype=torch.long),
        )

    def prompts(self, samples: Sequence[Sample]) -> Batch:
        """One unanswered question per row, padded on the left, for generation."""
        rows = []
        for sample in samples:
            (question,) = sample.questions
            rows.append(self._opening + self._turn(question))
        batch = self.pack(samples)
        length = max(len(row) for row in rows)
        tokens = torch.full((len(rows), length), self._pad)
        segments = torch.full((len(rows), length), PADDING)
        for number, row in enumerate(rows):
            tokens[number, length - len(row) :] = torch.tensor(row)
            segments[number, length - len(row) :] = PREFIX
        return dataclasses.replace(batch, input_ids=tokens, segment_ids=segments)

    def _turn(self, question: Question) -> list[int]:
        if question.qa_id not in self._turns:
            text = question_turn(question.question, question.options)
            self._turns[question.qa_id] = encode(self._tokenizer, text)
        return self._turns[question.qa_id]

    def _row(self, sample: Sample) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
        start = len(self._opening)
        tokens = list(self._opening)
        positions = list(range(start))
        segments = [PREFIX] * start
        targets = [IGNORED] * start
        letters_at = []
        for number, question in enumerate(sample.questions, start=1):
            turn = self._turn(question)
            letter = self._letters[question.answer_index]
            # The last token of the turn predicts the letter, the letter predicts the end.
            tokens += [*turn, letter]
            targets += [IGNORED] * (len(turn) - 1) + [letter, self._end]
            letters_at.append(len(tokens) - 2)
            positions += range(start, start + len(turn) + 1)
            segments += [number] * (len(turn) + 1)
        return tokens, positions, segments, targets, letters_at


class LabelReader:
    """What a teacher says of a clip; `p4d/students/labels.py` has the one that reads shards."""

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the clip has labels."""
        del shard, clip_id
        return False

    def read(self, shard: str, clip_id: str) -> Mapping[str, np.ndarray]:
        """Labels of a clip, empty where it has none."""
        del shard, clip_id
        return {}


class TrainingSamples(Dataset[Sample]):
    """The samples of a whole run in the order they are used, equal for every arm.

    Sample i belongs to pass i // n over the n clips, each pass in its own seeded order; the
    questions asked of a clip are drawn per pass, without repetition.
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
    ) -> None:
        """`clips` is None for an arm that sees no video."""
        self._by_clip: dict[str, list[Question]] = {}
        for question in sorted(questions, key=lambda q: q.qa_id):
            self._by_clip.setdefault(question.clip_id, []).append(question)
        self._clip_ids = sorted(self._by_clip)
        self._length, self._per_clip, self._seed = length, questions_per_clip, seed
        self._clips, self._labels = clips, labels

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
        return Sample(
            clip_id=clip_id,
            questions=tuple(asked[i] for i in chosen),
            visual=self._clips.read(shard, clip_id) if self._clips else None,
            labels=self._labels.read(shard, clip_id),
        )
