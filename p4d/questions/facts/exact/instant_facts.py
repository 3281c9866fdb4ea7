"""Facts of instants: positions, distances and orders, in the camera of the instant.

`side` is certain only if left in metres and left in the image agree. Arrays are [C, I, ...]: clips,
instants, objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.blocks import (
    Bools,
    FactBlock,
    FactRows,
    Floats,
    Ints,
    each,
    ordered_pairs,
    pairs,
    together,
)
from p4d.questions.facts.exact.comparison_facts import (
    MARKS_TO_CHOOSE_FROM,
    extreme_fact,
    others,
    rank_fact,
)
from p4d.questions.facts.picture_facts import picture_facts
from p4d.questions.facts.scene.margins import HEADING_SIGMA_RAD, least, row_lengths
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.vocabulary import DEPTHS, HEIGHTS, OBJECTS, SIDES
from p4d.questions.wording import seconds


@dataclass(frozen=True)
class _Views:
    """What the cameras see at instants.

    Attributes:
        scenes: the geometry.
        frames: the instants.
    """

    scenes: Scenes
    frames: Sequence[int]

    def at(self, values_ckt: np.ndarray) -> np.ndarray:
        """Values of objects at the instants, [C, I, K, ...]."""
        return np.swapaxes(values_ckt[:, :, self.frames], 1, 2)

    @cached_property
    def visible_cik(self) -> Bools:
        return self.at(self.scenes.visible_ckt)

    @cached_property
    def all_visible_ci1(self) -> Bools:
        return np.asarray(self.visible_cik.all(axis=-1, keepdims=True))

    @cached_property
    def camera_m_cik3(self) -> Floats:
        return self.at(self.scenes.camera_m_ckt3)

    @cached_property
    def centre_m_cik3(self) -> Floats:
        return self.at(self.scenes.centre_m_ckt3)

    @cached_property
    def range_m_cik(self) -> Floats:
        return self.at(self.scenes.range_m_ckt)

    @cached_property
    def sigma_m_cik(self) -> Floats:
        return self.at(self.scenes.position_sigma_m_ckt)

    @cached_property
    def bearing_rad_cik(self) -> Floats:
        """Angles to the right of the optical axis."""
        return np.arctan2(self.camera_m_cik3[..., 0], self.camera_m_cik3[..., 2])

    def both_m(self, a: Ints, b: Ints) -> Floats:
        """Errors of the differences of two centres."""
        return np.hypot(self.sigma_m_cik[..., a], self.sigma_m_cik[..., b])


def instant_facts(rows: FactRows, scenes: Scenes, frames: Sequence[int]) -> Iterator[FactBlock]:
    """Yield all facts of some frames. Ranks need every marked object in view."""
    views = _Views(scenes, frames)
    yield from _places(rows, views)
    yield from _orders(rows, views)
    pixel_cik2 = views.at(scenes.pixel_ckt2)
    middle_px_c112 = scenes.K_c33[:, None, None, :2, 2]
    yield from picture_facts(rows, pixel_cik2, views.visible_cik, middle_px_c112)
    yield from _ranks(rows, views)


def _places(rows: FactRows, views: _Views) -> Iterator[FactBlock]:
    """Positions and distances, in metres."""
    objects, metric_c11 = views.scenes.objects, views.scenes.metric_c[:, None, None]
    seen_cik = views.visible_cik & metric_c11
    for axis, kind in enumerate(("position_right", "position_down", "position_ahead")):
        yield rows.quantity(
            kind, views.camera_m_cik3[..., axis], views.sigma_m_cik, about=each(objects),
            unit="m", frame="camera_at", method="centre of the object's box", where=seen_cik,
        )  # fmt: skip
    yield rows.quantity(
        "distance_to_camera", views.range_m_cik, views.sigma_m_cik, about=each(objects),
        unit="m", frame="camera_at", method="centre of the object's box to camera centre",
        where=seen_cik,
    )  # fmt: skip
    a, b = pairs(objects).T
    yield rows.quantity(
        "distance", row_lengths(views.centre_m_cik3[:, :, a] - views.centre_m_cik3[:, :, b]),
        views.both_m(a, b), about=pairs(objects), unit="m", frame="world",
        method="between the centres of the boxes", where=seen_cik[..., a] & seen_cik[..., b],
    )  # fmt: skip


def _orders(rows: FactRows, views: _Views) -> Iterator[FactBlock]:
    """Where one object is relative to another: nearer, left, higher."""
    about = ordered_pairs(views.scenes.objects)
    a, b = about.T
    both_seen = views.visible_cik[..., a] & views.visible_cik[..., b]
    sigma_m = views.both_m(a, b)
    farther_m = views.range_m_cik[..., a] - views.range_m_cik[..., b]
    yield rows.word(
        "depth_order", farther_m > 0, np.abs(farther_m) / sigma_m, DEPTHS, about=about,
        frame="camera_at", method="range of the centres", where=both_seen,
    )  # fmt: skip
    # Left in metres and left in the image can disagree; then the word is not certain.
    right_m = views.camera_m_cik3[:, :, a, 0] - views.camera_m_cik3[:, :, b, 0]
    right_rad = views.bearing_rad_cik[..., a] - views.bearing_rad_cik[..., b]
    margin = np.minimum(np.abs(right_m) / sigma_m, np.abs(right_rad) / HEADING_SIGMA_RAD)
    yield rows.word(
        "side", right_rad > 0, np.where(right_m * right_rad > 0, margin, 0.0), SIDES, about=about,
        frame="camera_at", method="camera x and bearing of the centres agree", where=both_seen,
    )  # fmt: skip
    higher_m = views.centre_m_cik3[:, :, a, 2] - views.centre_m_cik3[:, :, b, 2]
    yield rows.word(
        "height_order", higher_m < 0, np.abs(higher_m) / sigma_m, HEIGHTS, about=about,
        frame="world", method="heights of the centres of the boxes", where=both_seen,
    )  # fmt: skip


def _ranks(rows: FactRows, views: _Views) -> Iterator[FactBlock]:
    """How many objects are nearer or farther left, and which are extremes."""
    objects = views.scenes.objects
    o_ko, k_k1 = others(objects), each(objects)
    nearer = views.range_m_cik[..., k_k1] - views.range_m_cik[..., o_ko]
    yield rank_fact(
        rows, "nearer_count", nearer / views.both_m(k_k1, o_ko), frame="camera_at",
        method="marked objects with a smaller range than this one", where=views.all_visible_ci1,
    )  # fmt: skip
    left_rad = views.bearing_rad_cik[..., k_k1] - views.bearing_rad_cik[..., o_ko]
    yield rank_fact(
        rows, "left_count", left_rad / HEADING_SIGMA_RAD, frame="camera_at",
        method="marked objects with a bearing to the left of this one",
        where=views.all_visible_ci1,
    )  # fmt: skip
    if objects == MARKS_TO_CHOOSE_FROM:
        for kind, sign in (("nearest", 1.0), ("farthest", -1.0)):
            yield extreme_fact(
                rows, kind, sign * views.range_m_cik, views.sigma_m_cik, frame="camera_at",
                method="ranges of the centres of the boxes", where=views.all_visible_ci1,
            )  # fmt: skip
        yield _who_is_there(rows, views)


def _who_is_there(rows: FactRows, views: _Views) -> FactBlock:
    """That object k, and no other, is at the place of object k."""
    objects = views.scenes.objects
    o_ko, k_k1 = others(objects), each(objects)
    apart_m = row_lengths(views.camera_m_cik3[:, :, k_k1] - views.camera_m_cik3[:, :, o_ko])
    return rows.word(
        "who_is_there", together(objects), least(apart_m / views.both_m(k_k1, o_ko)), OBJECTS,
        about=each(objects), frame="camera_at", method="nearest centre to the centre of this one",
        where=views.all_visible_ci1 & views.scenes.metric_c[:, None, None],
    )  # fmt: skip


def when_facts(
    clip_c: Ints, scenes: Scenes, frames: Sequence[int], params: FactsParams
) -> Iterator[FactBlock]:
    """Yield at which of the instants an object is where it is then, in the camera of that instant.

    An object that is not visible at all instants is left out. The instants are the options, so all
    of them must lie apart as far as an eye can tell; clips with other instants have other words.
    """
    named_ns_ci = scenes.named_ns_ct[:, frames]
    views = _Views(scenes, frames)
    i_i1, j_ij = each(len(frames)), others(len(frames))
    camera_m_cki3 = np.swapaxes(views.camera_m_cik3, 1, 2)
    sigma_m_cki = np.swapaxes(views.sigma_m_cik, 1, 2)
    apart_m = row_lengths(camera_m_cki3[:, :, i_i1] - camera_m_cki3[:, :, j_ij])
    margin_cki = least(apart_m / np.hypot(sigma_m_cki[:, :, i_i1], sigma_m_cki[:, :, j_ij]))
    seen_c1k = views.visible_cik.all(axis=1, keepdims=True) & scenes.metric_c[:, None, None]
    for named_ns in np.unique(named_ns_ci, axis=0):
        words = tuple(f"at {seconds(int(ns))} sec" for ns in named_ns)
        too_near = (np.diff(named_ns) * 1e-9 < params.least_instant_gap_s).any()
        if len(set(words)) < len(words) or too_near:
            continue
        alike = np.flatnonzero((named_ns_ci == named_ns).all(axis=1))
        rows = FactRows(
            clip_c=clip_c[alike], start_ns=named_ns_ci[alike], end_ns=named_ns_ci[alike]
        )
        yield rows.word(
            "when_there", i_i1, np.swapaxes(margin_cki[alike], 1, 2), words,
            about=each(scenes.objects), frame="camera_at",
            method="nearest of its places at the instants", where=seen_c1k[alike],
        )  # fmt: skip
