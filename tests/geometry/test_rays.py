"""Rays of cameras, and poses from rays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from p4d.geometry.cameras import (
    axis_rotation,
    inverse,
    pinhole,
    rigid,
)
from p4d.geometry.rays import pose_from_rays, rays_from_cameras

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


@given(K=intrinsics, first=pose, second=pose)
@settings(max_examples=40, deadline=None)
def test_the_pose_comes_back_from_rays(K, first, second):
    rays = rays_from_cameras(np.stack([K, K]), np.stack([first, second]), (24, 32))
    first_T_second = inverse(first) @ second
    np.testing.assert_allclose(pose_from_rays(rays[1], K), first_T_second, atol=1e-6)


@given(K=intrinsics, first=pose, second=pose)
@settings(max_examples=20, deadline=None)
def test_rays_are_unit_lines_through_the_camera_centre(K, first, second):
    rays = rays_from_cameras(np.stack([K, K]), np.stack([first, second]), (24, 32))
    directions, moments = rays[1, ..., :3], rays[1, ..., 3:]
    centre = (inverse(first) @ second)[:3, 3]
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0)
    np.testing.assert_allclose(np.cross(centre, directions), moments, atol=1e-9)
    np.testing.assert_allclose(rays[0, ..., 3:], 0.0, atol=1e-9)  # the first camera is the origin


def test_rays_on_a_coarse_grid_pass_through_the_centres_of_its_cells():
    K = pinhole(0.9, 64, 64)
    fine = rays_from_cameras(K[None], np.eye(4)[None], (64, 64))
    coarse = rays_from_cameras(K[None], np.eye(4)[None], (64, 64), grid=(64 // 3, 64 // 3))
    assert coarse.shape == (1, 21, 21, 6)
    eighth = rays_from_cameras(K[None], np.eye(4)[None], (64, 64), grid=(8, 8))
    # The centre of a cell of eight pixels lies between four of them.
    between = fine[0, 3:5, 3:5, :3].mean(axis=(0, 1))
    np.testing.assert_allclose(eighth[0, 0, 0, :3], between / np.linalg.norm(between), atol=1e-4)


def test_noisy_rays_still_give_a_close_pose():
    rng = np.random.default_rng(0)
    K = pinhole(0.9, 16, 16)
    second = rigid(axis_rotation(np.array([0.2, 1.0, 0.1]), 0.3), np.array([0.3, -0.1, 0.2]))
    rays = rays_from_cameras(np.stack([K, K]), np.stack([np.eye(4), second]), (16, 16))[1]
    found = pose_from_rays(rays + rng.normal(0, 0.02, rays.shape), K)
    assert Rotation.from_matrix(found[:3, :3].T @ second[:3, :3]).magnitude() < 0.01
    assert np.linalg.norm(found[:3, 3] - second[:3, 3]) < 0.03
