import dataclasses

import numpy as np
import pytest

from p4d.errors import TruthError
from p4d.geometry.cameras import axis_rotation, rigid
from p4d.questions.scene_facts import scene_facts
from tests.questions.scenes import (
    FACTS,
    FRAMES,
    HEADINGS_M,
    SPINS,
    facts_of,
    random_scene,
    scene,
    thing,
)

END = 1_750_000_000
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
MIRRORED = {
    "left": "right", "right": "left",
    "clockwise": "counter-clockwise", "counter-clockwise": "clockwise",
}  # fmt: skip
REVERSED = {
    **MIRRORED, "up": "down", "down": "up",
    "towards the camera": "away from the camera", "away from the camera": "towards the camera",
}  # fmt: skip
METRES = {"m", "m/s"}
SIGNED_BY_MIRROR = {"position_right", "displacement_right", "turn_vertical"}


def at_rest(one):
    """The scene seen by a camera that stays where it starts."""
    still = np.repeat(one.world_T_cam_t44[:1], FRAMES, axis=0)
    still[:, 0, 3] = 0.0  # in the plane that the mirror test mirrors about
    return dataclasses.replace(one, world_T_cam_t44=still)


@pytest.mark.parametrize("heading", HEADINGS_M)
def test_a_movement_has_the_direction_it_was_made_with(heading):
    facts = facts_of(scene([thing((0.1, 0.5, 0.8), heading=heading, length_m=0.7)]))
    fact = facts[("direction", (1,), 0, END)]
    assert fact.value_text == heading
    assert fact.sigma < 1 / 3
    assert facts[("displacement", (1,), 0, END)].value == pytest.approx(0.7)
    assert facts[("mean_speed", (1,), 0, END)].value == pytest.approx(0.7 / 1.75, abs=1e-5)


@pytest.mark.parametrize("spin", SPINS)
def test_a_turn_has_the_sense_it_was_made_with(spin):
    # 5 rad is more than half a turn: end poses alone would name the other sense.
    facts = facts_of(scene([thing((0, 0, 0.5), spin=spin, turn_rad=5.0)]))
    assert facts[("rotation", (1,), 0, END)].value_text == spin
    assert facts[("turn_total", (1,), 0, END)].value == pytest.approx(5.0, abs=1e-5)
    assert facts[("direction", (1,), 0, END)].value_text == "stays in place"
    assert facts[("moving", (1,), 0, END)].value_text == "moving"


def test_a_turn_too_fast_for_the_frames_is_not_certain():
    facts = facts_of(scene([thing((0, 0, 0.5), spin="clockwise", turn_rad=7 * 2.6)]))
    assert facts[("rotation", (1,), 0, END)].sigma > 1


