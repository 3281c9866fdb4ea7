"""Which videos an export holds whole, which as a recipe only, and which not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TermsOfExport:
    """What may leave of the videos of a release.

    Attributes:
        recipes: videos whose terms forbid that copies of their pictures are given to others, with
            the reason. Their rows name source and frames, and hold no pixel.
        absent: videos that were taken down since, with the reason. No id of them leaves.
    """

    recipes: Mapping[str, str]
    absent: Mapping[str, str]


def terms_of(videos: Iterable[Mapping[str, Any]], taken_down: Iterable[str]) -> TermsOfExport:
    """Decide for each video.

    Args:
        videos: rows of `videos.parquet`.
        taken_down: ids of videos that were taken down, of this project.
    """
    gone = set(taken_down)
    recipes, absent = {}, {}
    for row in videos:
        if row["video_id"] in gone:
            absent[row["video_id"]] = "taken down"
        elif row.get("redistributable") is False:
            recipes[row["video_id"]] = f"terms forbid copies of the pictures: {row['licence']}"
    return TermsOfExport(recipes, absent)
