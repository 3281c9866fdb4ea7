"""Poses from inertial measurements; the numbers were recorded from pykitti 0.3.1."""

import numpy as np
import pytest

from p4d.datasets.kitti.oxts import COLUMNS, world_T_imu
from p4d.datasets.number_table import numbers
from tests.datasets.layouts.kitti_files import packet

PACKETS = [
    (49.015003823272, 8.4342971002335, 116.43032836914, 0.035752, 0.00903, -2.6087069803847),
    (49.014996, 8.434279, 116.44, 0.0301, 0.0112, -2.58),
    (49.0149, 8.43405, 116.9, -0.02, -0.031, 1.2),
]
RECORDED = [
    [
        [-0.8613095590088059, 0.5074183551516945, -0.02593176459875474, 0.0],
        [-0.5080003000750476, -0.8609582196833022, 0.026203799026484877, 0.0],
        [-0.00902987728144583, 0.03574292678149997, 0.9993202212010796, 0.0],
    ],
    [
        [-0.8463549550583613, 0.5320083927639332, -0.02550215827916948, -1.3215008380357176],
        [-0.5325015073153654, -0.8462041403967193, 0.019511470531799958, -0.8708825870417058],
        [-0.011199765846801947, 0.030093567488516864, 0.999484338266884, 0.009671630859998004],
    ],
    [
        [0.36218365551874243, -0.9316280735121278, -0.02986858415061086, -18.04082613706123],
        [0.9315912770501731, 0.36286301850728137, -0.021636134678172436, -11.55754171591252],
        [0.030995035071904133, -0.01998905810351181, 0.999319641234488, 0.46967163086000596],
    ],
]


def lines(tmp_path):
    return [numbers(tmp_path, 1, packet(*each), COLUMNS) for each in PACKETS]


def test_poses_are_those_of_pykitti(tmp_path):
    found = world_T_imu(lines(tmp_path))
    # Mercator's metres are millions: a float64 leaves 1e-9 m of them.
    assert np.abs(np.stack(found)[:, :3] - RECORDED).max() < 5e-9
    assert (np.stack(found)[:, 3] == (0, 0, 0, 1)).all()


def test_a_missing_packet_leaves_its_frame_unknown_and_the_others_as_they_are(tmp_path):
    first, second, third = lines(tmp_path)
    found = world_T_imu([None, first, None, third])
    assert found[0] is None and found[2] is None
    assert np.abs(found[1][:3] - RECORDED[0]).max() < 5e-9
    assert np.abs(found[3][:3] - RECORDED[2]).max() < 5e-9
    assert world_T_imu([second])[0][:3, 3].tolist() == [0, 0, 0], "the origin is the first packet"


def test_east_north_up():
    """One arc minute is a nautical mile along a meridian; a turn to the left is positive yaw."""
    at_equator = [0.0] * COLUMNS
    north = [1 / 60] + [0.0] * (COLUMNS - 1)
    east = [0.0, 1 / 60] + [0.0] * (COLUMNS - 2)
    left = [0.0, 0.0, 5.0, 0.0, 0.0, np.pi / 2] + [0.0] * (COLUMNS - 6)
    poses = world_T_imu([at_equator, north, east, left])
    assert poses[1][:3, 3] == pytest.approx([0, 1855.32, 0], abs=0.01)
    assert poses[2][:3, 3] == pytest.approx([1855.32, 0, 0], abs=0.01)
    assert poses[3][:3, 3] == pytest.approx([0, 0, 5])
    forward = poses[3][:3, :3] @ (1, 0, 0)
    assert forward == pytest.approx([0, 1, 0]), "x forward points north after a left turn from east"
