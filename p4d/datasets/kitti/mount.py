"""The camera on KITTI's car: its intrinsics, and where the laser and the inertial unit are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.kitti.oxts import world_T_imu
from p4d.datasets.rotations import nearest_rotation

POSE_SIGMA_M = 0.05
"""Error of a position, one sigma: the owners state less than 10 cm with RTK corrections."""


@dataclass(frozen=True)
class CameraMount:
    """What is known of a camera; None for the rest.

    Attributes:
        K: 3x3, with pixel centres at i + 0.5.
        cam_T_velo: from the laser, 4x4.
        cam_T_imu: from the inertial unit, 4x4.
    """

    K: NDArray[np.float64] | None = None
    cam_T_velo: NDArray[np.float64] | None = None
    cam_T_imu: NDArray[np.float64] | None = None

    def K_of(self, frames: int) -> NDArray[np.float64] | None:
        """Intrinsics of that many frames, [T, 3, 3]."""
        return None if self.K is None else np.repeat(self.K[None], frames, axis=0)


@dataclass(frozen=True)
class CameraPoses:
    """world_T_cam [T, 4, 4] and where it is known [T]; unknown rows are the identity."""

    world_T_cam_t44: NDArray[np.float64]
    valid_t: NDArray[np.bool_]


def poses_of_packets(
    packets: Sequence[list[float] | None], mount: CameraMount
) -> CameraPoses | None:
    """Poses of the camera from inertial packets; None if none is known."""
    if mount.cam_T_imu is None or not any(packets):
        return None
    imu_T_cam = np.linalg.inv(mount.cam_T_imu)
    poses = [None if pose is None else pose @ imu_T_cam for pose in world_T_imu(packets)]
    return camera_poses(poses)


def camera_poses(poses: Sequence[NDArray[np.float64] | None]) -> CameraPoses:
    """Poses with exact rotations, as KITTI's files have seven digits; None is unknown."""
    matrices = np.stack([np.eye(4) if pose is None else pose for pose in poses])
    matrices[:, :3, :3] = nearest_rotation(matrices[:, :3, :3])
    return CameraPoses(matrices, np.array([pose is not None for pose in poses]))
