"""Depth, disparity, flow and scans, by values worked out by hand."""

import base64

import numpy as np
import pytest

from p4d.datasets.kitti.maps import (
    depth_of_disparity,
    project_scan,
    read_depth,
    read_disparity,
    read_flow,
    read_scan,
    turned_round,
)
from p4d.errors import DatasetError
from tests.datasets.png_files import write_flow_png, write_png
from tests.datasets.test_png16 import WRITTEN_BY_OPENCV


def test_depth_has_256_levels_to_a_metre_and_0_is_unknown(tmp_path):
    levels = np.array([[0, 256, 384], [1, 65535, 2560]], np.uint16)
    depth = read_depth(write_png(tmp_path / "0000000005.png", levels))
    assert depth.tolist() == [[0, 1, 1.5], [1 / 256, 65535 / 256, 10]]
    assert depth.dtype == np.float32


def test_depth_of_disparity_is_focal_length_times_base_over_disparity(tmp_path):
    disparity = read_disparity(write_png(tmp_path / "d.png", np.array([[0, 2560]], np.uint16)))
    assert disparity.tolist() == [[0, 10]]
    assert depth_of_disparity(disparity, 720.0, 0.5).tolist() == [[0, 36]]


def test_flow_by_the_worked_example(tmp_path):
    flow, known = np.zeros((2, 3, 2)), np.zeros((2, 3), bool)
    flow[1, 2], known[1, 2] = (1.5, -2.25), True
    path = write_flow_png(tmp_path / "000000_10.png", flow, known)
    found, valid = read_flow(path)
    assert found[1, 2].tolist() == [1.5, -2.25]
    assert (valid == known).all() and (found[~known] == 0).all()


def test_a_file_that_opencv_wrote_gives_u_from_its_last_channel(tmp_path):
    path = tmp_path / "000000_10.png"
    path.write_bytes(base64.b64decode(WRITTEN_BY_OPENCV))
    flow, known = read_flow(path)
    assert flow[0, 0].tolist() == [1.5, -2.25] and known.tolist() == [[True, False]]
    assert flow[0, 1].tolist() == [0, 0], "levels of unknown pixels mean nothing"


def test_flow_in_8_bits_is_refused(tmp_path):
    path = write_png(tmp_path / "000000_10.png", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(DatasetError, match="has 8 bits and 3 channel"):
        read_flow(path)


class TestTurnedRound:
    def test_a_vector_moves_with_its_point(self):
        """Not negated in place: the pixel it came from knows nothing about the way back."""
        forward, known = np.zeros((5, 7, 2), np.float32), np.zeros((5, 7), bool)
        forward[1, 2], known[1, 2] = (3, 2), True
        backward, valid = turned_round(forward, known)
        assert np.argwhere(valid).tolist() == [[3, 5]]
        assert backward[3, 5].tolist() == [-3, -2] and backward[1, 2].tolist() == [0, 0]

    def test_of_two_points_the_one_nearest_to_the_centre_counts(self):
        forward, known = np.zeros((1, 6, 2), np.float32), np.zeros((1, 6), bool)
        forward[0, 0], forward[0, 1], known[0, :2] = (3.4, 0), (2.1, 0), True
        backward, valid = turned_round(forward, known)
        assert np.argwhere(valid).tolist() == [[0, 3]]
        assert backward[0, 3, 0] == pytest.approx(-2.1)

    def test_points_that_leave_the_picture_are_dropped(self):
        forward, known = np.full((2, 2, 2), 9, np.float32), np.ones((2, 2), bool)
        assert not turned_round(forward, known)[1].any()

    def test_it_is_the_inverse_of_a_zoom(self):
        """u' = 1.5 u about the centre: the way back from u' is u'/1.5 - u', by half a pixel."""
        v, u = np.mgrid[:40, :60] + 0.5
        forward = np.stack([(u - 30) * 0.5, (v - 20) * 0.5], -1).astype(np.float32)
        backward, valid = turned_round(forward, np.ones((40, 60), bool))
        exact = np.stack([(30 - u) / 3, (20 - v) / 3], -1)
        assert 0.3 < valid.mean() < 0.5, "1 / 1.5^2 of the pixels get a point"
        assert np.abs(backward - exact)[valid].max() <= 0.5 / 3 + 1e-5
        negated_in_place = np.abs(-forward - exact)[valid].max()
        assert negated_in_place > 4


def scan_bytes(points):
    reflectance = np.full((len(points), 1), 0.3)
    return np.hstack([points, reflectance]).astype("<f4").tobytes()


CAM_T_VELO = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
"""x forward, y left, z up to x right, y down, z forward."""
K = np.array([[10.0, 0, 4], [0, 10, 3], [0, 0, 1]])


class TestScan:
    def test_points_land_where_the_camera_sees_them(self, tmp_path):
        """5 m ahead, 1 m to the left, 0.5 m up: u = 4 - 10/5, v = 3 - 5/5."""
        path = tmp_path / "0000000000.bin"
        path.write_bytes(scan_bytes([[5, 1, 0.5]]))
        depth = project_scan(read_scan(path), CAM_T_VELO, K, (8, 6))
        assert np.argwhere(depth).tolist() == [[2, 2]] and depth[2, 2] == 5

    def test_the_nearest_point_counts_and_those_behind_do_not(self):
        points = np.array(
            [[9.0, 0, 0], [4, 0, 0], [7, 0, 0], [-4, 0, 0], [5, 50, 0], [np.nan, 0, 0]]
        )
        depth = project_scan(points, CAM_T_VELO, K, (8, 6))
        assert depth.max() == 4 and (depth > 0).sum() == 1

    @pytest.mark.parametrize("payload", [b"", b"1234567"])
    def test_a_damaged_scan_is_named(self, tmp_path, payload):
        path = tmp_path / "0000000177.bin"
        path.write_bytes(payload)
        with pytest.raises(DatasetError, match=r"0000000177\.bin: has \d bytes, no whole number"):
            read_scan(path)
