"""Cameras fitted to rays."""

import numpy as np

from p4d.geometry.cameras import axis_rotation, rigid
from p4d.geometry.rays import rays_from_cameras
from p4d.teachers.expert4d.camera_fit import fit_cameras


def test_cameras_are_recovered_from_their_own_rays():
    K = np.array([[9.0, 0, 4.2], [0, 8.5, 3.9], [0, 0, 1]])
    axis = np.array([0.2, 1.0, 0.1])
    rotations = axis_rotation(axis, np.linspace(0, 0.3, 4))
    poses = rigid(rotations, np.linspace(0, 1, 4)[:, None] * np.array([0.4, -0.1, 0.3]))
    rays = rays_from_cameras(np.repeat(K[None], 4, 0), poses, (8, 8))
    found_K, found = fit_cameras(rays)
    assert np.allclose(found_K, K)
    assert np.allclose(found, poses, atol=1e-9)
    noisy = rays + np.random.default_rng(0).normal(0, 0.01, rays.shape)
    found_K, found = fit_cameras(noisy)
    assert np.abs(found_K - K).max() < 0.2
    assert np.abs(found - poses).max() < 0.05


def test_rays_that_fit_no_camera_give_no_numbers():
    behind = np.zeros((3, 4, 4, 6))
    behind[..., 2] = -1
    K, poses = fit_cameras(behind)
    assert np.isnan(K).any()
    assert np.isnan(poses[1:]).all()
