"""Checks a video or picture of an external set, and hashes what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from p4d.config import ClipsParams
from p4d.errors import DecodeError
from p4d.video.appearance import area_mean, frame_hashes, grey_levels
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode
from p4d.video.decoding.picture import Frame

Kind = Literal["video", "image"]


@dataclass(frozen=True, kw_only=True)
class MediumJob:
    """One file to check."""

    path: Path
    kind: Kind
    budget: FileBudget
    clips: ClipsParams


@dataclass(frozen=True, kw_only=True)
class CheckedMedium:
    """What a file shows.

    Attributes:
        width_px, height_px: of its upright pictures.
        frames: 1 for a picture.
        duration_s: from the first frame to the last; 0 for a picture.
        windows: hashes of the frames and of the frames mirrored, of stretches as long as a clip.
            A video that is shorter than a clip, or a picture, has windows of one frame each.
    """

    width_px: int
    height_px: int
    frames: int
    duration_s: float
    windows: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def check_medium(job: MediumJob) -> CheckedMedium:
    """Decode the whole of a file.

    Raises:
        DecodeError: it cannot be read as what its marker says, or is over budget.
    """
    return _video(job) if job.kind == "video" else _picture(job)


def _picture(job: MediumJob) -> CheckedMedium:
    try:
        with Image.open(job.path) as picture:
            job.budget.check_pictures(1, *picture.size)
            rgb = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError(f"not a readable picture ({str(error)[:120]})") from error
    side = job.clips.size_px
    grey = grey_levels(area_mean(rgb, side, side))[None]
    height, width = rgb.shape[:2]
    return CheckedMedium(
        width_px=width, height_px=height, frames=1, duration_s=0.0, windows=_windows(grey, 1)
    )


def _video(job: MediumJob) -> CheckedMedium:
    step_ns = round(1e9 / job.clips.grid_hz)
    shown: list[np.ndarray] = []
    last: Frame | None = None
    first_ns = count = 0
    for frame in decode(job.path, job.budget):
        if last is None:
            first_ns = frame.pts_ns
        job.budget.check_duration((frame.pts_ns - first_ns) / 1e9)
        # The frame before was shown at every instant of the grid before this one.
        while last is not None and first_ns + len(shown) * step_ns < frame.pts_ns:
            shown.append(grey_levels(last.squashed(job.clips.size_px)))
        last, count = frame, count + 1
    if last is None:
        raise DecodeError("the video stream holds no frame")
    while first_ns + len(shown) * step_ns <= last.pts_ns or not shown:
        shown.append(grey_levels(last.squashed(job.clips.size_px)))
    width, height = last.size_px
    return CheckedMedium(
        width_px=width,
        height_px=height,
        frames=count,
        duration_s=round((last.pts_ns - first_ns) / 1e9, 6),
        windows=_windows(np.stack(shown), job.clips.frames),
    )


def _windows(
    grey_thw: np.ndarray, frames: int
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Hashes of stretches of `frames` frames; the last one ends at the last frame."""
    length = frames if len(grey_thw) >= frames else 1
    starts = list(range(0, len(grey_thw) - length + 1, length))
    if starts[-1] + length < len(grey_thw):
        starts.append(len(grey_thw) - length)
    found = []
    for start in starts:
        plain, mirrored = frame_hashes(grey_thw[start : start + length])
        found.append((tuple(plain), tuple(mirrored)))
    return tuple(found)
