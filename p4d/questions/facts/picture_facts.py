"""Facts of the image plane, measured alike from exact centres and from the expert's labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.blocks import (
    Bools,
    FactBlock,
    FactRows,
    Floats,
    Ints,
    each,
    ordered_pairs,
)
from p4d.questions.facts.scene.margins import (
    HALF_PIXEL,
    HEADING_SIGMA_RAD,
    MIN_MOVEMENT_PX,
    MIN_STRAIGHTNESS,
    dominant,
    row_lengths,
)
from p4d.questions.facts.vocabulary import (
    PICTURE_DIRECTIONS,
    PICTURE_SIDES,
    QUADRANTS,
    STAYS,
    word_numbers,
)

PICTURE_SIGMA_PX = 1.0  # of a centre that a person reads off an image
PICTURE_AXES = word_numbers((("left", "right"), ("up", "down")), PICTURE_DIRECTIONS)
"""Words by axis and sign; v points down in an image."""


def picture_facts(
    rows: FactRows,
    centre_px_k2: Floats,
    visible_k: Bools,
    middle_px_2: Floats,
    sigma_px: float = PICTURE_SIGMA_PX,
) -> Iterator[FactBlock]:
    """Yield quadrants and sides in the image, for exact and for measured centres alike.

    Args:
        rows: of instants.
        centre_px_k2: (u, v) of each region, [C, I, K, 2].
        visible_k: whether the region is in the image, [C, I, K].
        middle_px_2: of the image, or what broadcasts to the centres.
        sigma_px: error of a centre.

    """
    objects = visible_k.shape[-1]
    from_middle_px = centre_px_k2 - middle_px_2
    yield rows.word(
        "quadrant", _quarter(from_middle_px), np.abs(from_middle_px).min(axis=-1) / sigma_px,
        QUADRANTS, about=each(objects), frame="picture",
        method="centre against the middle of the picture", where=visible_k,
    )  # fmt: skip
    about = ordered_pairs(objects)
    one, other = about.T
    apart_px = centre_px_k2[..., one, :] - centre_px_k2[..., other, :]
    yield rows.word(
        "picture_side", _quarter(apart_px), np.abs(apart_px).min(axis=-1) / (2**0.5 * sigma_px),
        PICTURE_SIDES, about=about, frame="picture", method="centres in the picture",
        where=visible_k[..., one] & visible_k[..., other],
    )  # fmt: skip


def _quarter(right_down_px: Floats) -> Ints:
    """Number of the quarter that a vector points to: upper left, upper right, lower left, ..."""
    return np.asarray(2 * (right_down_px[..., 1] > 0) + (right_down_px[..., 0] > 0))


def picture_direction(
    moved_px_2: Floats,
    sigma_px: Floats | float,
    heading_sigma_rad: Floats | float = HEADING_SIGMA_RAD,
) -> tuple[Ints, Floats]:
    """Return the nearest of left, right, up, down, of PICTURE_DIRECTIONS, and its margin."""
    axis, sign, heading_margin = dominant(moved_px_2)
    heading_margin = heading_margin * (HEADING_SIGMA_RAD / heading_sigma_rad)
    # The heading of a short movement is uncertain.
    length_margin = (row_lengths(moved_px_2) - MIN_MOVEMENT_PX) / sigma_px
    word = PICTURE_AXES[axis, (sign > 0).astype(int)]
    return word, np.minimum(heading_margin, length_margin)


def screen_direction(places_px_t2: Floats, sigma_px: float = HALF_PIXEL) -> tuple[Ints, Floats]:
    """Return the words for paths through the image, [..., T, 2] (u, v), and their margins."""
    moved_px = places_px_t2[..., -1, :] - places_px_t2[..., 0, :]
    length_px = row_lengths(moved_px)
    extent_px = row_lengths(places_px_t2 - places_px_t2[..., :1, :]).max(axis=-1)
    path_px = row_lengths(places_px_t2[..., 1:, :] - places_px_t2[..., :-1, :]).sum(axis=-1)
    heading_sigma_rad = np.hypot(HEADING_SIGMA_RAD, sigma_px / length_px)
    word, margin = picture_direction(moved_px, sigma_px, heading_sigma_rad)
    straight = path_px * MIN_STRAIGHTNESS <= length_px
    stays = length_px <= MIN_MOVEMENT_PX
    return (
        np.where(stays, PICTURE_DIRECTIONS.index(STAYS), word),
        np.where(stays, (MIN_MOVEMENT_PX - extent_px) / sigma_px, np.where(straight, margin, 0.0)),
    )
