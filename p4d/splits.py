"""Which split a video belongs to, by the hash of its id.

New videos never move old ones, and no list of splits has to be stored.
"""

from __future__ import annotations

from p4d.config import ReleaseParams
from p4d.ids import seed_for

SPLITS = ("train", "val", "test")


def split_position(video_id: str) -> float:
    """Return the position of a video in [0, 1)."""
    return seed_for(video_id, "split") / 2.0**63


def is_asked(video_id: str, params: ReleaseParams, share: float) -> bool:
    """Whether a video may be asked about, if a share of those of the train split is.

    A larger share asks about the same videos and more. All held-out videos are asked about.
    """
    if split_for(video_id, params) != "train":
        return True
    return seed_for(video_id, "asked") / 2.0**63 < share


def split_for(video_id: str, params: ReleaseParams) -> str:
    """Return the split of a video, or of a near-duplicate group by its first-landed video."""
    position = split_position(video_id)
    if position < params.test_fraction:
        return "test"
    if position < params.test_fraction + params.val_fraction:
        return "val"
    return "train"
