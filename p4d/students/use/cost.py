"""The cost of a student at inference: counted where possible, else timed in pairs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from p4d.config import ClipsParams
from p4d.ids import seed_for
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.model.student import Student, load
from p4d.students.use.export import training_only_weights

QUESTION, OPTIONS = "Which way does <obj_1> move?", ("left", "right", "up", "down")


@dataclass(frozen=True)
class InferenceCost:
    """Cost of one question about one clip.

    Attributes:
        parameters: weights of the network.
        flops: floating point operations of its forward pass.
        visual_tokens: of the clip and the marked picture.
        text_tokens: all others.
        training_only_weights: names of stored weights that the network does not have; empty.
    """

    parameters: int
    flops: int
    visual_tokens: int
    text_tokens: int
    training_only_weights: tuple[str, ...]


@dataclass(frozen=True)
class LatencyRatio:
    """Median of paired ratios of time, with a 95 % interval by bootstrap over pairs."""

    ratio: float
    low: float
    high: float
    pairs: int


def inference_cost(student_folder: Path, clips: ClipsParams) -> InferenceCost:
    """Count the cost of one question; pictures are noise."""
    student = load(student_folder)
    packer, sample = Packer(student.tokenizer, student.adapter), _sample(student, clips)
    batch = packer.pack([sample])
    visual = int(student.adapter.visual_mask(batch.input_ids).sum())
    with FlopCounterMode(display=False) as counted:
        student.answer_scores(batch)
    return InferenceCost(
        parameters=sum(weight.numel() for weight in student.adapter.model.parameters()),
        flops=counted.get_total_flops(),
        visual_tokens=visual,
        text_tokens=int(batch.token_mask.sum()) - visual,
        training_only_weights=tuple(training_only_weights(student_folder / "model")),
    )


def latency_ratio(
    student_folder: Path, base_folder: Path, clips: ClipsParams, *, pairs: int = 20
) -> LatencyRatio:
    """Latency of the student over that of the base, in pairs of alternating order."""
    run = [_runner(folder, clips) for folder in (student_folder, base_folder)]
    for warm_up in run:
        warm_up()
    took_s = np.empty((2, pairs))
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 else (1, 0):
            began = time.perf_counter()
            run[which]()
            took_s[which, pair] = time.perf_counter() - began
    return paired_ratio(*took_s)


def paired_ratio(one_s: NDArray[np.float64], other_s: NDArray[np.float64]) -> LatencyRatio:
    """Ratio of paired times `[pairs]`; a slowdown of a whole pair cancels."""
    ratios = one_s / other_s
    pairs = len(ratios)
    rng = np.random.default_rng(seed_for("latency bootstrap", pairs))
    medians = np.median(ratios[rng.integers(0, pairs, (2000, pairs))], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return LatencyRatio(float(np.median(ratios)), float(low), float(high), pairs)


def _runner(folder: Path, clips: ClipsParams) -> Callable[[], torch.Tensor]:
    student = load(folder)
    batch = Packer(student.tokenizer, student.adapter).pack([_sample(student, clips)])
    return lambda: student.answer_scores(batch)


def _sample(student: Student, clips: ClipsParams) -> Sample:
    shape = (1 + clips.frames, clips.size_px, clips.size_px, 3)
    frames = np.random.default_rng(seed_for("noise", *shape)).integers(0, 256, shape, np.uint8)
    times_s = np.concatenate([[np.nan], np.arange(clips.frames) / clips.grid_hz])
    masks = np.zeros((1, clips.size_px, clips.size_px), np.uint8)
    masks[0, : clips.size_px // 2] = 1
    question = ad_hoc_question(QUESTION, OPTIONS, clip_id="noise", video_id="noise")
    visual = Visual(frames, times_s, masks) if student.sees_video else None
    return Sample("noise", (question,), visual, {})
