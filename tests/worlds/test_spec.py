from collections import Counter

import numpy as np
import pytest

from p4d.worlds.motion import PROFILES, MotionPath
from p4d.worlds.sampling import spec_for
from p4d.worlds.spec import COLOURS, MOTIONS, SHAPES

SPECS = [spec_for(seed) for seed in range(160)]


def test_a_seed_always_gives_the_same_world_and_another_seed_another():
    assert spec_for(3) == SPECS[3]
    assert len(set(SPECS)) == len(SPECS)


def test_names_are_unique_and_say_colour_and_shape():
    for spec in SPECS:
        names = [thing.name for thing in spec.objects]
        assert len(set(names)) == len(names) in (3, 4)
        for name in names:
            colour, shape = name.split()
            assert colour in COLOURS
            assert shape in SHAPES


def test_every_kind_direction_and_sense_is_common():
    motions = Counter(thing.motion for spec in SPECS for thing in spec.objects)
    assert set(motions) == set(MOTIONS)
    assert min(motions.values()) > 30
    counts = Counter(spec.moving for spec in SPECS)
    assert set(counts) == {0, 1, 2, 3, 4}
    assert min(counts.values()) > 8
    headings = Counter()
    senses = Counter()
    for spec in SPECS:
        world_T_cam = spec.camera.world_T_cam(np.zeros(1))[0]
        for thing in spec.objects:
            if thing.path is not None:
                sideways, upwards = (
                    world_T_cam[:3, 0] @ thing.path.direction,
                    thing.path.direction[2],
                )
                if abs(upwards) > 0.5:
                    headings["up" if upwards > 0 else "down"] += 1
                elif abs(sideways) > 0.7:
                    headings["right" if sideways > 0 else "left"] += 1
                else:
                    away = world_T_cam[:2, 2] @ thing.path.direction[:2]
                    headings["away" if away > 0 else "toward"] += 1
            if thing.spin is not None:
                senses[round(thing.spin.axis[2])] += 1
    assert len(headings) == 6
    assert min(headings[d] for d in ("left", "right", "toward", "away")) > 20
    assert min(headings["up"], headings["down"]) > 4
    assert set(senses) == {-1, 0, 1}
    assert min(senses.values()) > 20


def test_when_nothing_moves_the_camera_does():
    still = [spec for spec in SPECS if spec.moving == 0]
    assert still
    assert all(spec.camera.kind != "static" for spec in still)
    assert any(spec.camera.kind == "static" for spec in SPECS)


def test_objects_never_pass_through_each_other():
    times_s = np.linspace(0, 4, 41)
    for spec in SPECS[:40]:
        things = [thing for thing in spec.objects if thing.launch is None]
        centres = [thing.rest_poses(times_s)[:, :3, 3] for thing in things]
        for i in range(len(things)):
            for j in range(i):
                gap_m = np.linalg.norm(centres[i] - centres[j], axis=-1).min()
                inner = 0.5 * (min(things[i].size_m) + min(things[j].size_m))
                assert gap_m > inner


@pytest.mark.parametrize("profile", PROFILES)
def test_a_path_covers_its_length_in_its_time_and_rests_outside(profile):
    path = MotionPath(
        direction=(1.0, 0.0, 0.0), length_m=1.5, turn_rad=0.0,
        profile=profile, begin_s=1.0, end_s=3.0,
    )  # fmt: skip
    x_m = path.offsets_m(np.array([0.0, 1.0, 2.0, 3.0, 4.0]))[:, 0]
    assert x_m[0] == x_m[1] == 0
    assert x_m[3] == pytest.approx(x_m[4])
    assert x_m[3] == pytest.approx(0.0 if profile == "shuttle" else 1.5, abs=1e-9)
    halfway = {"accelerate": 0.375, "decelerate": 1.125, "shuttle": 1.5}
    assert x_m[2] == pytest.approx(halfway.get(profile, 0.75))


def test_a_curved_path_keeps_its_length_and_ends_turned():
    path = MotionPath(
        direction=(0.0, 1.0, 0.0), length_m=2.0, turn_rad=1.2,
        profile="constant", begin_s=0.0, end_s=2.0,
    )  # fmt: skip
    offsets = path.offsets_m(np.linspace(0, 2, 2001))
    steps = np.diff(offsets, axis=0)
    assert np.linalg.norm(steps, axis=-1).sum() == pytest.approx(2.0, rel=1e-6)
    heading = np.arctan2(steps[-1, 1], steps[-1, 0]) - np.arctan2(steps[0, 1], steps[0, 0])
    assert heading == pytest.approx(1.2, abs=2e-3)
