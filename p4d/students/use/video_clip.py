"""One clip of any video, with regions on its first frame, as a student reads it.

Frames are sampled as the pipeline samples clips: on the time grid, squashed to squares.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from p4d.config import ClipsParams
from p4d.errors import ContractError, DecodeError
from p4d.questions.regions.marks import draw_marks
from p4d.students.data.clip_reader import Visual
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.video.appearance import area_mean
from p4d.video.decoding.decode import decode, read_timeline


@dataclass(frozen=True)
class SampledClip:
    """One clip of a video.

    Attributes:
        first_hw3: u8, the first frame at its own size; regions are given on it.
        frames_thw3: u8 `[T, S, S, 3]`, or at their own size.
        times_s: `[T]` seconds since the start of the clip.
        span_s: seconds that the frames were sampled from; None: those of the time grid.
    """

    first_hw3: np.ndarray
    frames_thw3: np.ndarray
    times_s: np.ndarray
    span_s: float | None = None

    def squashed(self, size_px: int) -> SampledClip:
        """With frames averaged to squares."""
        frames = np.stack([area_mean(frame, size_px, size_px) for frame in self.frames_thw3])
        return dataclasses.replace(self, frames_thw3=frames)

    def visual(self, masks_khw: np.ndarray) -> Visual:
        """Frames, times and first-frame masks, with the marked picture before the clip.

        Args:
            masks_khw: 0/1 u8 at the size of the first frame; K may be 0.
        """
        height_px, width_px = self.frames_thw3.shape[1:3]
        if (height_px, width_px) == self.first_hw3.shape[:2]:
            masks = np.asarray(masks_khw, np.uint8)
        else:
            small = [_squashed(mask, height_px) for mask in masks_khw]
            masks = np.stack(small) if small else np.zeros((0, height_px, height_px), np.uint8)
        marked = draw_marks(self.frames_thw3[0].copy(), masks)
        return Visual(
            frames=np.concatenate([marked[None], self.frames_thw3]),
            times_s=np.concatenate([[np.nan], self.times_s]),
            masks_khw=masks,
            span_s=self.span_s,
        )


def sample_clip(video: Path, clips: ClipsParams, start_s: float) -> SampledClip:
    """Sample one clip on the time grid; a video that ends earlier repeats its last frame.

    Raises:
        DecodeError: the video is unreadable, or it ends before `start_s`.
    """
    if clips.span == "video":
        whole = FrameSampling(rule="spread", frames=clips.frames)
        return sample_as_published(video, whole, start_s).squashed(clips.size_px)
    timeline = read_timeline(video)
    pts_ns = timeline.pts_ns
    start_ns = int(pts_ns[0]) + round(start_s * 1e9)
    if not int(pts_ns[0]) <= start_ns < timeline.end_ns:
        length_s = (timeline.end_ns - int(pts_ns[0])) / 1e9
        raise DecodeError(f"{video.name} is {length_s:.2f} s long; {start_s:g} s is outside of it")
    steps_ns = np.array([round(i * 1e9 / clips.grid_hz) for i in range(clips.frames)])
    # One nanosecond of tolerance: times and grid are rounded separately.
    at = np.searchsorted(pts_ns, steps_ns + start_ns + 1, side="right") - 1
    pictures, first = {}, None
    for frame in decode(video):
        if frame.index in at:
            first = frame.rgb() if first is None else first
            pictures[frame.index] = frame.squashed(clips.size_px)
        if frame.index >= at[-1]:
            break
    assert first is not None  # `at` holds indices of the timeline that was just read
    times_s = (np.maximum(pts_ns[at], start_ns) - start_ns) / 1e9
    return SampledClip(first, np.stack([pictures[index] for index in at.tolist()]), times_s)


def sample_as_published(video: Path, sampling: FrameSampling, start_s: float) -> SampledClip:
    """The frames that a published checkpoint's processor takes of a video from `start_s` on.

    Frames keep their own size; the checkpoint resizes them.

    Raises:
        DecodeError: the video is unreadable, or it ends before `start_s`.
    """
    timeline = read_timeline(video)
    pts_ns = timeline.pts_ns
    start_ns = int(pts_ns[0]) + round(start_s * 1e9)
    inside = np.flatnonzero(pts_ns >= start_ns)
    if not len(inside):
        length_s = (timeline.end_ns - int(pts_ns[0])) / 1e9
        raise DecodeError(f"{video.name} is {length_s:.2f} s long; {start_s:g} s is outside of it")
    span_s = (timeline.end_ns - int(pts_ns[inside[0]])) / 1e9
    at = inside[sampling.indices(len(inside), len(inside) / span_s)]
    pictures: dict[int, np.ndarray] = {}
    wanted = set(at.tolist())
    for frame in decode(video):
        if frame.index in wanted:
            pictures[frame.index] = frame.rgb()
        if frame.index >= at[-1]:
            break
    frames = np.stack([pictures[index] for index in at.tolist()])
    times_s = (pts_ns[at] - pts_ns[inside[0]]) / 1e9
    return SampledClip(frames[0], frames, times_s, span_s)


def region_mask(region: str, height_px: int, width_px: int) -> np.ndarray:
    """A region as a 0/1 mask u8 `[H, W]` of the first frame.

    Args:
        region: `x0,y0,x1,y1` in pixels, half open, or the path of a picture that is not black
            inside the region; it may have another resolution.
        height_px: of the frame.
        width_px: of the frame.

    Raises:
        ContractError: `region` is neither, or no part of it is in the frame.
    """
    numbers = region.split(",")
    mask = np.zeros((height_px, width_px), np.uint8)
    if len(numbers) == 4:
        try:
            x0, y0, x1, y1 = (float(number) for number in numbers)
        except ValueError as error:
            raise ContractError(f"region {region}: not four numbers") from error
        mask[max(0, math.floor(y0)) : math.ceil(y1), max(0, math.floor(x0)) : math.ceil(x1)] = 1
    elif Path(region).is_file():
        try:
            with Image.open(region) as picture:
                drawn = picture.convert("L").resize((width_px, height_px), Image.Resampling.NEAREST)
        except OSError as error:
            raise ContractError(f"region {region}: no readable picture ({error})") from error
        mask = (np.asarray(drawn) > 0).astype(np.uint8)
    else:
        raise ContractError(f"region {region}: give x0,y0,x1,y1 or the path of a mask picture")
    if not mask.any():
        raise ContractError(
            f"region {region}: no part of it is in the frame of {width_px} x {height_px} px"
        )
    return mask


def _squashed(mask_hw: np.ndarray, size_px: int) -> np.ndarray:
    """The mask at the student's size; a region below one pixel keeps the pixel it overlaps most."""
    share = area_mean(mask_hw * np.uint8(255), size_px, size_px)
    small = (share >= 128).astype(np.uint8)
    return small if small.any() else (share == share.max()).astype(np.uint8)
