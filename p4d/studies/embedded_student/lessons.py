"""The lessons, reading, seeing, clips and tuning, and how they are optimised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.ids import seed_for
from p4d.students.data.packer import Packer
from p4d.students.data.samples import Sample
from p4d.students.model.batch import IGNORED, PackedBatch
from p4d.students.model.student import Student, hidden_states
from p4d.studies.embedded_student.recipe import Recipe
from p4d.studies.embedded_student.samples import (
    SimilarLengths,
    facts_beside_clips,
    picture_samples,
    questions_about_clips,
    reading_sample,
)
from p4d.studies.embedded_student.worlds import RecipeClip


def learn_to_read(
    student: Student, clips: Sequence[RecipeClip], recipe: Recipe, report: Callable[[str], None]
) -> None:
    """Text only; the encoder is not trained."""
    rows = [entry for clip in clips for entry in clip.read]
    every = [reading_sample(question, facts) for question, facts, _ in rows]
    needed = [reading_sample(question, facts) for question, _, facts in rows]
    order = SimilarLengths(every, recipe.reading_rows, "reading", recipe.seed)
    packer = Packer(student.tokenizer, student.adapter)
    model: Any = student.adapter.model
    learning = _Optimization(
        list(model.model.language_model.parameters()),
        recipe.learning_rate,
        recipe.reading_steps,
        recipe,
    )
    for step in range(recipe.reading_steps):
        easy = order.rng.random() < max(0.1, 1 - step / 300)
        batch = packer.pack([(needed if easy else every)[k] for k in next(order)], scored=False)
        hidden = hidden_states(student.adapter, batch)[-1]
        loss = _answer_loss(student, hidden, batch)
        if step % 2 == 0:
            loss = loss + recipe.text_loss_weight * _text_loss(student, hidden, batch)
        learning.step(loss)
        if step % 100 == 99:
            report(f"reading {step + 1}: {learning.recent():.3f}")


def learn_to_see(
    student: Student, clips: Sequence[RecipeClip], recipe: Recipe, report: Callable[[str], None]
) -> None:
    """Stills; first only their colours, which ties the name of a region to its content."""
    packer = Packer(student.tokenizer, student.adapter)
    learning = _Optimization(
        list(student.adapter.model.parameters()), recipe.seeing_rate, recipe.seeing_steps, recipe
    )
    rng = np.random.default_rng(seed_for("seeing", recipe.seed))
    for step in range(recipe.seeing_steps):
        only = ("colour",) if step < recipe.colour_steps else ()
        samples = picture_samples(clips, rng, recipe.stills, recipe, moving=False, only=only)
        _train_on(student, packer, learning, samples, report, f"seeing {step + 1}")


def learn_clips(
    student: Student, clips: Sequence[RecipeClip], recipe: Recipe, report: Callable[[str], None]
) -> None:
    """Cycle through facts beside a clip, first frames, facts alone and stills."""
    rows = [reading_sample(question, facts) for clip in clips for question, facts, _ in clip.read]
    order = SimilarLengths(rows, recipe.reading_rows, "reading on", recipe.seed)
    packer = Packer(student.tokenizer, student.adapter)
    learning = _Optimization(
        list(student.adapter.model.parameters()), recipe.seeing_rate, recipe.clip_steps, recipe
    )
    rng = np.random.default_rng(seed_for("clips", recipe.seed))
    for step in range(recipe.clip_steps):
        kind = step % 4
        if kind == 0:
            samples = facts_beside_clips(clips, rng, recipe)
        elif kind == 2:
            samples = [rows[k] for k in next(order)]
        else:
            count = recipe.clips if kind == 1 else recipe.stills
            samples = picture_samples(clips, rng, count, recipe, moving=kind == 1)
        _train_on(student, packer, learning, samples, report, f"clips {step + 1}")


def tune(
    student: Student, clips: Sequence[RecipeClip], recipe: Recipe, report: Callable[[str], None]
) -> None:
    """Answer the questions of clips without facts, as a published model is fine-tuned.

    Two of eight steps are stills and reading, which would be forgotten otherwise.
    """
    rows = [reading_sample(question, facts) for clip in clips for question, facts, _ in clip.read]
    order = SimilarLengths(rows, recipe.reading_rows, "reading core", 1)
    packer = Packer(student.tokenizer, student.adapter)
    learning = _Optimization(
        list(student.adapter.model.parameters()), recipe.seeing_rate, recipe.tuning_steps, recipe
    )
    rng = np.random.default_rng(recipe.tuning_seed)
    for step in range(recipe.tuning_steps):
        if step % 8 == 3:
            samples = picture_samples(clips, rng, recipe.stills, recipe, moving=False)
        elif step % 8 == 7:
            samples = [rows[k] for k in next(order)]
        else:
            samples = questions_about_clips(clips, rng, recipe)
        _train_on(student, packer, learning, samples, report, f"tuning {step + 1}")


def _train_on(
    student: Student,
    packer: Packer,
    learning: _Optimization,
    samples: Sequence[Sample],
    report: Callable[[str], None],
    where: str,
) -> None:
    batch = packer.pack(samples, scored=False)
    learning.step(_answer_loss(student, hidden_states(student.adapter, batch)[-1], batch))
    if len(learning.losses) % 50 == 0:
        report(f"{where}: {learning.recent():.3f}")


class _Optimization:
    """AdamW with one cycle of the learning rate."""

    def __init__(
        self, weights: list[nn.Parameter], rate: float, steps: int, recipe: Recipe
    ) -> None:
        self._weights, self._max_norm = weights, recipe.max_gradient_norm
        groups = [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, rate, betas=recipe.adam_betas)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rate, steps + 1, pct_start=0.1, cycle_momentum=False,
            final_div_factor=100,
        )  # fmt: skip
        self.losses: list[float] = []

    def step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights, self._max_norm)
        self._optimizer.step()
        self._schedule.step()
        self.losses.append(float(loss.detach()))

    def recent(self) -> float:
        return float(np.mean(self.losses[-100:]))


def _answer_loss(student: Student, hidden: Tensor, batch: PackedBatch) -> Tensor:
    asked = batch.targets != IGNORED
    return functional.cross_entropy(student.adapter.logits(hidden[asked]), batch.targets[asked])


def _text_loss(student: Student, hidden: Tensor, batch: PackedBatch) -> Tensor:
    here = batch.token_mask[:, 1:]
    scores = student.adapter.logits(hidden[:, :-1][here])
    return functional.cross_entropy(scores, batch.input_ids[:, 1:][here])
