"""Asks a student: the likelihood of each option, and greedy text.

Batches are laid out over all questions before the first is asked, and the journal takes whole
batches. A killed run therefore resumes with exactly the missing batches and ends with the same
replies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import torch

from p4d.errors import P4DError
from p4d.evaluation.answering.replies import Journal, Reply
from p4d.evaluation.answering.visuals import VisualSource
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.model.attention import takes_any_mask
from p4d.students.model.student import Student

ANSWER_TOKENS = 24
"""Maximum length of a generated answer: an option's text or a short sentence around its letter."""


QUESTIONS_PER_ROW = 32
"""Questions of a clip that share a row, at most: more than a release asks about one. The language
model reads a clip once for all of them (p4d/students/model/shared_prefix.py), and a batch is as
large as its clips.
"""
QUESTIONS_PER_WHOLE_ROW = 3
"""The same where rows are computed whole, for want of an attention that takes any mask. Attention
is then computed over all pairs of tokens of a row, also between questions that do not attend to
each other, so a row of 12 questions costs more than four of 3
(`python -m benchmarks.speed.packing PROJECT`).
"""


@dataclass(frozen=True, kw_only=True)
class AskSettings:
    """How questions are asked.

    Attributes:
        frames: frames per clip, without the marked one.
        batch: rows per batch; a row is a clip with some of its questions.
        answer_tokens: maximum length of a generated text.
        likelihood: whether options are scored.
        questions_per_row: questions of a clip that share a row when options are scored, at most;
            None: as many as the network's attention answers fastest.
    """

    frames: int
    batch: int
    answer_tokens: int = ANSWER_TOKENS
    likelihood: bool = True
    questions_per_row: int | None = None

    def row_limit(self, student: Student) -> int:
        """Questions per row, at most."""
        shared = takes_any_mask(student.adapter.model)
        return self.questions_per_row or (QUESTIONS_PER_ROW if shared else QUESTIONS_PER_WHOLE_ROW)


def ask(
    student: Student,
    questions: Sequence[Question],
    visuals: VisualSource,
    settings: AskSettings,
    *,
    generated: Collection[str] | None = None,
    journal: Journal | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> dict[str, Reply]:
    """Return the replies to all questions, by id.

    Questions of one clip share a row when options are scored; text is generated in one row per
    question. If the frames of a clip cannot be read, its questions fail with the reason and the
    others go on.

    Args:
        student: any arm or checkpoint.
        questions: with unique ids; a question without options only gets generated text.
        visuals: source of the frames; unused by a student that sees no video.
        settings: frames, batch and length.
        generated: ids to generate text for; None: all.
        journal: keeps the replies; questions it already holds are not asked again.
        progress: called as `(done, total, note)` after each batch.
    """
    packer = Packer(student.tokenizer, student.adapter)
    by_clip: dict[str, list[Question]] = {}
    for question in sorted(questions, key=lambda q: q.qa_id):
        by_clip.setdefault(question.clip_id, []).append(question)
    rows = [
        part
        for clip_id in sorted(by_clip)
        for part in _parts(by_clip[clip_id], settings.row_limit(student))
    ]
    replies: dict[str, Reply] = dict(journal.replies) if journal else {}
    done = 0
    for start in range(0, len(rows), settings.batch):
        group = rows[start : start + settings.batch]
        asked = [question for questions_of_clip in group for question in questions_of_clip]
        done += len(asked)
        if not all(question.qa_id in replies for question in asked):
            new = list(_ask_batch(student, packer, group, visuals, settings, generated))
            replies |= {reply.qa_id: reply for reply in new}
            if journal:
                journal.add(new)
        progress(done, len(questions), f"{done} of {len(questions)} questions")
    return {question.qa_id: replies[question.qa_id] for question in questions}


def _parts(questions: list[Question], most: int) -> list[list[Question]]:
    """Parts of nearly equal size and length of text, so that little of a batch is padding.

    The longest questions are dealt first, one to each part, the next ones in opposite order.
    """
    parts: list[list[Question]] = [[] for _ in range(math.ceil(len(questions) / most))]
    longest_first = sorted(questions, key=lambda q: -len(q.question) - sum(map(len, q.options)))
    for dealt in range(0, len(questions), len(parts)):
        for part, question in zip(parts, longest_first[dealt:], strict=False):
            part.append(question)
        parts.reverse()
    return parts


def _ask_batch(
    student: Student,
    packer: Packer,
    group: Sequence[Sequence[Question]],
    visuals: VisualSource,
    settings: AskSettings,
    generated: Collection[str] | None,
) -> Iterator[Reply]:
    seen: dict[str, Visual | None] = {}  # one object per clip, so that it is encoded once
    usable: list[Sequence[Question]] = []
    for questions in group:
        first = questions[0]
        try:
            if first.clip_id not in seen:
                seen[first.clip_id] = visuals.of(first) if student.sees_video else None
            usable.append(questions)
        except (P4DError, KeyError) as error:
            yield from (Reply(question.qa_id, failure=str(error)) for question in questions)

    def sample(questions: Sequence[Question]) -> Sample:
        clip_id = questions[0].clip_id
        return Sample(clip_id, tuple(questions), seen[clip_id], {})

    device = student.adapter.model.device
    scores: dict[str, tuple[float, ...]] = {}
    choices = [[q for q in questions if q.options] for questions in usable]
    scored = [sample(questions) for questions in choices if questions]
    if settings.likelihood and scored:
        batch = packer.pack(scored).to(device)
        logp = student.answer_scores(batch).to(torch.float64).tolist()
        for qa_id, row in zip(batch.qa_ids, logp, strict=True):
            scores[qa_id] = tuple(round(value, 6) for value in row if not math.isinf(value))
    texts: dict[str, str] = {}
    wanted = [q for qs in usable for q in qs if generated is None or q.qa_id in generated]
    for start in range(0, len(wanted), settings.batch):
        part = wanted[start : start + settings.batch]
        prompts = packer.prompts([sample([question]) for question in part]).to(device)
        new_texts = student.generate(prompts, max_new_tokens=settings.answer_tokens)
        texts |= zip(prompts.qa_ids, (text.strip() for text in new_texts), strict=True)
    for questions in usable:
        for question in questions:
            yield Reply(question.qa_id, scores.get(question.qa_id, ()), texts.get(question.qa_id))
