"""Facts of trajectories: their shape, when they move, and how their speed and distance change.

All words follow one rule: a change must be visible (half a pixel at the object's distance), and
constancy must be measured (the errors of poses). Between the two no answer is certain.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from p4d.questions.facts.blocks import FactBlock, FactRows, Floats, Ints, each, ordered_pairs
from p4d.questions.facts.picture_facts import screen_direction
from p4d.questions.facts.scene.margins import HEADING_SIGMA_RAD, dominant, row_lengths
from p4d.questions.facts.scene.trajectories import STEP_M, Trajectories
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    COURSES,
    OWN_SIDES,
    PICTURE_DIRECTIONS,
    RETURNS,
    RISES,
    SPEED_CHANGES,
    STAYS,
    STRAIGHT,
    TRENDS,
    WAYS,
    word_numbers,
)

LEAST_SPEED_CHANGE_M_S = 0.05
LEAST_BEND_M = 0.04  # off the straight line
RESTS_ALL_THE_TIME = COURSES.index("rests all the time")
KEEPS_ITS_SPEED = SPEED_CHANGES.index("keeps its speed")
OWN_AXES = (("behind it", "ahead of it"), ("on its right", "on its left"))
"""Words by axis (ahead, left) and sign."""


def trajectory_facts(rows: FactRows, paths: Trajectories) -> Iterator[FactBlock]:
    """Yield the facts of trajectories that words describe."""
    about = each(paths.scenes.objects)
    trend_ck, margin_ck = trend(
        paths.range_m_ckt, paths.params.moving_threshold_m, 2**0.5 * paths.sigma_m_ck,
        paths.rest_sigma_m_ck,
    )  # fmt: skip
    yield rows.word(
        "range_trend", trend_ck, margin_ck, TRENDS, about=about, frame="camera_at",
        method="distance to the camera at each frame",
    )  # fmt: skip
    yield _screen_direction(rows, paths)
    yield _speed_change(rows, paths)
    yield _course(rows, paths)
    yield _shape(rows, paths)
    yield _own_sides(rows, paths)


def trend(
    values_t: Floats, threshold: float, visible_sigma: Floats, rest_sigma: Floats
) -> tuple[Ints, Floats]:
    """Return the words of TRENDS for distances over time, [..., T], and their margins."""
    first, last = values_t[..., 0], values_t[..., -1]
    lowest, highest = values_t.min(axis=-1), values_t.max(axis=-1)
    fall, climb, rise_after, fall_after = (
        first - lowest, highest - first, last - lowest, highest - last
    )  # fmt: skip

    def is_seen(change: Floats) -> Floats:
        return (change - threshold) / visible_sigma

    def is_none(change: Floats) -> Floats:
        return (threshold - change) / rest_sigma

    margins_5 = np.stack(
        [
            np.minimum(np.minimum(is_seen(fall), is_none(climb)), is_none(rise_after)),
            np.minimum(np.minimum(is_seen(climb), is_none(fall)), is_none(fall_after)),
            np.minimum(np.minimum(is_seen(fall), is_seen(rise_after)), is_none(climb)),
            np.minimum(np.minimum(is_seen(climb), is_seen(fall_after)), is_none(fall)),
            np.minimum(is_none(fall), is_none(climb)),
        ],
        axis=-1,
    )
    return margins_5.argmax(axis=-1), margins_5.max(axis=-1)


def _screen_direction(rows: FactRows, paths: Trajectories) -> FactBlock:
    """Direction in the image, camera motion included."""
    begin, end, visible_ckt = paths.begin, paths.end, paths.scenes.visible_ckt
    word_ck, margin_ck = screen_direction(paths.scenes.pixel_ckt2[:, :, begin : end + 1])
    return rows.word(
        "screen_direction", word_ck, margin_ck, PICTURE_DIRECTIONS,
        about=each(paths.scenes.objects), frame="picture",
        method="places in the pictures of both frames",
        where=visible_ckt[:, :, begin] & visible_ckt[:, :, end],
    )  # fmt: skip


def _speed_change(rows: FactRows, paths: Trajectories) -> FactBlock:
    """Compare the mean speeds of the two halves."""
    steps_m_ckt, moves_margin_ck = paths.steps_m_ckt, paths.moves_margin_ck
    steps = steps_m_ckt.shape[-1]
    half = steps // 2
    half_s_c1 = (paths.seconds_c * half / steps)[:, None]
    change_m_ck = steps_m_ckt[..., steps - half :].sum(axis=-1) - steps_m_ckt[..., :half].sum(-1)
    change_m_s_ck = change_m_ck / half_s_c1
    size_m_s_ck = np.abs(change_m_s_ck)
    keeps_ck = size_m_s_ck <= LEAST_SPEED_CHANGE_M_S
    sigma_m_ck = np.where(keeps_ck, paths.rest_sigma_m_ck, 2 * paths.sigma_m_ck)
    apart_ck = np.abs(size_m_s_ck - LEAST_SPEED_CHANGE_M_S) / (sigma_m_ck / half_s_c1)
    known_ck = (moves_margin_ck > 0) & (half >= 1)
    word_ck = np.where(keeps_ck, KEEPS_ITS_SPEED, (change_m_s_ck < 0).astype(int))
    return rows.word(
        "speed_change", np.where(known_ck, word_ck, SPEED_CHANGES.index(STAYS)),
        np.where(known_ck, np.minimum(moves_margin_ck, apart_ck), -moves_margin_ck),
        SPEED_CHANGES, about=each(paths.scenes.objects), frame="world",
        method="path lengths of the two halves over their times",
    )  # fmt: skip


def _course(rows: FactRows, paths: Trajectories) -> FactBlock:
    """In which part of the interval an object changes place; unknown if it pauses or creeps."""
    start, stop = paths.start, paths.stop
    onsets_ck = np.minimum(start.margin_ck, stop.margin_ck)
    known_ck = ~paths.creeps_ck & paths.one_motion_ck
    moving_ck = 2 * (stop.frame_ck > 0) + (start.frame_ck > 0)
    margin_ck = np.where(known_ck, np.minimum(paths.moves_margin_ck, onsets_ck), 0.0)
    return rows.word(
        "course",
        np.where(paths.any_moves_ck, np.where(known_ck, moving_ck, 0), RESTS_ALL_THE_TIME),
        np.where(paths.any_moves_ck, margin_ck, -paths.moves_margin_ck), COURSES,
        about=each(paths.scenes.objects), frame="world",
        method="steps between frames that change place",
    )  # fmt: skip


def _shape(rows: FactRows, paths: Trajectories) -> FactBlock:
    """Classify the paths: straight, bent to one side, back to the start, or up and down."""
    sigma_m, measured_m = 2**0.5 * paths.sigma_m_ck, paths.rest_sigma_m_ck
    points_m_t3 = paths.points_m_ckt3 - paths.points_m_ckt3[:, :, :1]
    moved_m_3, length_m = points_m_t3[:, :, -1], paths.displacement_m_ck
    rise_m = points_m_t3[..., 2].max(axis=-1) - np.maximum(0.0, moved_m_3[..., 2])
    ahead_3 = moved_m_3 / length_m[..., None]
    along_m_t = (points_m_t3 @ ahead_3[..., None])[..., 0]
    off_m_t3 = points_m_t3 - along_m_t[..., None] * ahead_3[..., None, :]
    off_m_t = row_lengths(off_m_t3)
    bend_m = off_m_t.max(axis=-1)
    bulge_m_3 = np.take_along_axis(off_m_t3, off_m_t.argmax(axis=-1)[..., None, None], axis=2)
    bulge_m_3 = bulge_m_3[:, :, 0]
    monotone = (np.diff(along_m_t) > -measured_m[..., None]).all(axis=-1)
    # A path bulges to the outer side of its chord: a bend to the left bulges to the right.
    bulge_left_m = ahead_3[..., 0] * bulge_m_3[..., 1] - ahead_3[..., 1] * bulge_m_3[..., 0]
    level_m = np.abs(bulge_left_m) - np.abs(bulge_m_3[..., 2])
    level = (np.abs(bulge_left_m) > 0.8 * bend_m) & monotone
    bends = np.where(level, np.minimum(bend_m - LEAST_BEND_M, level_m) / sigma_m, 0.0)
    bends = np.minimum(bends, (LEAST_BEND_M - rise_m) / measured_m)
    rests, rises, returns, straight, left, right = map(
        WAYS.index, (STAYS, RISES, RETURNS, STRAIGHT, BENDS_LEFT, BENDS_RIGHT)
    )
    cases = [rise_m > LEAST_BEND_M, length_m <= LEAST_BEND_M, bend_m <= LEAST_BEND_M]
    word = np.select(
        cases, [rises, returns, straight], np.where(bulge_left_m > 0, right, left)
    )  # fmt: skip
    margin = np.select(
        cases,
        [
            (rise_m - LEAST_BEND_M) / sigma_m,
            (LEAST_BEND_M - length_m) / measured_m,
            np.where(monotone, (LEAST_BEND_M - bend_m) / measured_m, 0.0),
        ],
        bends,
    )
    moves_margin = paths.moves_margin_ck
    return rows.word(
        "way", np.where(moves_margin > 0, word, rests),
        np.where(moves_margin > 0, np.minimum(moves_margin, margin), -moves_margin), WAYS,
        about=each(paths.scenes.objects), frame="object",
        method="farthest place off the straight line",
    )  # fmt: skip


def _own_sides(rows: FactRows, paths: Trajectories) -> FactBlock:
    """Where the others are at the start, as the object sees them when it faces its motion."""
    about = ordered_pairs(paths.scenes.objects)
    one, other = about.T
    moved_m_ck3 = paths.moved_m_ck3
    length_m_ck = row_lengths(moved_m_ck3[..., :2])
    climbs_ck = np.abs(moved_m_ck3[..., 2]) > 0.5 * length_m_ck
    faces_ck = (
        (paths.moves_margin_ck > 0) & paths.straight_ck & ~climbs_ck & (length_m_ck >= STEP_M)
    )
    ahead_cp2 = (moved_m_ck3[..., :2] / length_m_ck[..., None])[:, one]
    starts_m_ck3 = paths.points_m_ckt3[:, :, 0]
    offset_m_cp2 = (starts_m_ck3[:, other] - starts_m_ck3[:, one])[..., :2]
    level_m_cp2 = np.stack(
        [
            (offset_m_cp2 * ahead_cp2).sum(axis=-1),
            offset_m_cp2[..., 1] * ahead_cp2[..., 0] - offset_m_cp2[..., 0] * ahead_cp2[..., 1],
        ],
        axis=-1,
    )
    axis_cp, sign_cp, border_margin_cp = dominant(level_m_cp2)
    visible_sigma_m_cp = (2**0.5 * paths.sigma_m_ck)[:, one]
    heading_sigma_rad_cp = np.hypot(HEADING_SIGMA_RAD, visible_sigma_m_cp / length_m_ck[:, one])
    sigma_rad_cp = np.hypot(heading_sigma_rad_cp, visible_sigma_m_cp / row_lengths(level_m_cp2))
    border_margin_cp = border_margin_cp * (HEADING_SIGMA_RAD / sigma_rad_cp)
    return rows.word(
        "own_side", word_numbers(OWN_AXES, OWN_SIDES)[axis_cp, (sign_cp > 0).astype(int)],
        np.minimum(paths.moves_margin_ck[:, one], border_margin_cp), OWN_SIDES, about=about,
        frame="object", method="bearing at the start, from the direction of movement",
        where=faces_ck[:, one] & paths.scenes.visible_ckt[:, other, paths.begin],
    )  # fmt: skip