def test_a_there_and_back_movement_has_no_certain_direction():
    there = thing((0, 0, 0.5), heading="right", length_m=1.0)
    there[FRAMES // 2 :] = there[: FRAMES - FRAMES // 2][::-1]
    there[-1, 0, 3] += 0.3
    facts = facts_of(scene([there]))
    assert facts[("moving", (1,), 0, END)].sigma < 1 / 3
    assert facts[("direction", (1,), 0, END)].sigma > 1


def test_an_object_at_rest_is_certainly_still():
    facts = facts_of(scene([thing((0, 0, 0.5))]))
    for kind, word in (("moving", "still"), ("rotation", "does not rotate")):
        assert facts[(kind, (1,), 0, END)].value_text == word
        assert facts[(kind, (1,), 0, END)].sigma < 1 / 3
    assert facts[("moving_count", (1,), 0, END)].value == 0


def test_sides_and_depths_of_a_pair():
    facts = facts_of(scene([thing((-0.8, 1.0, 0.5)), thing((0.6, -0.5, 0.5))]))
    assert facts[("side", (1, 2), 0, 0)].value_text == "left"
    assert facts[("side", (2, 1), 0, 0)].value_text == "right"
    assert facts[("depth_order", (1, 2), 0, 0)].value_text == "farther"
    assert facts[("distance", (1, 2), 0, 0)].value == pytest.approx(np.hypot(1.4, 1.5), abs=1e-6)


def test_left_in_metres_but_right_in_the_picture_is_not_certain():
    facts = facts_of(scene([thing((0.5, -1.5, 0.5)), thing((0.6, 1.8, 0.5))]))
    assert facts[("side", (1, 2), 0, 0)].sigma > 1


@pytest.mark.parametrize("seed", range(6))
def test_mirroring_swaps_left_and_right_and_senses_and_nothing_else(seed):
    one = at_rest(random_scene(seed))
    poses = MIRROR @ one.world_T_obj_kt44 @ MIRROR
    # Mirrored camera axes would be left-handed; this camera is its own mirror image.
    other = dataclasses.replace(one, world_T_obj_kt44=poses)
    before, after = facts_of(one), facts_of(other)
    assert before.keys() == after.keys()
    for key, fact in before.items():
        if fact.value_text is not None:
            assert after[key].value_text == MIRRORED.get(fact.value_text, fact.value_text)
        else:
            sign = -1 if fact.kind in SIGNED_BY_MIRROR else 1
            assert after[key].value == pytest.approx(sign * fact.value, abs=2e-6)
        assert after[key].sigma == pytest.approx(fact.sigma, rel=1e-3, abs=2e-6)


@pytest.mark.parametrize("seed", range(6))
def test_scaling_the_world_scales_metres_and_keeps_words(seed):
    one = random_scene(seed)
    cameras, poses = one.world_T_cam_t44.copy(), one.world_T_obj_kt44.copy()
    cameras[..., :3, 3] *= 2
    poses[..., :3, 3] *= 2
    other = dataclasses.replace(
        one, world_T_cam_t44=cameras, world_T_obj_kt44=poses, size_m_k3=2 * one.size_m_k3
    )
    before, after = facts_of(one), facts_of(other)
    for key, fact in before.items():
        factor = 2 if fact.unit in METRES else 1
        assert after[key].value == pytest.approx(factor * fact.value, abs=4e-6), key
        assert after[key].value_text == fact.value_text


@pytest.mark.parametrize("seed", range(6))
def test_playing_backwards_reverses_directions_and_senses(seed):
    one = at_rest(random_scene(seed))
    other = dataclasses.replace(one, world_T_obj_kt44=one.world_T_obj_kt44[:, ::-1])
    before, after = facts_of(one), facts_of(other)
    for kind in ("direction", "rotation", "path_length", "displacement", "moving"):
        for (name, marks, start, end), fact in before.items():
            if name != kind:
                continue
            twin = after[(kind, marks, END - end, END - start)]
            if fact.value_text is None:
                assert twin.value == pytest.approx(fact.value, abs=2e-6)
            else:
                assert twin.value_text == REVERSED.get(fact.value_text, fact.value_text)


def test_a_relative_scale_has_no_metres():
    facts = facts_of(scene([thing((0, 0, 0.5)), thing((1, 0, 0.5))], scale_kind="relative"))
    assert not [fact for fact in facts.values() if fact.unit in METRES]
    assert ("side", (1, 2), 0, 0) in facts


def test_a_moving_camera_moves_no_object():
    one = scene([thing((0, 0, 0.5))])
    ride = one.world_T_cam_t44.copy()
    ride[:, 0, 3] += np.linspace(0, 0.6, FRAMES)
    facts = facts_of(dataclasses.replace(one, world_T_cam_t44=ride))
    assert facts[("moving", (1,), 0, END)].value_text == "still"
    assert facts[("camera_direction", (), 0, END)].value_text == "right"
    assert facts[("camera_displacement", (), 0, END)].value == pytest.approx(0.6)


def test_an_object_out_of_sight_has_no_place_there():
    one = scene([thing((0, 0, 0.5))])
    seen = one.visible_kt.copy()
    seen[0, -1] = False
    facts = facts_of(dataclasses.replace(one, visible_kt=seen))
    assert ("distance_to_camera", (1,), 0, 0) in facts
    assert ("distance_to_camera", (1,), END, END) not in facts


def test_a_camera_that_looks_straight_down_is_refused_by_name():
    one = scene([thing((0, 0, 0.5))])
    down = rigid(axis_rotation(np.array([1.0, 0, 0]), np.pi), np.array([0.0, 0, 3.0]))
    looking_down = dataclasses.replace(one, world_T_cam_t44=np.repeat(down[None], FRAMES, axis=0))
    with pytest.raises(TruthError, match="clip_a: the camera looks straight"):
        list(scene_facts(looking_down, FACTS))


def test_no_pose_gives_no_usable_fact():
    lost = thing((0, 0, 0.5))
    lost[3:] = np.nan
    facts = facts_of(scene([lost, thing((1, 0, 0.5))]))
    about_it = [f for key, f in facts.items() if key[1] == (1,) and key[3] == END and key[2] == 0]
    usable = [
        f for f in about_it if np.isfinite(f.value) and f.sigma < 1e5 and f.kind != "size_longest"
    ]
    assert usable == []
