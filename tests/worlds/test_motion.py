"""Paths in closed form."""

import numpy as np
import pytest

from p4d.worlds.motion import PROFILES, MotionPath


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
