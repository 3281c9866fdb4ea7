"""Samples that the student is trained on: facts as text, pictures, and clips."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from p4d.ids import seed_for
from p4d.students.data.clip_reader import Visual
from p4d.students.data.fact_text import with_facts
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.studies.embedded_student.recipe import Recipe
from p4d.studies.embedded_student.worlds import RecipeClip
from p4d.studies.stills import marked_object, still_questions


def reading_sample(question: Question, facts: str) -> Sample:
    """A question with facts before it, text only."""
    return Sample(question.clip_id, (with_facts(question, facts),), None, {})


def facts_beside_clips(
    clips: Sequence[RecipeClip], rng: np.random.Generator, recipe: Recipe
) -> list[Sample]:
    """Facts and questions of clips, preceded by these clips."""
    samples = []
    for k in rng.choice(len(clips), min(recipe.clips, len(clips)), replace=False):
        clip = clips[int(k)]
        chosen = rng.permutation(len(clip.read))[: recipe.questions]
        asked = tuple(with_facts(clip.read[i][0], clip.read[i][1]) for i in chosen)
        visual = Visual(clip.frames, clip.times_s, clip.masks_kthw[:, 0])
        samples.append(Sample(clip.clip_id, asked, visual, {}))
    return samples


def questions_about_clips(
    clips: Sequence[RecipeClip], rng: np.random.Generator, recipe: Recipe
) -> list[Sample]:
    """Clips and some of their questions, without facts."""
    samples = []
    for k in rng.choice(len(clips), min(recipe.tuning_clips, len(clips)), replace=False):
        clip = clips[int(k)]
        chosen = rng.permutation(len(clip.read))[: recipe.tuning_questions]
        visual = Visual(clip.frames, clip.times_s, clip.masks_kthw[:, 0])
        samples.append(Sample(clip.clip_id, tuple(clip.read[i][0] for i in chosen), visual, {}))
    return samples


def picture_samples(
    clips: Sequence[RecipeClip],
    rng: np.random.Generator,
    count: int,
    recipe: Recipe,
    *,
    moving: bool,
    only: Collection[str] = (),
) -> list[Sample]:
    """Questions about pictures of `count` clips; clips with too small regions are left out."""
    chosen = rng.choice(len(clips), min(count, len(clips)), replace=False)
    made = (
        picture_sample(clips[int(k)], rng, recipe.questions, moving=moving, only=only)
        for k in chosen
    )
    return [sample for sample in made if sample is not None]


def picture_sample(
    clip: RecipeClip,
    rng: np.random.Generator,
    count: int,
    *,
    moving: bool,
    only: Collection[str] = (),
) -> Sample | None:
    """Questions about one picture: any frame as a still, or the first frame of the clip."""
    frame = 0 if moving else int(rng.integers(len(clip.frames)))
    masks = clip.masks_kthw[:, frame]
    seen = [k for k, mask in enumerate(masks) if mask.sum() >= 30]
    if not seen:
        return None
    objects = [marked_object(masks[k], *clip.kinds[k]) for k in seen]
    questions = still_questions(clip.clip_id, objects, rng, count, only)
    if moving:
        # Marks are numbered over the regions of the clip, which are all visible in its first frame.
        if len(seen) < len(masks):
            return None
        visual = Visual(clip.frames, clip.times_s, masks)
    else:
        visual = Visual(clip.frames[frame : frame + 1], np.array([np.nan]), masks[seen])
    return Sample(clip.clip_id, questions, visual, {}) if questions else None


class SimilarLengths:
    """Batches of rows of similar length, drawn with repetition over batches."""

    def __init__(self, rows: Sequence[Sample], batch: int, purpose: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed_for(purpose, seed))
        self._lengths = np.array([len(row.questions[0].question) for row in rows])
        self._batch = batch

    def __next__(self) -> list[int]:
        several = 8
        ids = self.rng.choice(len(self._lengths), min(len(self._lengths), self._batch * several))
        ids = ids[np.argsort(self._lengths[ids], kind="stable")]
        start = int(self.rng.integers(several)) * self._batch
        return [int(k) for k in ids[start : start + self._batch]]


def tokenizer_texts(clips: Sequence[RecipeClip], recipe: Recipe) -> list[str]:
    """The texts of questions with facts and of stills, for the tokenizer."""
    rng = np.random.default_rng(seed_for("texts", recipe.seed))
    texts = []
    for clip in clips[:300]:
        texts += [with_facts(question, facts).turn() for question, facts, _ in clip.read]
        sample = picture_sample(clip, rng, 6, moving=False)
        texts += [question.turn() for question in sample.questions] if sample else []
    return texts
