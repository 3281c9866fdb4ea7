"""Which split a video belongs to: a cut through a line on which videos lie by the hash of their id.

New videos never move old ones, and no list of splits has to be kept.
"""

from __future__ import annotations

from p4d.config import ReleaseParams
from p4d.ids import seed_for

SPLITS = ("train", "val", "test")


def split_position(video_id: str) -> float:
    """Where a video lies in [0, 1)."""
    return seed_for(video_id, "split") / 2.0**63


def split_for(video_id: str, params: ReleaseParams) -> str:
    """The split of a video, or of a group of near-duplicates by its first-landed video."""
    position = split_position(video_id)
    if position < params.test_fraction:
        return "test"
    if position < params.test_fraction + params.val_fraction:
        return "val"
    return "train"
