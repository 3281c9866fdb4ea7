"""Cameras and rigid transforms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from p4d.geometry.cameras import (
    axis_rotation,
    inverse,
    look_at,
    pinhole,
    pixel_centres,
    project,
    rigid,
    scale_intrinsics,
    transform,
    unproject,
)

coordinate = st.floats(-3.0, 3.0)
vector = st.tuples(coordinate, coordinate, coordinate).map(np.array)
axis = vector.filter(lambda v: np.linalg.norm(v) > 0.1)
pose = st.builds(
    lambda a, angle, t: rigid(axis_rotation(a, angle), t), axis, st.floats(-3.1, 3.1), vector
)
intrinsics = st.builds(
    lambda fx, fy, cx, cy: np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]),
    st.floats(20, 90),
    st.floats(20, 90),
    st.floats(10, 20),
    st.floats(6, 18),
)


@given(K=intrinsics, world_T_cam=pose, seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_projecting_an_unprojected_depth_map_returns_every_pixel_centre(K, world_T_cam, seed):
    z_m = np.random.default_rng(seed).uniform(0.3, 9.0, (24, 32))
    uv, z_back_m = project(unproject(z_m, K, world_T_cam), K, world_T_cam)
    np.testing.assert_allclose(uv, pixel_centres(24, 32), atol=1e-8)
    np.testing.assert_allclose(z_back_m, z_m, rtol=1e-9)


@given(a_T_b=pose, point=vector)
@settings(max_examples=40, deadline=None)
def test_inverse_undoes_a_transform(a_T_b, point):
    np.testing.assert_allclose(transform(inverse(a_T_b), transform(a_T_b, point)), point, atol=1e-9)


@given(about=axis, angle=st.floats(1e-7, np.pi - 1e-4))
@settings(max_examples=60, deadline=None)
def test_axis_rotation_agrees_with_scipy(about, angle):
    expected = Rotation.from_rotvec(about / np.linalg.norm(about) * angle)
    np.testing.assert_allclose(axis_rotation(about, angle), expected.as_matrix(), atol=1e-12)


def test_a_positive_rotation_about_up_is_counter_clockwise_from_above():
    turned = axis_rotation(np.array([0, 0, 1.0]), np.pi / 2) @ np.array([1.0, 0, 0])
    np.testing.assert_allclose(turned, [0, 1, 0], atol=1e-12)


def test_a_squash_moves_projections_by_exactly_its_scale():
    K = pinhole(0.9, 192, 144)
    point = np.array([0.4, -0.2, 3.0])
    full, _ = project(point, K, np.eye(4))
    small, _ = project(point, scale_intrinsics(K, 64 / 192, 64 / 144), np.eye(4))
    np.testing.assert_allclose(small, full * [64 / 192, 64 / 144])


def test_look_at_centres_the_target_and_keeps_the_horizon_level():
    world_T_cam = look_at(np.array([2.0, -1.0, 1.5]), np.array([0.1, 0.2, 0.4]))
    K = pinhole(0.9, 64, 64)
    uv, z_m = project(np.array([0.1, 0.2, 0.4]), K, world_T_cam)
    np.testing.assert_allclose(uv, [32, 32], atol=1e-9)
    above, _ = project(np.array([0.1, 0.2, 0.9]), K, world_T_cam)
    assert above[1] < uv[1]  # up in the world is up in the picture
    assert above[0] == pytest.approx(uv[0])
    assert z_m > 0
    assert np.linalg.det(world_T_cam[:3, :3]) == pytest.approx(1.0)


def test_points_behind_the_camera_have_no_pixel():
    uv, z_m = project(np.array([0.0, 0.0, -1.0]), pinhole(0.9, 64, 64), np.eye(4))
    assert z_m < 0
    assert np.isnan(uv).all()
