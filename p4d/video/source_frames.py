"""The frames of clips at the resolution of their video, decoded again from the landed file.

Clips hold small squares. A network that was trained on larger pictures reads the same instants
from the source: same frame numbers, upright, in the proportions of the video. Videos were accepted
by a full decode, and are decoded here in processes of their own as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import read_table
from p4d.errors import ContractError, DecodeError
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.decode import decode
from p4d.video.decoding.per_video import FileFault, per_video

MAX_JOB_BYTES = 2**27
"""Pictures that one process hands over at once; a video with more is decoded several times."""

MAX_WAITING_BYTES = 2**28
"""Pictures that may wait for the teacher."""

_BUDGET = ProcessBudget(max_cpu_s=86_400.0, max_memory_bytes=2**33)
"""Far above `landing`, which limited the file when it came."""


@dataclass(frozen=True)
class SourceSize:
    """How large the source frames should be; they are never enlarged.

    Attributes:
        longest_px: the longer side at most; 0: as large as the video.
    """

    longest_px: int = 0

    def of(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height of the frames of a video of this upright size."""
        longest = max(width_px, height_px)
        if not self.longest_px or longest <= self.longest_px:
            return width_px, height_px
        scale = self.longest_px / longest
        return max(1, round(width_px * scale)), max(1, round(height_px * scale))


@dataclass(frozen=True)
class ReadFrames:
    """The frames of one clip; `reason` names what is wrong if there are none."""

    clip_id: str
    rgb_thw3: np.ndarray | None
    reason: str = ""


@dataclass(frozen=True)
class _Job:
    file: Path
    size_px: tuple[int, int]
    wanted: Mapping[str, tuple[int, ...]]

    @property
    def n_bytes(self) -> int:
        """Of the frames of all its clips."""
        return 3 * self.size_px[0] * self.size_px[1] * sum(map(len, self.wanted.values()))


class SourceFrames:
    """The source frames of the clips of one shard."""

    def __init__(self, videos: Path, clips: pl.DataFrame, size: SourceSize) -> None:
        """Plan the decoding.

        Args:
            videos: folder of the stage `videos` of the shard.
            clips: rows of `clips.parquet`.
            size: of the frames.

        Raises:
            ContractError: there is no such folder, or it lacks the video of a clip.
        """
        table = videos / "videos.parquet"
        if not table.is_file():
            raise ContractError(
                f"{videos} holds no videos.parquet, so source frames cannot be read; teachers that "
                "need them label clips of landed videos only"
            )
        rows = read_table(table).filter(pl.col("outcome") == "ok").to_dicts()
        known = {row["video_id"]: row for row in rows}
        self._jobs: list[_Job] = []
        clips = clips.select("video_id", "start_ns", "clip_id", "frame_index")
        for (video_id,), of_video in clips.sort("video_id", "start_ns").group_by(
            "video_id", maintain_order=True
        ):
            row = known.get(video_id)
            if row is None:
                raise ContractError(f"{table} has no accepted video {video_id}")
            size_px = size.of(row["width_px"], row["height_px"])
            wanted = dict(of_video.select("clip_id", "frame_index").iter_rows())
            self._jobs += _split(videos / row["file"], size_px, wanted)

    def __iter__(self) -> Iterator[ReadFrames]:
        """Every clip, by video and start."""
        for jobs in _windows(self._jobs):
            for job, found in zip(jobs, per_video(_decoded, jobs, _BUDGET), strict=True):
                if isinstance(found, FileFault):
                    yield from (ReadFrames(clip_id, None, found.reason) for clip_id in job.wanted)
                else:
                    yield from (ReadFrames(clip_id, rgb) for clip_id, rgb in found.items())


def _split(
    file: Path, size_px: tuple[int, int], wanted: Mapping[str, Sequence[int]]
) -> Iterator[_Job]:
    """Jobs of one video, none with more pictures than `MAX_JOB_BYTES` if a clip has fewer."""
    part: dict[str, tuple[int, ...]] = {}
    for clip_id, index in wanted.items():
        more = {**part, clip_id: tuple(index)}
        if part and _Job(file, size_px, more).n_bytes > MAX_JOB_BYTES:
            yield _Job(file, size_px, part)
            more = {clip_id: tuple(index)}
        part = more
    if part:
        yield _Job(file, size_px, part)


def _windows(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    window: list[_Job] = []
    for job in jobs:
        if window and sum(each.n_bytes for each in [*window, job]) > MAX_WAITING_BYTES:
            yield window
            window = []
        window.append(job)
    if window:
        yield window


def _decoded(job: _Job) -> dict[str, np.ndarray]:
    """The frames of each clip, u8 [T, H, W, 3]."""
    wanted = {index for indices in job.wanted.values() for index in indices}
    pictures = _pictures(job.file, job.size_px, wanted)
    return {
        clip_id: np.stack([pictures[index] for index in indices])
        for clip_id, indices in job.wanted.items()
    }


def _pictures(
    file: Path, size_px: tuple[int, int], wanted: Collection[int]
) -> dict[int, np.ndarray]:
    pictures: dict[int, np.ndarray] = {}
    for frame in decode(file):
        if frame.index in wanted:
            pictures[frame.index] = frame.scaled(*size_px)
            if len(pictures) == len(wanted):
                return pictures
    missing = min(set(wanted) - set(pictures))
    raise DecodeError(f"frame {missing} was not decoded again")
