"""Groups of videos with near-duplicate clips, or that are stated to show one recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.config import ReleaseParams
from p4d.splits import split_for

_Pair = tuple[NDArray[np.uint64], NDArray[np.uint64]]
"""Hashes of the frames of a clip, and of the same frames mirrored."""


def duplicate_groups(
    clips: Sequence[Mapping[str, Any]], params: ReleaseParams
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the near-duplicate group of every video, and the videos that fit no split.

    A video joins the earliest group that it is near to, or founds one that has its id. Groups never
    merge, because that could move old videos to another split; a video that is near to several
    groups of one split joins the earliest. So only earlier videos decide the group of a video.

    Args:
        clips: rows with video_id, phash (16 hex digits) and, if they have any, frame_hash and
            mirrored_hash (lists of them), in landing order; and exchange_group, of a dataset that
            has one recording in several videos: they are near to each other, whatever they look
            like.
        params: clips whose hashes differ in at most `duplicate_hamming_bits` are near, and copies
            by their frames (`FrameHashes`). Null hashes match nothing.

    Returns:
        The group of each video; and for each video that is near to groups of different splits, and
        so has no group, the reason.
    """
    clips_of, frames_of = _by_video(clips)
    stated = {c["video_id"]: c["exchange_group"] for c in clips if c.get("exchange_group")}
    known = FrameHashes(sum(map(len, frames_of.values())))
    groups: dict[str, str] = {}
    left_out: dict[str, str] = {}
    founders: list[str] = []
    group_stated: dict[str, int] = {}
    # One row per hash of a grouped video: its bits, and the position of its group in `founders`.
    bits = np.empty(sum(map(len, clips_of.values())), dtype=np.uint64)
    group_of = np.empty(len(bits), dtype=np.int64)
    filled = 0
    for video, hashes in clips_of.items():
        near: set[int] = set()
        for value in hashes:
            differing = np.bitwise_count(bits[:filled] ^ np.uint64(value))
            near.update(group_of[:filled][differing <= params.duplicate_hamming_bits].tolist())
        for pair in frames_of.get(video, ()):
            near |= known.copies(pair, params.copy_bits)
        if (name := stated.get(video)) in group_stated:
            near.add(group_stated[name])
        splits = {split_for(founders[k], params) for k in near}
        if len(splits) > 1:
            names = ", ".join(founders[k] for k in sorted(near))
            left_out[video] = f"resembles videos of {' and '.join(sorted(splits))}: {names}"
            continue
        if not near:
            founders.append(video)
        joined = min(near, default=len(founders) - 1)
        groups[video] = founders[joined]
        if name is not None:
            group_stated.setdefault(name, joined)
        bits[filled : filled + len(hashes)] = hashes
        group_of[filled : filled + len(hashes)] = joined
        filled += len(hashes)
        for plain, _ in frames_of.get(video, ()):
            known.add(plain, joined)
    return groups, left_out


def _by_video(
    clips: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, list[int]], dict[str, list[_Pair]]]:
    """Hashes of the clips of each video, and of their frames."""
    clips_of: dict[str, list[int]] = {}
    frames_of: dict[str, list[_Pair]] = {}
    for clip in clips:
        hashes = clips_of.setdefault(clip["video_id"], [])
        if clip["phash"] is not None:
            hashes.append(int(clip["phash"], 16))
        if clip.get("frame_hash"):
            pair = _numbers(clip["frame_hash"]), _numbers(clip["mirrored_hash"])
            frames_of.setdefault(clip["video_id"], []).append(pair)
    return clips_of, frames_of


class FrameHashes:
    """The frame hashes of all clips so far, and the groups of their videos."""

    def __init__(self, clips: int) -> None:
        """Room for so many clips."""
        self._clips = clips
        self._filled = 0
        self._hash: NDArray[np.uint64] | None = None
        self._group = np.empty(clips, dtype=np.int64)

    def add(self, frames: NDArray[np.uint64], group: int) -> None:
        """Add a clip; one of another number of frames than the first is not compared."""
        if self._hash is None:
            self._hash = np.empty((self._clips, len(frames)), dtype=np.uint64)
        if len(frames) == self._hash.shape[1]:
            self._hash[self._filled], self._group[self._filled] = frames, group
            self._filled += 1

    def copies(self, pair: _Pair, most_bits: float) -> set[int]:
        """Groups with a clip that the given one copies.

        Two clips are compared at every shift that leaves half of them over, as they are and with
        one mirrored. A trimmed copy lies at such a shift of some clip of its original.

        Args:
            pair: hashes of the frames of the clip, and of the same frames mirrored.
            most_bits: largest mean difference of the frames that overlap.
        """
        if self._hash is None or len(pair[0]) != self._hash.shape[1]:
            return set()
        found: set[int] = set()
        stored, count = self._hash[: self._filled], len(pair[0])
        for frames in pair:
            # Two frames decide which clips are worth comparing: copies are alike in all frames.
            probes = frames[[count // 3, 2 * count // 3]]
            least = np.bitwise_count(stored[:, :, None] ^ probes).min(axis=(1, 2), initial=64)
            rows = np.flatnonzero(least <= 1.5 * most_bits)
            bits = np.bitwise_count(stored[rows][:, :, None] ^ frames).astype(np.float64)
            for shift in range(-(count // 2), count // 2 + 1):
                mean = np.diagonal(bits, shift, axis1=1, axis2=2).mean(axis=1)
                found.update(self._group[rows[mean <= most_bits]].tolist())
        return found


def _numbers(hashes: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(each, 16) for each in hashes], dtype=np.uint64)
