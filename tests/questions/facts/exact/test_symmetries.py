"""What happens to facts when a whole scene is mirrored, scaled, turned, or played backwards.

Words are compared where they are certain: of the others nobody is asked.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4d.geometry.cameras import axis_rotation, rigid
from tests.questions.scenes import FRAMES, UP, facts_of, random_scene, scene, thing

END = 1_750_000_000
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
SEEDS = st.integers(0, 400)
CERTAIN = 1 / 3


def swap(*pairs):
    return {**dict(pairs), **{other: one for one, other in pairs}}


SIDES = swap(("left", "right"), ("clockwise", "counter-clockwise"))
MIRRORED = {
    **SIDES,
    **swap(
        ("bends to the left", "bends to the right"),
        ("its near side moves left", "its near side moves right"),
        ("to the left", "to the right"), ("on its left", "on its right"),
        ("upper left", "upper right"), ("lower left", "lower right"),
        ("left and above", "right and above"), ("left and below", "right and below"),
    ),
}  # fmt: skip
REVERSED = {
    **SIDES,
    **swap(
        ("up", "down"), ("towards the camera", "away from the camera"),
        ("bends to the left", "bends to the right"), ("closer", "farther"),
        ("speeds up", "slows down"), ("rests, then moves", "moves, then rests"),
        ("its near side moves left", "its near side moves right"),
        ("its near side moves up", "its near side moves down"),
    ),
}  # fmt: skip
FROM_BEHIND = {
    **swap(("left", "right"), ("towards the camera", "away from the camera")),
}
METRES = {"m", "m/s", "m/s2"}
SIGNED_BY_MIRROR = {"position_right", "displacement_right", "turn_vertical"}
SIGNED_BY_TIME = {
    "displacement_right", "displacement_up", "displacement_ahead", "turn_vertical", "acceleration"
}  # fmt: skip
IN_THE_WORLD = {
    "distance", "displacement", "path_length", "mean_speed", "moving", "moving_count", "rotation",
    "turn_vertical", "turn_angle", "gap_trend", "speed_change", "course", "way", "quarter_turns",
    "moves_first", "rests_first", "own_side", "height_order", "going_count", "size_longest",
}  # fmt: skip


def at_rest(one):
    """The scene seen by a camera that stays where it starts, level in the mirror's plane."""
    still = np.repeat(scene([]).world_T_cam_t44[:1], FRAMES, axis=0)
    return dataclasses.replace(one, world_T_cam_t44=still)


def with_poses(one, poses_kt44):
    return dataclasses.replace(one, world_T_obj_kt44=poses_kt44)


