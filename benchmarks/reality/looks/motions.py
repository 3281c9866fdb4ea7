"""How things and cameras of the looks move: poses as functions of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

KINDS = ("rest", "slide", "roll", "bounce", "swing", "spin", "toss", "brake")
GRAVITY_M_S2 = 9.81


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The motion of one thing.

    Attributes:
        kind: one of KINDS.
        start_m_3: its centre at the start, or while it rests.
        heading_rad, speed_m_s: along the ground; of `spin`, the speed is in rad/s.
        from_s, until_s: it rests before and after, where its kind can rest.
        yaw_rad: of the thing itself.
        radius_m: half its height; a rolling thing turns by the way over this.
    """

    kind: str
    start_m_3: tuple[float, float, float]
    heading_rad: float = 0.0
    speed_m_s: float = 0.0
    from_s: float = 0.0
    until_s: float = 1e9
    yaw_rad: float = 0.0
    radius_m: float = 0.2

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_obj` at a time, 4x4."""
        on_s = float(np.clip(at_s, self.from_s, self.until_s) - self.from_s)
        moved_m_3, turn = self._moved(on_s, self.until_s - self.from_s)
        pose = np.eye(4)
        pose[:3, :3] = (turn * Rotation.from_euler("z", self.yaw_rad)).as_matrix()
        pose[:3, 3] = np.array(self.start_m_3) + moved_m_3
        return pose

    def _moved(self, on_s: float, length_s: float) -> tuple[np.ndarray, Rotation]:
        ahead = np.array([np.cos(self.heading_rad), np.sin(self.heading_rad), 0.0])
        aside = np.array([-ahead[1], ahead[0], 0.0])
        none = Rotation.identity()
        if self.kind == "rest":
            return np.zeros(3), none
        if self.kind == "spin":
            return np.zeros(3), Rotation.from_euler("z", self.speed_m_s * on_s)
        if self.kind == "brake":  # decelerates evenly until it rests
            share = min(1.0, on_s / min(length_s, 4.0))
            return ahead * self.speed_m_s * min(length_s, 4.0) * (share - share**2 / 2), none
        if self.kind == "roll":
            way_m = self.speed_m_s * on_s
            return ahead * way_m, Rotation.from_rotvec(aside * way_m / self.radius_m)
        if self.kind == "bounce":
            return ahead * self.speed_m_s * on_s + [0, 0, self._bounce_m(on_s)], none
        if self.kind == "toss":
            up_m = max(0.0, 3.5 * on_s - GRAVITY_M_S2 / 2 * on_s**2)
            on_s = min(on_s, 7.0 / GRAVITY_M_S2)
            turn = Rotation.from_rotvec(aside * 3 * on_s)
            return ahead * self.speed_m_s * on_s + [0, 0, up_m], turn
        if self.kind == "swing":
            rope_m = 1.2
            angle_rad = 0.6 * np.sin(self.speed_m_s * 2 * on_s)
            off_m = ahead * rope_m * np.sin(angle_rad)
            off_m[2] = rope_m * (1 - np.cos(angle_rad))
            return off_m, Rotation.from_rotvec(-aside * angle_rad)
        return ahead * self.speed_m_s * on_s, none

    def _bounce_m(self, on_s: float) -> float:
        """Height over the place of rest; it starts a metre above it and keeps half its speed."""
        fall_s = (2 / GRAVITY_M_S2) ** 0.5
        if on_s < fall_s:
            return 1 - GRAVITY_M_S2 / 2 * on_s**2
        on_s -= fall_s
        speed = GRAVITY_M_S2 * fall_s / 2
        while speed > 0.3:
            if on_s < 2 * speed / GRAVITY_M_S2:
                return speed * on_s - GRAVITY_M_S2 / 2 * on_s**2
            on_s -= 2 * speed / GRAVITY_M_S2
            speed /= 2
        return 0.0


@dataclass(frozen=True, kw_only=True)
class CameraPath:
    """A camera that looks at a target.

    Attributes:
        kind: static, shake (by hand, in place), pan, orbit or dolly.
        distance_m, bearing_rad, height_m: its place, from the target.
        rate: rad/s of a pan or orbit, m/s of a dolly.
        phases: of the shake, [6, 2].
    """

    kind: str
    target_m_3: tuple[float, float, float]
    distance_m: float
    bearing_rad: float
    height_m: float
    rate: float
    phases: tuple[tuple[float, float], ...]

    def pose(self, at_s: float) -> np.ndarray:
        """`world_T_cam` at a time, 4x4, in OpenCV's axes."""
        bearing = self.bearing_rad + (self.rate * at_s if self.kind == "orbit" else 0.0)
        distance = self.distance_m - (self.rate * at_s if self.kind == "dolly" else 0.0)
        target = np.array(self.target_m_3)
        across = distance * np.array([np.cos(bearing), np.sin(bearing)])
        eye = np.array([target[0] + across[0], target[1] + across[1], self.height_m])
        ahead = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], axis=1)
        pose[:3, 3] = eye
        if self.kind == "pan":
            pose[:3, :3] = Rotation.from_euler("z", self.rate * at_s).as_matrix() @ pose[:3, :3]
        if self.kind == "shake":
            waves = np.array([
                sum(np.sin(2 * np.pi * rate_hz * at_s + phase + 2 * number) / rate_hz
                    for rate_hz in (0.7, 1.9, 3.1))
                for number, (phase, _) in enumerate(self.phases)
            ])  # fmt: skip
            scale = np.array([size for _, size in self.phases])
            pose[:3, :3] = Rotation.from_rotvec((waves * scale)[:3]).as_matrix() @ pose[:3, :3]
            pose[:3, 3] += (waves * scale)[3:]
        return pose
