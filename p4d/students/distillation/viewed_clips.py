"""Clips of the steps of perception in several views, with the latents of a teacher for each.

The teacher labels each view once, before the first step; none runs while the student is trained.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from p4d.ids import seed_for
from p4d.students.data.clip_reader import ClipReader, Visual
from p4d.students.data.samples import LATENTS, Sample
from p4d.students.data.unlabelled import UnlabelledClips
from p4d.students.distillation.views import View, view_of
from p4d.teachers.protocol import LatentTeacher

_BATCH = 16

Progress = Callable[[int, int, str], None]


class ViewedClips(Dataset[Sample]):
    """The rows of `clips`, each pass over a clip in the next of its views.

    View 0, the clip itself, has its stored labels; the others have latents.
    """

    def __init__(self, clips: UnlabelledClips, reader: ClipReader, *, views: int) -> None:
        """`views` of each clip, in an order that begins at a place of its own for each."""
        self._clips, self._reader, self._views = clips, reader, views
        self.per_step, self.clip_ids = clips.per_step, clips.clip_ids
        self._latents: np.memmap | None = None
        self._place: dict[tuple[str, int], int] = {}

    def __len__(self) -> int:
        """Rows of the run."""
        return len(self._clips)

    def label(self, teacher: LatentTeacher, folder: Path | None, progress: Progress) -> None:
        """Store the latents of the teacher for every view that the run shows.

        Args:
            teacher: whose latents are stored, as float16.
            folder: of the unnamed file that keeps them; None: the system's folder.
            progress: called as `(done, total, note)`.
        """
        wanted = sorted({self._view_at(index) for index in range(len(self))})
        wanted = [each for each in wanted if each[2]]
        self._place = {(clip, number): n for n, (clip, _, number) in enumerate(wanted)}
        if not wanted:
            return
        with tempfile.TemporaryFile(dir=folder) as file:
            shape = (len(wanted), *teacher.latent_shape)
            self._latents = np.memmap(file, np.float16, mode="w+", shape=shape)
        for first in range(0, len(wanted), _BATCH):
            part = wanted[first : first + _BATCH]
            self._latents[first : first + len(part)] = _latents(
                teacher, [self._shown(*each).frames[1:] for each in part]
            )
            progress(first + len(part), len(wanted), "views labelled by the teacher")

    def __getitem__(self, index: int) -> Sample:
        """The row at `index` of the run."""
        clip_id, shard, number = self._view_at(index)
        if not number:
            return self._clips[index]
        assert self._latents is not None, "the views have no labels yet"
        latents = np.array(self._latents[self._place[clip_id, number]])
        return Sample(
            clip_id=clip_id,
            questions=(),
            visual=self._shown(clip_id, shard, number),
            labels={LATENTS: latents},
        )

    def _view_at(self, index: int) -> tuple[str, str, int]:
        clip_id, shard, passes = self._clips.row(index)
        return clip_id, shard, (passes + seed_for("first view", clip_id)) % self._views

    def _shown(self, clip_id: str, shard: str, number: int) -> Visual:
        visual = self._reader.read(shard, clip_id)
        view = view_of(clip_id, number, visual.frames.shape[1])
        if view.reversed:
            masks = self._reader.last_masks(shard, clip_id)
            visual = dataclasses.replace(visual, masks_khw=masks)
        return changed(visual, view)


def changed(visual: Visual, view: View) -> Visual:
    """A clip as a view shows it; its plain first frame is in the place of the marked picture.

    `visual.masks_khw` are those of the frame that comes first in the view.
    """
    frames = view.pictures(visual.frames[1:])
    return dataclasses.replace(
        visual,
        frames=np.concatenate([frames[:1], frames]),
        times_s=np.concatenate([visual.times_s[:1], view.times_s(visual.times_s[1:])]),
        masks_khw=view.masks(visual.masks_khw),
    )


def _latents(teacher: LatentTeacher, frames: Sequence[np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        found = teacher.encode(torch.from_numpy(np.stack(frames)))
    latents: np.ndarray = found.numpy().astype(np.float16)
    return latents
