"""Differences of two teachers: their unit, and what is unknown."""

import numpy as np
import pytest

from p4d.display.label_differences import differences
from p4d.errors import ContractError
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

T, S = 2, 8


def write(folder, sizes=(S, S)):
    writer = LabelWriter()
    for number, (teacher, side) in enumerate(zip(("exact", "other"), sizes, strict=True)):
        on = np.ones((T, side, side), bool)
        on[:, 0, 0] = number == 0
        flow = np.zeros((T, side, side, 2))
        flow[1, ..., 0] = 2 * number
        writer.add(
            "clip_a",
            teacher,
            LabelArrays(
                depth_thw=np.full((T, side, side), 2.0 + number),
                valid_thw=on,
                flow_px_thw2=flow,
                flow_valid_thw=on,
                motion_thw=np.full((T, side, side), 0.25 + 0.5 * number),
            ),
        )
    writer.write(folder)


def test_depth_differs_as_a_share_flow_as_a_share_of_the_side_motion_as_a_probability(tmp_path):
    write(tmp_path)
    found = differences(tmp_path, "clip_a", "other", "exact")
    expected = {"depth": 0.5, "flow": 2 / S, "motion": 0.5}
    assert {name: values[3, 3] for name, values in found.items()} == pytest.approx(
        expected, abs=0.01
    )
    assert np.isnan(found["depth"][0, 0])
    assert np.isnan(found["flow"][0, 0])
    assert np.isfinite(found["motion"]).all()


def test_maps_of_different_sizes_are_refused(tmp_path):
    write(tmp_path, (S, 2 * S))
    with pytest.raises(ContractError, match="different sizes"):
        differences(tmp_path, "clip_a", "other", "exact")
