import dataclasses

import numpy as np
import pytest

from p4d.errors import TruthError
from p4d.geometry.cameras import axis_rotation, rigid
from p4d.questions.facts.exact.scene_facts import scene_facts
from p4d.questions.facts.scene.margins import length_sigma, path_sigma_m
from p4d.questions.facts.sentences import SENTENCES, fact_sentence
from tests.questions.scenes import (
    FACTS,
    FRAMES,
    HEADINGS_M,
    SPINS,
    UP,
    facts_of,
    random_scene,
    scene,
    thing,
)

END = 1_750_000_000


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
    assert facts[("turn_angle", (1,), 0, END)].value == pytest.approx(5.0, abs=1e-5)
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


METRES = {"m", "m/s", "m/s2"}


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
        f
        for f in about_it
        if np.isfinite(f.value) and f.sigma < 1e5 and f.kind not in ("size_longest", "name")
    ]
    assert usable == []


@pytest.mark.parametrize(
    ("course", "change", "when"),
    [
        ("evenly", "keeps its speed", "moves all the time"),
        ("faster", "speeds up", None),
        ("slower", "slows down", None),
        ("late", "speeds up", "rests, then moves"),
        ("early", "slows down", "moves, then rests"),
    ],
)
def test_speed_and_course_are_those_it_was_moved_with(course, change, when):
    moved = thing((-0.8, 0, 0.4), heading="right", length_m=1.6, course=course)
    facts = facts_of(scene([moved]))
    fact = facts[("speed_change", (1,), 0, END)]
    assert (fact.value_text, fact.sigma < 1 / 3) == (change, True)
    if when:
        assert facts[("course", (1,), 0, END)].value_text == when


@pytest.mark.parametrize(("course", "sign"), [("faster", 1), ("slower", -1), ("evenly", 0)])
def test_acceleration_is_that_of_the_parabola(course, sign):
    moved = thing((-0.8, 0, 0.4), heading="right", length_m=1.6, course=course)
    fact = facts_of(scene([moved]))[("acceleration", (1,), 0, END)]
    assert fact.value == pytest.approx(sign * 2 * 1.6 / 1.75**2, abs=1e-5)
    assert fact.unit == "m/s2"


def test_a_movement_that_begins_in_between_has_no_single_acceleration():
    facts = facts_of(scene([thing((-0.8, 0, 0.4), heading="right", length_m=1.6, course="late")]))
    assert ("acceleration", (1,), 0, END) not in facts


@pytest.mark.parametrize(("bend_rad", "way"), [(1.8, "left"), (-1.8, "right")])
def test_a_bend_is_named_as_one_who_rides_along_would_name_it(bend_rad, way):
    moved = thing((0, -0.5, 0.4), heading="away from the camera", length_m=1.5, bend_rad=bend_rad)
    fact = facts_of(scene([moved]))[("way", (1,), 0, END)]
    assert (fact.value_text, fact.sigma < 1 / 3) == (f"bends to the {way}", True)


def test_there_and_back_is_a_return_whose_path_is_longer_than_its_displacement():
    moved = thing((-0.4, 0, 0.4), heading="right", length_m=0.9, course="back")
    facts = facts_of(scene([moved]))
    assert facts[("way", (1,), 0, END)].value_text == "back to its start"
    assert facts[("path_length", (1,), 0, END)].value > 1.2
    assert facts[("displacement", (1,), 0, END)].value == pytest.approx(0, abs=1e-6)
    assert ("path_ratio", (1,), 0, END) not in facts  # nothing divided by nothing


def test_who_sets_off_first():
    early = thing((-0.8, -0.5, 0.4), heading="right", length_m=1.2, course="early")
    late = thing((-0.8, 0.8, 0.4), heading="right", length_m=1.2, course="late")
    facts = facts_of(scene([late, early, thing((0.9, 0, 0.4))]))
    assert facts[("moves_first", (1, 2), 0, END)].value_text == "the latter"
    assert facts[("rests_first", (1, 2), 0, END)].value_text == "the latter"
    assert facts[("moves_first", (1, 3), 0, END)].value_text == "the former"


def test_ranks_count_those_that_come_before():
    things = [thing((-0.9 + 0.6 * k, y, 0.4)) for k, y in enumerate((1.0, -1.0, 0.2, 1.9))]
    facts = facts_of(scene(things))
    nearer = [facts[("nearer_count", (k,), 0, 0)].value for k in range(1, 5)]
    left = [facts[("left_count", (k,), 0, 0)].value for k in range(1, 5)]
    assert nearer == [2, 0, 1, 3]
    assert left == [0, 1, 2, 3]
    assert facts[("nearest", (1, 2, 3, 4), 0, 0)].value_text == "object 2"
    assert facts[("farthest", (1, 2, 3, 4), 0, 0)].value_text == "object 4"


