"""Errors of labels, on values that can be computed by hand."""

import numpy as np
import pytest

from p4d.geometry.cameras import axis_rotation, pinhole, rigid
from p4d.teachers import measures

NONE = np.zeros((1, 2, 2), bool)
ALL = ~NONE
TRUTH = np.array([[[1.0, 2.0], [4.0, 8.0]]])


def test_depth_errors_count_valid_pixels_only():
    depth = np.array([[[1.1, 2.0], [4.0, 80.0]]])
    valid = depth < 10
    assert measures.depth_absrel(depth, TRUTH, valid) == pytest.approx(0.1 / 3)
    assert measures.depth_absrel(depth, TRUTH, ALL) == pytest.approx((0.1 + 9) / 4)
    assert measures.depth_delta1(depth, TRUTH, ALL) == 0.75
    assert measures.depth_delta1(TRUTH * 1.26, TRUTH, ALL) == 0.0
    assert measures.depth_delta1(TRUTH / 1.24, TRUTH, ALL) == 1.0


def test_relative_depth_is_scaled_by_the_median_ratio():
    depth = TRUTH / 3
    depth[0, 1, 1] = 100.0  # an outlier does not matter
    assert measures.scale_to(depth, TRUTH, ALL) == pytest.approx(3.0)
    assert measures.scale_to(depth, TRUTH, NONE) == 1.0


def test_flow_error_is_a_length():
    flow = np.zeros((1, 2, 2, 2))
    truth = np.broadcast_to(np.array([3.0, 4.0]), flow.shape)
    assert measures.flow_epe_px(flow, truth, ALL) == pytest.approx(5.0)


def test_motion_is_intersection_over_union():
    truth = np.array([[[True, True], [False, False]]])
    probability = np.array([[[0.5, 0.49], [0.9, 0.1]]])
    assert measures.motion_iou(probability, truth) == pytest.approx(1 / 3)
    assert measures.motion_iou(np.zeros((1, 2, 2)), NONE) is None


def test_without_valid_pixels_there_is_no_error():
    assert measures.depth_absrel(TRUTH, TRUTH, NONE) is None
    assert measures.depth_delta1(TRUTH, TRUTH, NONE) is None
    assert measures.flow_epe_px(np.zeros((1, 2, 2, 2)), np.zeros((1, 2, 2, 2)), NONE) is None


@pytest.mark.parametrize("angle_rad", [1e-7, 0.01, 1.0])
def test_ray_angles_are_exact_even_when_tiny(angle_rad):
    rays = np.zeros((2, 3, 6))
    rays[..., :3] = (0.0, 0.6, 0.8)
    turned = rays.copy()
    turned[..., :3] = 2.5 * rays[..., :3] @ axis_rotation(np.array([1.0, 0, 0]), angle_rad).T
    assert measures.ray_angle_rad(turned, rays) == pytest.approx(angle_rad, rel=1e-6)


def wall(depths_m, step_m=0.2, size=16):
    """A camera that steps to the right before a wall that is `depths_m` away in each frame."""
    K = pinhole(0.9, size, size)
    poses = rigid(np.eye(3), np.outer(np.arange(len(depths_m)), [step_m, 0.0, 0.0]))
    depth = np.broadcast_to(np.array(depths_m)[:, None, None], (len(depths_m), size, size))
    flow = np.zeros((*depth.shape, 2))
    flow[1:, ..., 0] = K[0, 0] * step_m / depth[1:]
    still = np.ones(depth.shape, bool)
    return depth, np.repeat(K[None], len(depths_m), 0), poses, flow, still


def test_consistent_labels_reproject_onto_themselves():
    distance_px, jump = measures.reprojection(*wall([4.0, 4.0, 4.0]))
    assert distance_px == pytest.approx(0.0, abs=1e-9)
    assert jump == pytest.approx(0.0, abs=1e-9)


def test_a_jump_of_scale_and_a_wrong_flow_are_measured():
    depth, K, poses, flow, still = wall([4.0, 4.0, 5.0])
    _, jump = measures.reprojection(depth, K, poses, flow, still)
    assert jump == pytest.approx(np.log(5 / 4))
    flow = flow + np.array([0.0, 0.5])
    distance_px, _ = measures.reprojection(depth, K, poses, flow, still)
    assert distance_px == pytest.approx(0.5)
    nothing = measures.reprojection(depth, K, poses, flow, np.zeros_like(still))
    assert nothing == (None, None)
