"""The frames a student sees: clips of the pipeline, or frames sampled from a benchmark's videos."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from p4d.errors import DecodeError
from p4d.evaluation.benchmarks.item import BenchmarkItem, Sampling
from p4d.ids import content_id
from p4d.students.data.clip_reader import ClipReader, Visual
from p4d.students.data.questions import Question
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode, read_timeline
from p4d.video.still import read_still

MAX_VIDEO_S = 7200.0
PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg"}
_CACHED_CLIPS = 8  # questions about one clip follow each other, so a few clips are enough


class VisualSource(Protocol):
    """Supplies the frames of a question."""

    def of(self, question: Question) -> Visual:
        """Return what a student sees of the question's clip.

        Raises:
            P4DError: the frames cannot be read.
        """
        ...


class ClipVisuals:
    """Frames of clips of the pipeline, with masks: what a student was trained on."""

    def __init__(self, clips: ClipReader) -> None:
        """Wrap a reader of the stages `clips` and `regions`."""
        self._clips = clips

    def of(self, question: Question) -> Visual:
        """Read the question's clip from its shard."""
        return self._clips.read(question.shard, question.clip_id)


class FirstFrames:
    """The first frame of each clip in the place of every frame; times and masks stay."""

    def __init__(self, source: VisualSource) -> None:
        """Wrap the source of whole clips."""
        self._source = source

    def of(self, question: Question) -> Visual:
        """Read the question's clip, and show its first frame throughout."""
        whole = self._source.of(question)
        frames = whole.frames.copy()
        frames[1:] = frames[1]  # before it stands the marked picture
        return dataclasses.replace(whole, frames=frames)


def view_id(item: BenchmarkItem) -> str:
    """Return an id that is equal for items with the same frames and marks.

    Such items share one row of a batch.
    """
    if item.clip:
        return item.clip[1]
    marks = str(item.marks) if item.marks else None
    return content_id("view", str(item.video), item.start_ns, item.end_ns, marks)


class VideoVisuals:
    """Frames sampled from the video files of a benchmark. Writes nothing."""

    def __init__(
        self,
        items: Mapping[str, BenchmarkItem],
        *,
        frames: int,
        size_px: int | None,
        sampling: Sampling,
    ) -> None:
        """Take the items by id; frames become `size_px` squares by exact area averaging.

        With `size_px` None they keep their own size, for a checkpoint that resizes them itself.
        """
        self._items, self._frames, self._size_px = items, frames, size_px
        self._sampling = sampling
        self._recent: OrderedDict[str, Visual] = OrderedDict()

    def of(self, question: Question) -> Visual:
        """Decode the video, sample frames and resize them to squares.

        Raises:
            DecodeError: the video is damaged, or its trimmed span holds no frame.
            ContractError: the marked frame cannot be read.
        """
        key = question.clip_id
        if key not in self._recent:
            self._recent[key] = self._read(self._items[question.qa_id])
            if len(self._recent) > _CACHED_CLIPS:
                self._recent.popitem(last=False)
        return self._recent[key]

    def _read(self, item: BenchmarkItem) -> Visual:
        clip, times_s, span_s = sampled_frames(
            item.video,
            self._frames,
            self._size_px,
            start_ns=item.start_ns,
            end_ns=item.end_ns,
            sampling=self._sampling,
        )
        height, width = clip.shape[1:3]
        marked = clip[0] if item.marks is None else read_still(item.marks, height, width)
        return Visual(
            frames=np.concatenate([marked[None], clip]),
            times_s=np.concatenate([[np.nan], times_s]),
            masks_khw=np.zeros((0, height, width), np.uint8),
            span_s=span_s,
        )


def sampled_frames(
    video: Path,
    frames: int,
    size_px: int | None,
    *,
    start_ns: int | None,
    end_ns: int | None,
    sampling: Sampling,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Sample frames of a span of a video, with their times.

    `ends` samples frame numbers at equal steps, first and last included, as lmms-eval does. `grid`
    samples the frame shown at the start of each of `frames` equal parts of the span, as the clips
    of this pipeline do. Short spans repeat frames.

    Args:
        video: the file, or a folder of pictures in the order of their names, one per second.
        frames: number of frames to sample.
        size_px: side of the squares the frames are averaged to; None: their own size.
        start_ns: start of the span, counted from the first frame; None: the first frame.
        end_ns: end of the span; None: the end of the last frame.
        sampling: `ends` or `grid`.

    Returns:
        u8 [frames, size_px, size_px, 3], float64 [frames] seconds since the span's start, and the
        length of the span in seconds.

    Raises:
        DecodeError: the video is damaged, or no frame is in the span.
    """
    if video.is_dir():
        return _sampled_pictures(video, frames, size_px)
    try:
        timeline = read_timeline(video, FileBudget(max_duration_s=MAX_VIDEO_S))
    except DecodeError as error:
        raise DecodeError(f"{video.name}: {error}") from error
    pts_ns = timeline.pts_ns
    start = int(pts_ns[0]) + (start_ns or 0)
    end = timeline.end_ns if end_ns is None else int(pts_ns[0]) + end_ns
    inside = np.flatnonzero((pts_ns >= start) & (pts_ns < end))
    if not len(inside):
        raise DecodeError(
            f"{video.name}: no frame between {(start_ns or 0) / 1e9:g} s and "
            f"{(end - int(pts_ns[0])) / 1e9:g} s; check the trim"
        )
    if sampling == "ends":
        chosen = inside[np.linspace(0, len(inside) - 1, frames).astype(np.int64)]
    else:
        # One nanosecond of slack, because times and grid are rounded separately.
        at_ns = start + (np.arange(frames) * (end - start)) // frames + 1
        chosen = np.clip(np.searchsorted(pts_ns, at_ns, side="right") - 1, inside[0], inside[-1])
    wanted = set(chosen.tolist())
    sampled: dict[int, np.ndarray] = {}
    for frame in decode(video):
        if frame.index in wanted:
            sampled[frame.index] = frame.squashed(size_px) if size_px else frame.rgb()
            if len(sampled) == len(wanted):
                break
    times_s = np.maximum(pts_ns[chosen] - start, 0) / 1e9
    if size_px is None:  # one video for the checkpoint, even where frames repeat
        times_s = times_s + np.arange(len(times_s)) * 1e-7
    return np.stack([sampled[index] for index in chosen.tolist()]), times_s, (end - start) / 1e9


def _sampled_pictures(
    folder: Path, frames: int, size_px: int | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Sample pictures of a folder at equal steps, first and last included."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise DecodeError(f"{folder.name}: the folder holds no frames")
    height, width = size_px or 0, size_px or 0
    if size_px is None:
        with Image.open(paths[0]) as first:
            width, height = first.size
    chosen = np.linspace(0, len(paths) - 1, frames).astype(np.int64)
    shown = {index: read_still(paths[index], height, width) for index in set(chosen.tolist())}
    pictures = np.stack([shown[index] for index in chosen.tolist()])
    return pictures, chosen.astype(float), float(len(paths))
