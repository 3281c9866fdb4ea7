"""Asking a student: the likelihood of each option, and greedy text.

The one way in which questions are put, for the stage and for any benchmark. Batches are laid out
over all questions before the first is asked, and the journal takes whole batches, so a run that was
killed goes on with exactly the batches that are missing and ends with the same answers.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch

from p4d.errors import ContractError, P4DError
from p4d.ids import canonical_json
from p4d.students.data.clip_reader import ClipReader, Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.model.student import Student


class Pictures(Protocol):
    """Where the pictures of a question come from."""

    def of(self, question: Question) -> Visual:
        """What a student sees of the question's clip; may raise an error of ours."""
        ...


class ClipPictures:
    """Pictures of clips in our own layout: what a student was trained on, masks included."""

    def __init__(self, clips: ClipReader) -> None:
        """Wrap a reader of the stages `clips` and `regions`."""
        self._clips = clips

    def of(self, question: Question) -> Visual:
        """Read the question's clip from its shard."""
        return self._clips.read(question.shard, question.clip_id)


@dataclass(frozen=True)
class Reply:
    """What a student said to one question.

    Attributes:
        option_logp: log-likelihood of each option, empty where it was not scored.
        text: generated text, or None where none was asked for.
        failure: why there is no answer, or None.
    """

    qa_id: str
    option_logp: tuple[float, ...] = ()
    text: str | None = None
    failure: str | None = None

    @property
    def likeliest(self) -> int | None:
        """Index of the most likely option; the first among equals."""
        scores = self.option_logp
        return max(range(len(scores)), key=scores.__getitem__) if scores else None


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How questions are put.

    Attributes:
        frames: pictures of a clip, without the marked one.
        batch: clips per batch.
        answer_tokens: greatest length of a generated text.
        likelihood: whether options are scored.
    """

    frames: int
    batch: int
    answer_tokens: int
    likelihood: bool = True


class Journal:
    """Replies on disk, one line per batch, appended and flushed; the first line names the run.

    A torn last line, left by a killed process, is dropped.
    """

    def __init__(self, path: Path, run: Mapping[str, object]) -> None:
        """Open or continue `path`.

        Raises:
            ContractError: it belongs to another run.
        """
        self._path = path
        self.replies: dict[str, Reply] = {}
        head = canonical_json({"run": run})
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
        whole = [line for line in lines[:-1] if line]  # what follows the last newline is torn
        if whole and whole[0].decode() != head:
            raise ContractError(
                f"{path} holds answers of another run (model, benchmark or settings differ); "
                "name another --out, or remove the folder"
            )
        for line in whole[1:]:
            for row in json.loads(line):
                row["option_logp"] = tuple(row["option_logp"])
                self.replies[row["qa_id"]] = Reply(**row)
        with path.open("wb") as stream:
            stream.write(b"".join(line + b"\n" for line in whole or [head.encode()]))
            stream.flush()
            os.fsync(stream.fileno())

    def add(self, replies: Sequence[Reply]) -> None:
        """Record one batch, all of it or none."""
        line = json.dumps([asdict(reply) for reply in replies]) + "\n"
        with self._path.open("ab") as stream:
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())
        self.replies |= {reply.qa_id: reply for reply in replies}


def ask(
    student: Student,
    questions: Sequence[Question],
    pictures: Pictures,
    how: Asking,
    *,
    generated: Collection[str] | None = None,
    journal: Journal | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> dict[str, Reply]:
    """Replies to all questions, by id.

    Questions of one clip share a row when options are scored; each is generated in a row of its
    own. A clip whose pictures cannot be read fails with the reason, and the others go on.

    Args:
        student: any arm or checkpoint.
        questions: unique ids; a question without options is only generated.
        pictures: where its clips come from; unused by a student that sees no video.
        how: frames, batch and length.
        generated: ids to generate text for; None: all.
        journal: where replies are kept; those it has are not asked again.
        progress: called as `(done, total, note)` after each batch.
    """
    packer = Packer(student.tokenizer, student.adapter)
    by_clip: dict[str, list[Question]] = {}
    for question in sorted(questions, key=lambda q: q.qa_id):
        by_clip.setdefault(question.clip_id, []).append(question)
    clips = [by_clip[clip_id] for clip_id in sorted(by_clip)]
    replies: dict[str, Reply] = dict(journal.replies) if journal else {}
    done = 0
    for start in range(0, len(clips), how.batch):
        group = clips[start : start + how.batch]
        asked = [question for questions_of in group for question in questions_of]
        done += len(asked)
        if not all(question.qa_id in replies for question in asked):
            new = list(_ask_batch(student, packer, group, pictures, how, generated))
            replies |= {reply.qa_id: reply for reply in new}
            if journal:
                journal.add(new)
        progress(done, len(questions), f"{done} of {len(questions)} questions")
    return {question.qa_id: replies[question.qa_id] for question in questions}


def _ask_batch(
    student: Student,
    packer: Packer,
    group: Sequence[Sequence[Question]],
    pictures: Pictures,
    how: Asking,
    generated: Collection[str] | None,
) -> Iterator[Reply]:
    visuals: dict[str, Visual | None] = {}
    usable: list[Sequence[Question]] = []
    for questions in group:
        try:
            visuals[questions[0].clip_id] = (
                pictures.of(questions[0]) if student.sees_video else None
            )
            usable.append(questions)
        except (P4DError, KeyError) as error:
            yield from (Reply(question.qa_id, failure=str(error)) for question in questions)

    def sample(questions: Sequence[Question]) -> Sample:
        clip_id = questions[0].clip_id
        return Sample(clip_id, tuple(questions), visuals[clip_id], {})

    device = student.adapter.model.device
    scores: dict[str, tuple[float, ...]] = {}
    choices = [[q for q in questions if q.options] for questions in usable]
    scored = [sample(questions) for questions in choices if questions]
    if how.likelihood and scored:
        batch = packer.pack(scored).to(device)
        found = student.answer_scores(batch).to(torch.float64).tolist()
        for qa_id, row in zip(batch.qa_ids, found, strict=True):
            scores[qa_id] = tuple(round(value, 6) for value in row if not math.isinf(value))
    texts: dict[str, str] = {}
    wanted = [q for qs in usable for q in qs if generated is None or q.qa_id in generated]
    for start in range(0, len(wanted), how.batch):
        part = wanted[start : start + how.batch]
        prompts = packer.prompts([sample([question]) for question in part]).to(device)
        said = student.generate(prompts, max_new_tokens=how.answer_tokens)
        texts |= zip(prompts.qa_ids, (text.strip() for text in said), strict=True)
    for questions in usable:
        for question in questions:
            yield Reply(question.qa_id, scores.get(question.qa_id, ()), texts.get(question.qa_id))
