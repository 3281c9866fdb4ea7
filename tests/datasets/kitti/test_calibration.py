"""Cameras of KITTI from its files, against the development kit's formula and pykitti 0.3.1."""

import numpy as np
import pytest

from p4d.datasets.kitti.calibration import (
    affine,
    entry,
    read_calibration,
    rectification,
    rectified_camera,
    rigid,
)
from p4d.errors import DatasetError
from tests.datasets.layouts.kitti_files import P_RECT_02, numbers, write_calibration

# What pykitti 0.3.1 gives for this calibration.
CAM0_T_VELO_PYKITTI = [
    [0.00023477369814709992, -0.9999441545437641, -0.0105634778110522, -0.0027968169412954],
    [0.010449407416592825, 0.010565353641379319, -0.9998895741176487, -0.07510879138296463],
    [0.9999453885620024, 0.00012436537838650679, 0.010451302995668946, -0.2721327964058732],
]


@pytest.fixture
def date(tmp_path):
    write_calibration(tmp_path / "2011_09_26")
    return tmp_path / "2011_09_26"


def camera_2(date):
    path = date / "calib_cam_to_cam.txt"
    projection = entry(path, read_calibration(path), ("P_rect_02",), (3, 4))
    return rectified_camera(projection, "P_rect_02")


def cam0_T_velo(date):
    cam, velo = date / "calib_cam_to_cam.txt", date / "calib_velo_to_cam.txt"
    return rectification(cam, read_calibration(cam), "R_rect_00") @ rigid(
        velo, read_calibration(velo), "R", "T"
    )


def test_pykitti_agrees_where_the_laser_stands(date):
    assert np.abs(cam0_T_velo(date)[:3] - CAM0_T_VELO_PYKITTI).max() < 1e-15


def test_projections_are_those_of_the_development_kit_half_a_pixel_on(date):
    """x = P_rect_02 R_rect_00 Tr_velo_to_cam X, with pixel centres at whole numbers."""
    points = np.array([[10.0, 1.0, -1.5, 1.0], [25.0, -4.0, 0.5, 1.0], [6.0, 0.2, -0.3, 1.0]])
    theirs = numbers(P_RECT_02).reshape(3, 4) @ cam0_T_velo(date) @ points.T
    camera = camera_2(date)
    ours = camera.K @ (camera.cam_T_cam0 @ cam0_T_velo(date) @ points.T)[:3]
    assert np.abs(ours[:2] / ours[2] - (theirs[:2] / theirs[2] + 0.5)).max() < 1e-9


def test_the_offset_of_the_colour_camera(date):
    """6 cm to the left of the grey one; pykitti rounds the other two axes to zero."""
    shift = camera_2(date).cam_T_cam0
    assert np.allclose(shift[:3, 3], [0.05985, -0.00036, 0.002746], atol=2e-5)
    assert (shift[:3, :3] == np.eye(3)).all()
    assert np.allclose(camera_2(date).K[:2, 2], [610.0593, 173.354])


def test_keys_without_a_colon_and_lines_that_are_no_numbers(tmp_path):
    path = tmp_path / "0002.txt"
    path.write_text("P2: 1 2 3\nR_rect 9 8\nTr_velo_cam 1 0\ncalib_time: 09-Jan-2012 13:57\n\n")
    found = read_calibration(path)
    assert sorted(found) == ["P2", "R_rect", "Tr_velo_cam"]
    assert found["R_rect"].tolist() == [9, 8]


def test_what_is_missing_or_of_another_count_is_named(date):
    path = date / "calib_cam_to_cam.txt"
    found = read_calibration(path)
    with pytest.raises(DatasetError, match=r"calib_cam_to_cam\.txt: has no P_rect_05 or P5; take"):
        entry(path, found, ("P_rect_05", "P5"), (3, 4))
    with pytest.raises(DatasetError, match="R_rect_00 holds 9 values, expected 12 finite ones"):
        entry(path, found, ("R_rect_00",), (3, 4))
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        read_calibration(date / "calib.txt")
    with pytest.raises(DatasetError, match="00: P2: is no projection matrix"):
        rectified_camera(np.zeros((3, 4)), "00: P2")
    assert affine(np.eye(4)[:3]).tolist() == np.eye(4).tolist()
