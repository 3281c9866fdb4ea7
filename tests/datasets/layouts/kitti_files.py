"""Files of KITTI drives, written in the exact form of the raw recordings.

The calibration is that of 2011_09_26 as shipped; `scaled_projection` fits it to a small picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

P_RECT_02 = (
    "7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01 0.000000e+00 7.215377e+02 1.728540e+02 "
    "2.163791e-01 0.000000e+00 0.000000e+00 1.000000e+00 2.745884e-03"
)
P_RECT_00 = (
    "7.215377e+02 0.000000e+00 6.095593e+02 0.000000e+00 0.000000e+00 7.215377e+02 1.728540e+02 "
    "0.000000e+00 0.000000e+00 0.000000e+00 1.000000e+00 0.000000e+00"
)
P_RECT_03 = (
    "7.215377e+02 0.000000e+00 6.095593e+02 -3.395242e+02 0.000000e+00 7.215377e+02 1.728540e+02 "
    "2.199936e+00 0.000000e+00 0.000000e+00 1.000000e+00 2.729905e-03"
)
R_RECT_00 = (
    "9.999239e-01 9.837760e-03 -7.445048e-03 -9.869795e-03 9.999421e-01 -4.278459e-03 "
    "7.402527e-03 4.351614e-03 9.999631e-01"
)
VELO_TO_CAM = """calib_time: 15-Mar-2012 11:37:16
R: 7.533745e-03 -9.999714e-01 -6.166020e-04 1.480249e-02 7.280733e-04 -9.998902e-01 9.998621e-01 7.523790e-03 1.480755e-02
T: -4.069766e-03 -7.631618e-02 -2.717806e-01
delta_f: 0.000000e+00 0.000000e+00
delta_c: 0.000000e+00 0.000000e+00
"""  # noqa: E501 - a line of the file
IMU_TO_VELO = """calib_time: 25-May-2012 16:47:16
R: 9.999976e-01 7.553071e-04 -2.035826e-03 -7.854027e-04 9.998898e-01 -1.482298e-02 2.024406e-03 1.482454e-02 9.998881e-01
T: -8.086759e-01 3.195559e-01 -7.997231e-01
"""  # noqa: E501 - a line of the file


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), float)


def scaled_projection(text: str, scale: float) -> str:
    """A projection for pictures of `scale` times the size; pixel centres stay at whole numbers."""
    P = numbers(text).reshape(3, 4)
    to_corner, to_centre = np.eye(3), np.eye(3)
    to_corner[:2, 2], to_centre[:2, 2] = 0.5, -0.5
    P = to_centre @ np.diag([scale, scale, 1.0]) @ to_corner @ P
    return " ".join(f"{value:.9e}" for value in P.ravel())


def cam_to_cam(scale: float = 1.0) -> str:
    """`calib_cam_to_cam.txt`; the cameras that no test uses are written like camera 0."""
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.950000e-02"]
    projections = {"00": P_RECT_00, "01": P_RECT_00, "02": P_RECT_02, "03": P_RECT_03}
    for camera, projection in projections.items():
        text = projection if scale == 1.0 else scaled_projection(projection, scale)
        lines += [f"R_rect_{camera}: {R_RECT_00}", f"P_rect_{camera}: {text}"]
    return "\n".join(lines) + "\n"


def write_calibration(date: Path, scale: float = 1.0) -> None:
    date.mkdir(parents=True, exist_ok=True)
    (date / "calib_cam_to_cam.txt").write_text(cam_to_cam(scale))
    (date / "calib_velo_to_cam.txt").write_text(VELO_TO_CAM)
    (date / "calib_imu_to_velo.txt").write_text(IMU_TO_VELO)


def packet(
    lat_deg: float, lon_deg: float, alt_m: float, roll: float, pitch: float, yaw: float
) -> str:
    """A line of `oxts/data`: 25 measurements and five whole numbers."""
    rest = [-3.2, -7.6, 8.3, 0.1, 0.0, -0.2, 0.4, 9.9, -0.3, 0.3, 9.9]
    rest += [0.01, -0.02, 0.03, 0.01, -0.02, 0.03, 0.05, 0.01]
    floats = [lat_deg, lon_deg, alt_m, roll, pitch, yaw, *rest]
    return " ".join([*(f"{value:.14g}" for value in floats), "4", "9", "4", "4", "0"]) + "\n"
