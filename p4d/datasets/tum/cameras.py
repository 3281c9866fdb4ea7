"""Cameras of the TUM and Bonn sequences, which their folders do not state.

Values as ORB-SLAM2 and the datasets' pages have them, with OpenCV's pixel centres at i; K has them
at i + 0.5. Depth is registered to colour, so one camera serves both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.rotations import nearest_rotation
from p4d.errors import DatasetError


@dataclass(frozen=True)
class LensCamera:
    """A pinhole camera with a lens.

    Attributes:
        fx, fy, cx, cy: in pixels, OpenCV's pixel centres.
        distortion: k1 k2 p1 p2 k3.
        size_px: of the pictures it was calibrated for; None: of any.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    size_px: tuple[int, int] | None = (640, 480)

    @property
    def K(self) -> NDArray[np.float64]:
        """Intrinsics with pixel centres at i + 0.5."""
        return np.array([[self.fx, 0, self.cx + 0.5], [0, self.fy, self.cy + 0.5], [0, 0, 1]])

    @property
    def bends(self) -> bool:
        """Whether straight lines are not straight in its pictures."""
        return any(self.distortion)


CAMERAS: Mapping[str, LensCamera] = {
    "fr1": LensCamera(
        517.306408, 516.469215, 318.643040, 255.313989,
        (0.262383, -0.953104, -0.005358, 0.002628, 1.163314),
    ),
    "fr2": LensCamera(
        520.908620, 521.007327, 325.141442, 249.701764,
        (0.231222, -0.784899, -0.003257, -0.000105, 0.917205),
    ),
    "fr3": LensCamera(535.4, 539.2, 320.1, 247.6),
    "bonn": LensCamera(
        542.822841, 542.576870, 315.593520, 237.756098,
        (0.039903, -0.099343, -0.000730, -0.000144, 0.0),
    ),
}  # fmt: skip

_BY_NAME = (
    (re.compile(r"freiburg1"), "fr1"),
    (re.compile(r"freiburg2"), "fr2"),
    (re.compile(r"freiburg3"), "fr3"),
    (re.compile(r"bonn"), "bonn"),
)

# Bonn's poses are those of a body that the cameras of a motion-capture system see, in its axes
# (PRBonn/refusion, issue 14). The second matrix is from a calibration and no rotation.
_ROS = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
_BODY_T_CAM = np.array(
    [
        [1.0157, 0.1828, -0.2389, 0.0113],
        [0.0009, -0.8431, -0.6413, -0.0098],
        [-0.3009, 0.6147, -0.8085, 0.0111],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def camera_of(sequence: str, setting: str) -> LensCamera | None:
    """The camera that a user sets, or that the sequence's name tells; None if neither does.

    Args:
        sequence: name of the folder.
        setting: empty, a name of `CAMERAS`, or `fx,fy,cx,cy[,k1,k2,p1,p2[,k3]]`.

    Raises:
        DatasetError: the setting is none of these.
    """
    if not setting:
        named = (name for pattern, name in _BY_NAME if pattern.search(sequence))
        return CAMERAS.get(next(named, ""))
    if setting in CAMERAS:
        return CAMERAS[setting]
    try:
        numbers = [float(word) for word in setting.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 8, 9) or not np.isfinite(numbers).all() or min(numbers[:2]) <= 0:
        raise DatasetError(
            f"--set camera={setting[:80]}: expected {', '.join(CAMERAS)}, or "
            "fx,fy,cx,cy[,k1,k2,p1,p2[,k3]] in pixels"
        )
    k1, k2, p1, p2, k3 = [*numbers[4:], *[0.0] * (9 - len(numbers))]
    fx, fy, cx, cy = numbers[:4]
    return LensCamera(fx, fy, cx, cy, (k1, k2, p1, p2, k3), size_px=None)


def bonn_camera_poses(world_T_body_n44: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses of Bonn's colour camera from the published ones."""
    body_T_cam = _BODY_T_CAM.copy()
    body_T_cam[:3, :3] = nearest_rotation(_BODY_T_CAM[:3, :3])
    return np.asarray(np.linalg.inv(_ROS) @ world_T_body_n44 @ _ROS @ body_T_cam)
