"""Near-duplicate clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from p4d.config import ReleaseParams
from p4d.splits import split_for


def duplicate_groups(
    clips: Sequence[Mapping[str, Any]], params: ReleaseParams
) -> tuple[dict[str, str], dict[str, str]]:
    """Near-duplicate group of every video, and the videos that fit no split.

    A video joins the earliest group it is near to, or founds one that bears its name. Groups never
    merge, as that could move old videos; a later video near to several of one split joins the
    earliest. Each video is thus decided by those before it alone.

    Args:
        clips: rows with video_id and phash (16 hex digits), in landing order.
        params: clips whose hashes differ in at most `duplicate_hamming_bits` are near. Null hashes
            are near to nothing.

    Returns:
        The group by video; and by video near to groups of different splits, which has none, why.
    """
    clips_of: dict[str, list[int]] = {}
    for clip in clips:
        hashes = clips_of.setdefault(clip["video_id"], [])
        if clip["phash"] is not None:
            hashes.append(int(clip["phash"], 16))
    groups: dict[str, str] = {}
    between: dict[str, str] = {}
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
            between[video] = f"looks like videos of {' and '.join(sorted(splits))}: {names}"
            continue
        if not near:
            founders.append(video)
        joined = min(near, default=len(founders) - 1)
        groups[video] = founders[joined]
        bits[filled : filled + len(hashes)] = hashes
        group_of[filled : filled + len(hashes)] = joined
        filled += len(hashes)
    return groups, between
