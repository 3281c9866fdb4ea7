"""Distillation of the wrong labels: the teacher's latents and maps of a clip of another video.

Everything else is P4D. What this arm gains over SFT does not come from what the teacher perceives
in the clip: a regularisation, or a decoder that learns the mean of all clips.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from benchmarks.distillation.controls.fitting import ControlRun, fit
from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, stage_named
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import LabelReader
from p4d.students.model.student import Student, load
from p4d.students.training.distillation_setup import set_up_distillation

Partners = Mapping[str, tuple[str, str]]
"""By clip, the shard and the clip whose labels it is given."""


def partners_of(questions: list[Question], seed: int) -> Partners:
    """Give every clip the clip of another video; each is given once.

    Videos are put into a drawn order and all clips shifted by the length of the longest video.

    Raises:
        ContractError: one video has more than half of the clips.
    """
    videos: dict[str, dict[str, str]] = {}
    for question in questions:
        videos.setdefault(question.video_id, {})[question.clip_id] = question.shard
    order = sorted(videos, key=lambda video: seed_for("other clips", seed, video))
    clips = [(shard, clip) for video in order for clip, shard in sorted(videos[video].items())]
    shift = max(map(len, videos.values()))
    if 2 * shift > len(clips):
        raise ContractError(f"one video has {shift} of {len(clips)} clips: no other to take")
    return {clip: clips[(place + shift) % len(clips)] for place, (_, clip) in enumerate(clips)}


class LabelsOfOthers(LabelReader):
    """The labels of each clip's partner."""

    def __init__(self, own: LabelReader, partners: Partners) -> None:
        """Exchange the labels that `own` reads."""
        self._own, self._partners = own, partners

    def has(self, shard: str, clip_id: str) -> bool:
        """Whether the partner has labels."""
        del shard
        return self._own.has(*self._partners[clip_id])

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> Mapping[str, np.ndarray]:
        """The labels of the partner."""
        del shard
        return self._own.read(*self._partners[clip_id], maps=maps)


@contextmanager
def from_other_clips(run: ControlRun) -> Iterator[Student]:
    """Train the control."""
    student, questions = load(run.base), run.questions()
    inputs = StageInputs(
        stage=stage_named("student_p4d"),
        all_params=replace_params(run.params, distillation={"probe_steps": ()}),
        folders=run.folders,
    )
    packer = Packer(student.tokenizer, student.adapter)
    setup = set_up_distillation(inputs, student, questions, run.clips, packer)
    partners = partners_of(questions, run.params.training.seed)
    fit(run, student, dataclasses.replace(setup, labels=LabelsOfOthers(setup.labels, partners)))
    yield student
