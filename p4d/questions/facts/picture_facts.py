"""Facts of the image plane, measured alike from exact centres and from the expert's labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from p4d.questions.facts.scene.margins import (
    HALF_PIXEL,
    HEADING_SIGMA_RAD,
    MIN_MOVEMENT_PX,
    MIN_STRAIGHTNESS,
    dominant,
    row_lengths,
    vector_length,
)
from p4d.questions.facts.table import Fact, Source, word
from p4d.questions.facts.vocabulary import PICTURE_SIDES, QUADRANTS, STAYS

PICTURE_SIGMA_PX = 1.0  # of a centre that a person reads off an image


def picture_facts(
    source: Source,
    region_ids: Sequence[str],
    centre_px: Mapping[int, np.ndarray],
    size_px_2: np.ndarray,
    at: tuple[int, int],
    sigma_px: float = PICTURE_SIGMA_PX,
) -> Iterator[Fact]:
    """Yield quadrants and sides in the image, for exact and for measured centres alike.

    Args:
        source: teacher and clip of the facts.
        region_ids: regions in mark order.
        centre_px: (u, v) of each visible region, by its index in `region_ids`.
        size_px_2: width and height of the image.
        at: the instant, twice.
        sigma_px: error of a centre.

    """
    middle_u, middle_v = (size_px_2 / 2).tolist()
    places = {k: (float(uv_px[0]), float(uv_px[1])) for k, uv_px in centre_px.items()}
    for k, (u, v) in places.items():
        right_px, down_px = u - middle_u, v - middle_v
        yield word(
            source, "quadrant", QUADRANTS[2 * int(down_px > 0) + int(right_px > 0)],
            _least(right_px, down_px) / sigma_px, QUADRANTS, frame="picture",
            method="centre against the middle of the picture", region_ids=[region_ids[k]],
            span_ns=at,
        )  # fmt: skip
    for one, other in permutations(sorted(places), 2):
        right_px = places[one][0] - places[other][0]
        down_px = places[one][1] - places[other][1]
        yield word(
            source, "picture_side", PICTURE_SIDES[2 * int(down_px > 0) + int(right_px > 0)],
            _least(right_px, down_px) / (2**0.5 * sigma_px), PICTURE_SIDES, frame="picture",
            method="centres in the picture", region_ids=[region_ids[one], region_ids[other]],
            span_ns=at,
        )  # fmt: skip


def _least(right_px: float, down_px: float) -> float:
    """The smaller size; NaN if either is."""
    sizes = abs(right_px), abs(down_px)
    return math.nan if sizes[0] != sizes[0] else min(sizes[1], sizes[0])


def picture_direction(
    moved_px_2: Sequence[float] | np.ndarray,
    sigma_px: float,
    heading_sigma_rad: float = HEADING_SIGMA_RAD,
) -> tuple[str, float]:
    """Return the nearest of left, right, up, down and its margin; v points down in an image."""
    axis, sign, heading_margin = dominant(moved_px_2)
    heading_margin *= HEADING_SIGMA_RAD / heading_sigma_rad
    text = (("left", "right"), ("up", "down"))[axis][int(sign > 0)]
    length_px = math.hypot(*moved_px_2)
    # The heading of a short movement is uncertain.
    return text, min(heading_margin, (length_px - MIN_MOVEMENT_PX) / sigma_px)


def screen_direction(places_px_t2: np.ndarray, sigma_px: float = HALF_PIXEL) -> tuple[str, float]:
    """Return the word for a path through the image, [T, 2] (u, v), and its margin."""
    moved_px = places_px_t2[-1] - places_px_t2[0]
    length_px = vector_length(moved_px)
    if length_px <= MIN_MOVEMENT_PX:
        extent_px = float(row_lengths(places_px_t2 - places_px_t2[0]).max())
        return STAYS, (MIN_MOVEMENT_PX - extent_px) / sigma_px
    axis, sign, heading_margin = dominant(moved_px)
    path_px = float(row_lengths(places_px_t2[1:] - places_px_t2[:-1]).sum())
    straight = path_px * MIN_STRAIGHTNESS <= length_px
    heading_margin /= math.hypot(1.0, sigma_px / length_px / HEADING_SIGMA_RAD)
    text = (("left", "right"), ("up", "down"))[axis][int(sign > 0)]
    margin = min(heading_margin, (length_px - MIN_MOVEMENT_PX) / sigma_px)
    return text, margin if straight else 0.0