@pytest.mark.parametrize(("yaw_rad", "word"), [(0.3, "to the left"), (-0.3, "to the right")])
def test_a_camera_that_turns_says_to_which_side(yaw_rad, word):
    one = scene([thing((0, 0, 0.5))])
    turned = one.world_T_cam_t44.copy()
    swing = axis_rotation(UP, np.linspace(0, yaw_rad, FRAMES))
    turned[:, :3, :3] = swing @ turned[:, :3, :3]
    fact = facts_of(dataclasses.replace(one, world_T_cam_t44=turned))[("camera_turn", (), 0, END)]
    assert (fact.value_text, fact.sigma < 1 / 3) == (word, True)


def test_every_kind_of_fact_has_a_sentence():
    one = random_scene(3)
    for fact in scene_facts(one, FACTS):
        text = fact_sentence(fact, one.region_ids)
        assert text.endswith(".")
        assert fact.value_text is None or fact.value_text in text
        assert "{" not in text
    assert {fact.kind for i in range(6) for fact in scene_facts(random_scene(i), FACTS)} <= set(
        SENTENCES
    )


@pytest.mark.parametrize("length_m", [0.0, 0.05, 0.1, 0.6])
def test_the_error_of_a_length_covers_what_noise_makes_of_it(length_m):
    ends_m = np.random.default_rng(3).normal([length_m, 0, 0], 0.03, (4000, 3))
    seen_m = np.linalg.norm(ends_m, axis=1)
    sigma_m = length_sigma(length_m, 0.03)
    assert (np.abs(seen_m - length_m) <= sigma_m).mean() > 0.65
    assert 0.03 <= sigma_m < 2 * 0.03


@pytest.mark.parametrize("bends", ["straight", "back", "zigzag"])
def test_the_error_of_a_path_adds_up_where_the_way_turns(bends):
    along_m = np.linspace(0, 2.0, FRAMES)
    way_m = np.zeros((FRAMES, 3))
    way_m[:, 0] = along_m if bends != "back" else 2 * np.minimum(along_m, 2.0 - along_m)
    way_m[:, 1] = 0.5 * (np.arange(FRAMES) % 2) if bends == "zigzag" else 0.0
    rng = np.random.default_rng(5)
    seen_m = way_m + rng.normal(0, 0.02, (4000, FRAMES, 3))
    lengths_m = np.linalg.norm(np.diff(seen_m, axis=1), axis=2).sum(axis=1)
    true_m = np.linalg.norm(np.diff(way_m, axis=0), axis=1).sum()
    sigma_m = path_sigma_m(way_m, 0.02)
    assert lengths_m.std() < 1.15 * sigma_m
    # A zigzag may also be arcs between the frames, which no noise of the places shows.
    assert sigma_m < (12 if bends == "zigzag" else 1.5) * lengths_m.std()
    assert true_m == pytest.approx(lengths_m.mean(), abs=3 * sigma_m)


def test_rest_before_a_movement_is_certain_only_if_it_could_have_been_seen_to_move():
    for length_m, certain in ((1.2, True), (0.12, False)):
        late = thing((0, 0, 0.5))
        late[3:, 0, 3] += np.linspace(0, length_m, FRAMES - 3)
        fact = facts_of(scene([late]))[("course", (1,), 0, END)]
        assert fact.value_text == "rests, then moves"
        assert (fact.sigma < 1 / 3) == certain


def test_who_sets_off_first_is_certain_only_if_it_gets_away_before_the_other_does():
    late = thing((0.5, 0, 0.5), heading="right", length_m=1.2, course="late")
    for length_m, certain in ((1.2, True), (0.15, False)):
        one = thing((-0.5, 0, 0.5), heading="left", length_m=length_m)
        fact = facts_of(scene([one, late]))[("moves_first", (1, 2), 0, END)]
        assert fact.value_text == "the former"
        assert (fact.sigma < 1 / 3) == certain


def test_a_straight_way_is_as_long_as_its_displacement_more_surely_than_either_is_known():
    facts = facts_of(scene([thing((0, 0, 0.5), heading="right", length_m=1.0)]))
    ratio, path = facts[("path_ratio", (1,), 0, END)], facts[("path_length", (1,), 0, END)]
    assert ratio.value == pytest.approx(1.0)
    assert ratio.sigma < 0.5 * path.sigma / path.value
