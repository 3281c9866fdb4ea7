"""Which videos an export holds whole, which as a recipe only, and which not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    videos: Iterable[str], origins: Mapping[str, Origin], taken_down: Iterable[str]
) -> TermsOfExport:
    """Decide for each video.

    Args:
        videos: their ids.
        origins: what is stated of them (p4d/origins.py), by id.
        taken_down: ids of videos that were taken down, of this project.
    """
    gone = set(taken_down)
    wanted = set(videos)
    absent = dict.fromkeys(sorted(wanted & gone), "taken down")
    kept = {video: origin for video, origin in origins.items() if video in wanted - gone}
    return TermsOfExport(withheld(kept), absent)
