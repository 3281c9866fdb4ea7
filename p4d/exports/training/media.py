"""Clips at a constant rate and marked pictures, made from source frames at the trainer's size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from p4d.artifacts import write_bytes
from p4d.atomic import replacing
from p4d.drawing import png
from p4d.encoding import write_mp4
from p4d.errors import DecodeError
from p4d.exports.source import ReleasedClip
from p4d.questions.regions.marks import draw_marks_at
from p4d.video.decoding.decode import decode


def video_name(clip: ReleasedClip) -> str:
    """The clip at a constant rate."""
    return f"videos/{clip.split}/{clip.clip_id}.mp4"


def marks_name(clip: ReleasedClip) -> str:
    """Its first frame with the marks of all regions."""
    return f"marks/{clip.split}/{clip.clip_id}.png"


def marked_video_name(clip: ReleasedClip) -> str:
    """The clip with the marked picture in place of its first frame."""
    return f"videos_marked/{clip.split}/{clip.clip_id}.mp4"


def names_of(clip: ReleasedClip) -> list[str]:
    """All media of a clip."""
    return [video_name(clip), marks_name(clip), marked_video_name(clip)]


def exported_size_px(size_px: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """Width and height of exported pictures: the source's ratio, even sides (yuv420p).

    Args:
        size_px: of the source, upright.
        longest_px: wanted length of the longer side; 0: that of the source.
    """
    scale = longest_px / max(size_px) if longest_px else 1.0
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size_px)
    return width, height


def rate_of(clip: ReleasedClip, grid_hz: float, span: str) -> Fraction:
    """Pictures per second of an exported clip.

    With `span: grid` the rate of the grid. With `span: video`, where the frames of a whole video
    lie at equal steps of frame numbers, their mean rate; the true times are in the rows.
    """
    steps = len(clip.frame_pts_ns) - 1
    length_ns = clip.frame_pts_ns[-1] - clip.frame_pts_ns[0]
    if span == "grid" or not length_ns:
        return Fraction(grid_hz).limit_denominator(1001)
    return Fraction(steps * 10**9, length_ns).limit_denominator(1001)


@dataclass(frozen=True, kw_only=True)
class ClipMediaJob:
    """What is to be made of one clip: its frames and the masks [K, S, S] of its first frame."""

    clip: ReleasedClip
    masks_khw: np.ndarray
    rate_hz: Fraction


@dataclass(frozen=True, kw_only=True)
class VideoMediaJob:
    """The clips of one source video, to be written below `folder`."""

    video_id: str
    path: Path
    clips: tuple[ClipMediaJob, ...]
    folder: Path
    longest_px: int


def write_media(job: VideoMediaJob) -> dict[str, tuple[int, int]]:
    """Decode a video once and write the media of its clips; returns width and height by clip.

    Raises:
        DecodeError: the video cannot be read up to the last frame that a clip needs.
    """
    wanted = sorted({index for each in job.clips for index in each.clip.frame_index})
    waiting = sorted(job.clips, key=lambda each: max(each.clip.frame_index))
    pictures: dict[int, np.ndarray] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for index, picture in _pictures(job, set(wanted)):
        pictures[index] = picture
        while waiting and max(waiting[0].clip.frame_index) <= index:
            made = waiting.pop(0)
            _write_clip(job.folder, made, [pictures[i] for i in made.clip.frame_index])
            sizes[made.clip.clip_id] = (picture.shape[1], picture.shape[0])
        needed = {i for each in waiting for i in each.clip.frame_index}
        pictures = {i: kept for i, kept in pictures.items() if i in needed}
        if not waiting:
            break
    if waiting:
        raise DecodeError(f"the video ends before frame {max(waiting[-1].clip.frame_index)}")
    return sizes


def _pictures(job: VideoMediaJob, wanted: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    for frame in decode(job.path):
        if frame.index in wanted:
            size_px = exported_size_px(frame.size_px, job.longest_px)
            picture = Image.fromarray(np.ascontiguousarray(frame.rgb()))
            if picture.size != size_px:
                picture = picture.resize(size_px, Image.Resampling.LANCZOS)
            yield frame.index, np.asarray(picture)


def _write_clip(folder: Path, job: ClipMediaJob, frames: list[np.ndarray]) -> None:
    marked = draw_marks_at(frames[0], job.masks_khw)
    write_bytes(folder / marks_name(job.clip), png(marked, optimize=False))
    shown = ((video_name(job.clip), frames), (marked_video_name(job.clip), [marked, *frames[1:]]))
    for name, pictures in shown:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            write_mp4(temporary, enumerate(pictures), 1 / job.rate_hz, job.rate_hz)
