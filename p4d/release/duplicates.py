"""Groups of videos with near-duplicate clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from p4d.config import ReleaseParams
from p4d.splits import split_for


def duplicate_groups(
    clips: Sequence[Mapping[str, Any]], params: ReleaseParams
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the near-duplicate group of every video, and the videos that fit no split.

    A video joins the earliest group that it is near to, or founds one that has its id. Groups never
    merge, because that could move old videos to another split; a video that is near to several
    groups of one split joins the earliest. So only earlier videos decide the group of a video.

    Args:
        clips: rows with video_id and phash (16 hex digits), in landing order.
        params: clips whose hashes differ in at most `duplicate_hamming_bits` are near. Null hashes
            match nothing.

    Returns:
        The group of each video; and for each video that is near to groups of different splits, and
        so has no group, the reason.
    """
    clips_of: dict[str, list[int]] = {}
    for clip in clips:
        hashes = clips_of.setdefault(clip["video_id"], [])
        if clip["phash"] is not None:
            hashes.append(int(clip["phash"], 16))
    groups: dict[str, str] = {}
    left_out: dict[str, str] = {}
    founders: list[str] = []
    # One row per hash of a grouped video: its bits, and the position of its group in `founders`.
    bits = np.empty(sum(map(len, clips_of.values())), dtype=np.uint64)
    group_of = np.empty(len(bits), dtype=np.int64)
    filled = 0
    for video, hashes in clips_of.items():
        near: set[int] = set()
        for value in hashes:
            differing = np.bitwise_count(bits[:filled] ^ np.uint64(value))
            near.update(group_of[:filled][differing <= params.duplicate_hamming_bits].tolist())
        splits = {split_for(founders[k], params) for k in near}
        if len(splits) > 1:
            names = ", ".join(founders[k] for k in sorted(near))
            left_out[video] = f"resembles videos of {' and '.join(sorted(splits))}: {names}"
            continue
        if not near:
            founders.append(video)
        joined = min(near, default=len(founders) - 1)
        groups[video] = founders[joined]
        bits[filled : filled + len(hashes)] = hashes
        group_of[filled : filled + len(hashes)] = joined
        filled += len(hashes)
    return groups, left_out
