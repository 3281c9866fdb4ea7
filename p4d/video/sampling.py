"""Sampling a video while it is decoded: the frames that stand on the grid of its clips.

A video is decoded once. Which clips it gives is known at its end, so every frame that is shown at
an instant of the grid is kept at the size of the clips, and those of no clip are dropped then. If
they would take more than `MAX_HELD_BYTES`, none is kept and a second pass reads the wanted ones. It
does so, too, where a clip samples frames that stand on no grid (`clips.span: video`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from p4d.config import ClipsParams
from p4d.errors import DecodeError
from p4d.video.clip_plans import SampleGrid
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode
from p4d.video.decoding.picture import Frame

MAX_HELD_BYTES = 2**26


class GridSampler:
    """Keeps the frames that are shown at the instants of a grid."""

    def __init__(self, clips: ClipsParams) -> None:
        """No frame has come yet."""
        self._clips = clips
        self._grid: SampleGrid | None = None
        self._number = self._until_ns = 0  # of the next instant, once the grid is known
        self._last: Frame | None = None
        self._pictures: dict[int, np.ndarray] | None = {}

    def add(self, frame: Frame) -> None:
        """Take the next frame: the one before it was shown at all instants before its time."""
        pts_ns = frame.pts_ns
        if self._grid is None:
            self._grid = SampleGrid(origin_ns=pts_ns, clips=self._clips)
            self._until_ns = self._grid.shown_until_ns(self._number)
        if self._last is not None and self._until_ns < pts_ns:
            self._keep(self._last)
            self._number = self._grid.first_from(pts_ns)
            self._until_ns = self._grid.shown_until_ns(self._number)
        self._last = frame

    def _keep(self, frame: Frame) -> None:
        if self._pictures is None or frame.index in self._pictures:
            return
        side_px = self._clips.size_px
        if (len(self._pictures) + 1) * 3 * side_px**2 > MAX_HELD_BYTES:
            self._pictures = None
            return
        self._pictures[frame.index] = frame.squashed(side_px)

    def pictures(self, wanted: Collection[int], path: Path, budget: FileBudget) -> np.ndarray:
        """The wanted frames, u8 [n, S, S, 3], in the order of their numbers.

        Raises:
            DecodeError: the file does not decode a second time as it did the first.
        """
        if self._last is not None:
            self._keep(self._last)
        side_px = self._clips.size_px
        found = self._pictures
        if found is None or not found.keys() >= set(wanted):
            found = {
                frame.index: frame.squashed(side_px)
                for frame in decode(path, budget)
                if frame.index in wanted
            }
        missing = set(wanted) - set(found)
        if missing:
            raise DecodeError(f"frame {min(missing)} was not decoded again")
        chosen = [found[index] for index in sorted(wanted)]
        return np.stack(chosen) if chosen else np.zeros((0, side_px, side_px, 3), np.uint8)
