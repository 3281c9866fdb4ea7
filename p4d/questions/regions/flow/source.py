"""The region source `flow`: reads the pictures of clips from their videos and measures motion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.errors import LabelError
from p4d.questions.regions.flow.clip_motion import ClipMotion, clip_motion
from p4d.questions.regions.tracks import Track
from p4d.teachers.flow_dis import opencv
from p4d.video.source_frames import SourceFrames, SourceSize

LONGEST_PX = 384
STEPS = 4
"""Pictures per step of the time grid, the frames of the clip included; as many as the video has."""
LEAST_AREA_PX = 5
"""Of the mask of a thing, in px of the clip's frames."""


class FlowSource:
    """The motion of the clips of one shard, measured at the first call."""

    def __init__(self, videos: Path, clips: pl.DataFrame) -> None:
        """Plan to read the pictures of `clips`, rows of `clips.parquet`, from `videos`."""
        self._videos = videos
        self._clips = clips
        self._failures: dict[str, str] = {}

    def motion(self, clip: Mapping[str, Any], side_px: int) -> ClipMotion:
        """The motion of one clip.

        Raises:
            LabelError: its pictures could not be read again.
        """
        found = self._measured(side_px)
        if clip["clip_id"] not in found:
            reason = self._failures.get(clip["clip_id"], "it is not among the clips to measure")
            raise LabelError(f"{clip['clip_id']}: {reason}")
        return found[clip["clip_id"]]

    def _measured(self, side_px: int) -> dict[str, ClipMotion]:
        self._side_px = side_px
        return self._motions

    @cached_property
    def _motions(self) -> dict[str, ClipMotion]:
        cv = opencv("flow")
        indices = {
            clip_id: close_in_time(index)
            for clip_id, index in self._clips.select("clip_id", "frame_index").iter_rows()
        }
        dense = self._clips.with_columns(
            frame_index=pl.Series([indices[i] for i in self._clips["clip_id"]])
        )
        first = dict(self._clips.select("clip_id", "frame_index").iter_rows())
        motions = {}
        for read in SourceFrames(self._videos, dense, SourceSize(LONGEST_PX)):
            if read.rgb_thw3 is None:
                self._failures[read.clip_id] = read.reason
                continue
            at = [indices[read.clip_id].index(frame) for frame in first[read.clip_id]]
            motions[read.clip_id] = clip_motion(cv, read.rgb_thw3, at, self._side_px)
        return motions


def close_in_time(frame_index: Sequence[int]) -> list[int]:
    """The frames of a clip and up to `STEPS` - 1 others, evenly, between every two."""
    found = [frame_index[0]]
    for before, behind in pairwise(frame_index):
        steps = min(behind - before, STEPS)
        found += [before + round((behind - before) * k / steps) for k in range(1, steps + 1)]
    return found


def tracks(motion: ClipMotion) -> Iterator[Track]:
    """The things of a clip as candidate regions, and one without a mask for each doubt."""
    for key, thing in enumerate(motion.things):
        yield Track(
            source="flow", key=key, instance=None, name=None, mask_thw=thing.masks_tss,
            least_area_px=LEAST_AREA_PX,
        )  # fmt: skip
    nothing = np.zeros((len(motion.view_t42), motion.side_px, motion.side_px), bool)
    for number, doubt in enumerate(motion.doubts):
        yield Track(
            source="flow", key=f"doubt/{number}", instance=None, name=None, mask_thw=nothing,
            reason=doubt,
        )  # fmt: skip
