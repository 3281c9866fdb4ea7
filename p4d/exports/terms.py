"""Which videos an export holds whole, which as a recipe only, and which not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from p4d.origins import Origin, withheld


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


def terms_of(
    videos: Collection[str], origins: Mapping[str, Origin], taken_down: Collection[str]
) -> TermsOfExport:
    """Decide for each video.

    Args:
        videos: ids of the released videos.
        origins: what is stated of them (p4d/origins.py); nothing for most.
        taken_down: ids of videos that were taken down, of this project.
    """
    absent = {video: "taken down" for video in sorted(videos) if video in taken_down}
    kept = withheld({v: origin for v, origin in origins.items() if v in videos and v not in absent})
    return TermsOfExport(dict(sorted(kept.items())), absent)