def certain(*facts):
    return all(fact.sigma < CERTAIN for fact in facts)


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_mirroring_swaps_left_and_right_and_senses_and_nothing_else(seed):
    one = at_rest(random_scene(seed))
    # Mirrored camera axes would be left-handed; this camera is its own mirror image.
    before = facts_of(one)
    after = facts_of(with_poses(one, MIRROR @ one.world_T_obj_kt44 @ MIRROR))
    assert before.keys() == after.keys()
    for key, fact in before.items():
        if fact.kind == "left_count":
            expected = len(one.region_ids) - 1 - fact.value
            assert not certain(fact) or after[key].value == expected
        elif fact.value_text is None:
            sign = -1 if fact.kind in SIGNED_BY_MIRROR else 1
            assert after[key].value == pytest.approx(sign * fact.value, abs=2e-6), key
        elif certain(fact):
            assert after[key].value_text == MIRRORED.get(fact.value_text, fact.value_text), key
        assert after[key].sigma == pytest.approx(fact.sigma, rel=1e-2, abs=2e-5) or not (
            certain(fact) or certain(after[key])
        ), key


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_scaling_the_world_scales_metres_and_keeps_words(seed):
    one = random_scene(seed)
    cameras, poses = one.world_T_cam_t44.copy(), one.world_T_obj_kt44.copy()
    cameras[..., :3, 3] *= 2
    poses[..., :3, 3] *= 2
    other = dataclasses.replace(
        one, world_T_cam_t44=cameras, world_T_obj_kt44=poses, size_m_k3=2 * one.size_m_k3
    )
    before, after = facts_of(one), facts_of(other)
    compared = 0
    for key, fact in before.items():
        twin = after.get(key)
        if twin is None or (fact.unit == "count" and not certain(fact, twin)):
            continue
        if fact.value_text is None:
            factor = 2 if fact.unit in METRES else 1
            assert twin.value == pytest.approx(factor * fact.value, abs=5e-6), key
        elif certain(fact, twin):
            assert twin.value_text == fact.value_text, key
            compared += 1
    assert compared > 30


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_playing_backwards_reverses_directions_and_senses(seed):
    one = at_rest(random_scene(seed))
    before = facts_of(one)
    after = facts_of(with_poses(one, one.world_T_obj_kt44[:, ::-1]))
    # What names its start, or a camera's view of it, is another question when the end comes first.
    other_questions = {"own_side", "moves_first", "rests_first", "rotation_seen"}
    for (kind, marks, start, end), fact in before.items():
        twin = after.get((kind, marks, END - end, END - start))
        if kind in other_questions or start == end or twin is None:
            continue
        if fact.value_text is None:
            sign = -1 if kind in SIGNED_BY_TIME else 1
            assert twin.value == pytest.approx(sign * fact.value, abs=5e-6), kind
        elif certain(fact, twin):
            expected = REVERSED.get(fact.value_text, fact.value_text)
            if kind == "picture_direction" and expected in ("up", "down"):
                expected = REVERSED[fact.value_text]
            assert twin.value_text == expected, (kind, marks)


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_played_backwards_what_sets_off_first_comes_to_rest_last(seed):
    one = at_rest(random_scene(seed))
    before = facts_of(one)
    after = facts_of(with_poses(one, one.world_T_obj_kt44[:, ::-1]))
    swapped = {
        "the former": "the latter", "the latter": "the former", "both": "both keep moving",
        "neither": "neither moves",
    }  # fmt: skip
    for (kind, marks, start, end), fact in before.items():
        if kind == "moves_first":
            twin = after[("rests_first", marks, END - end, END - start)]
            if certain(fact, twin):
                assert twin.value_text == swapped[fact.value_text]


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_from_behind_the_camera_sees_other_sides_and_the_world_stays(seed):
    one = at_rest(random_scene(seed))
    # Half a turn about the vertical of the camera's target, of everything but the camera.
    half_turn = rigid(axis_rotation(UP, np.array([np.pi]))[0], np.zeros(3))
    before = facts_of(one)
    after = facts_of(with_poses(one, half_turn @ one.world_T_obj_kt44))
    directions = 0
    for key, fact in before.items():
        twin = after.get(key)
        if twin is None:
            continue
        if fact.kind == "direction" and certain(fact, twin):
            expected = FROM_BEHIND.get(fact.value_text, fact.value_text)
            assert twin.value_text == expected
            directions += 1
        elif fact.kind in IN_THE_WORLD:
            if fact.value_text is None:
                assert twin.value == pytest.approx(fact.value, abs=5e-6), key
            elif certain(fact, twin):
                assert twin.value_text == fact.value_text, key
    assert directions > 0


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_a_camera_at_rest_shows_on_the_screen_what_moves_itself(seed):
    facts = facts_of(at_rest(random_scene(seed)))
    for key, fact in facts.items():
        if fact.kind == "screen_direction":
            itself = facts.get(("picture_direction", *key[1:]))
            if itself is not None and certain(fact, itself):
                assert fact.value_text == itself.value_text


@pytest.mark.parametrize(
    ("ride_m", "on_screen", "trend"),
    [
        ((0.9, 0, 0), "left", None),
        ((-0.9, 0, 0), "right", None),
        ((0, 0, 0.6), "down", None),
        ((0, 0.9, 0), None, "closer"),
        ((0, -0.9, 0), None, "farther"),
    ],
)
def test_only_what_is_relative_to_the_camera_changes_when_the_camera_alone_moves(
    ride_m, on_screen, trend
):
    one = scene([thing((0, 0, 0.5))])
    ride = one.world_T_cam_t44.copy()
    ride[:, :3, 3] += np.linspace(0, 1, FRAMES)[:, None] * np.asarray(ride_m)
    facts = facts_of(dataclasses.replace(one, world_T_cam_t44=ride))
    assert facts[("direction", (1,), 0, END)].value_text == "stays in place"
    assert facts[("picture_direction", (1,), 0, END)].value_text == "stays in place"
    if on_screen:
        assert facts[("screen_direction", (1,), 0, END)].value_text == on_screen
    if trend:
        assert facts[("range_trend", (1,), 0, END)].value_text == trend
    assert certain(facts[("direction", (1,), 0, END)])


@pytest.mark.parametrize("yaw_rad", [0.0, 0.9, 2.0, -1.2])
def test_sides_of_an_object_do_not_depend_on_who_looks(yaw_rad):
    """Something drives along; another lies to its left: so it is from everywhere."""
    around = rigid(axis_rotation(UP, np.array([yaw_rad]))[0], np.zeros(3))
    things = [thing((0, -0.4, 0.4), heading="away from the camera"), thing((-0.8, -0.4, 0.4))]
    facts = facts_of(scene([around @ poses for poses in things]))
    fact = facts[("own_side", (1, 2), 0, END)]
    assert (fact.value_text, certain(fact)) == ("on its left", True)


@pytest.mark.parametrize(
    ("spin", "seen"),
    [
        ("clockwise", "its near side moves left"),
        ("counter-clockwise", "its near side moves right"),
        ("tumbles over", "its near side moves down"),
    ],
)
def test_how_a_rotation_looks_from_the_camera(spin, seen):
    facts = facts_of(scene([thing((0, 0, 0.5), spin=spin)]))
    fact = facts[("rotation_seen", (1,), 0, END)]
    assert (fact.value_text, certain(fact)) == (seen, True)
