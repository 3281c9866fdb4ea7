"""Frames of a dataset's own video file, by their presentation times.

Masks of such a dataset belong to frames by number: the n-th frame that is shown. The file is read
once for its times and then forwards; a step back starts at its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from p4d.datasets.shown import shown
from p4d.errors import DatasetError

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
"""Self-contained files: playlists would open other files or the network."""
SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi")


class VideoFile:
    """A video that is read frame by frame."""

    def __init__(self, path: Path) -> None:
        """Read the times of all frames.

        Raises:
            DatasetError: the file is missing, damaged, or no video.
        """
        self._path = path
        self._frames: Iterator[tuple[int, av.VideoFrame]] | None = None
        self._next = 0
        ticks, base = [], None
        try:
            for tick, frame in self._decoded():
                ticks.append(tick)
                if base is None:
                    base = frame.time_base
                    self.size_px = _upright(frame).shape[1::-1]
        except av.FFmpegError as error:
            if len(ticks) < 2:
                raise DatasetError(f"{shown(path)}: is no readable video: {error}") from error
        if base is None:
            raise DatasetError(f"{shown(path)}: holds no frame")
        self.times_ns = np.array([round(tick * base * 1_000_000_000) for tick in ticks], np.int64)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.times_ns)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """A frame as upright RGB [H, W, 3].

        Raises:
            DatasetError: the file is damaged there.
        """
        if self._frames is None or index < self._next:
            self._frames, self._next = self._decoded(), 0
        try:
            for _, frame in self._frames:
                self._next += 1
                if self._next > index:
                    return _upright(frame)
        except av.FFmpegError as error:
            self._frames = None
            raise DatasetError(f"{shown(self._path)}: frame {index} is damaged: {error}") from error
        self._frames = None
        raise DatasetError(f"{shown(self._path)}: ends before frame {index}")

    def _decoded(self) -> Iterator[tuple[int, av.VideoFrame]]:
        options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        with av.open(str(self._path), container_options=options) as container:
            if not container.streams.video:
                raise DatasetError(f"{shown(self._path)}: has no video stream")
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode"}
            for frame in container.decode(stream):
                if frame.pts is None:
                    raise DatasetError(f"{shown(self._path)}: a frame has no time")
                yield frame.pts, frame


def _upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as players show it
    picture = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(picture, turns))
