"""MPI Sintel as its zips unpack, with a flow whose inverse is known in closed form.

The picture turns and grows about a point: forward flow is affine, and backward flow at a pixel is
another vector than the negated forward flow there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT, FRAMES = 48, 28, 12
TURN = 1.03 * np.array([[np.cos(0.05), -np.sin(0.05)], [np.sin(0.05), np.cos(0.05)]])
ABOUT = np.array([20.0, 11.0])
SHIFT = np.array([1.3, -0.7])
HIDDEN = (slice(4, 9), slice(30, 36))
"""Pixels that the occlusion pictures mark."""


@dataclass(frozen=True)
class SintelScenes:
    """What a reader must find, of each pass of the sequence alley_1."""

    folder: Path
    z_hw: np.ndarray
    K: np.ndarray
    world_T_cam_t44: np.ndarray


def write_sintel(folder: Path, *, frames: int = FRAMES) -> SintelScenes:
    """Write two passes of one sequence."""
    base = folder / "training"
    rng = np.random.default_rng(5)
    smooth = rng.integers(0, 255, (4, 6, 3), np.uint8)
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    z = (5.0 + 0.1 * u + 0.05 * v).astype(np.float32)
    stored = z.copy()
    stored[0, 0], stored[1, 1], z[0, 0], z[1, 1] = 5e4, 1e10, 0, 0  # sky
    cameras = [_camera(t) for t in range(frames)]
    for t in range(frames):
        name = f"frame_{t + 1:04d}"
        for number, which in enumerate(("clean", "final")):
            picture = Image.fromarray(np.roll(smooth, t, axis=1) // (1 + number))
            _save(base / which / "alley_1" / f"{name}.png", picture.resize((WIDTH, HEIGHT), 2))
        _write(base / "depth" / "alley_1" / f"{name}.dpt", grid(stored))
        M, N = _intrinsics(), np.linalg.inv(cameras[t])[:3]
        camera = b"PIEH" + M.astype("<f8").tobytes() + N.astype("<f8").tobytes()
        _write(base / "camdata_left" / "alley_1" / f"{name}.cam", camera)
        if t < frames - 1:
            flow = forward_flow()
            flow[3, 40] = 1e10  # unknown
            _write(base / "flow" / "alley_1" / f"{name}.flo", grid(flow))
            hidden = np.zeros((HEIGHT, WIDTH), np.uint8)
            hidden[HIDDEN] = 255
            _save(base / "occlusions" / "alley_1" / f"{name}.png", Image.fromarray(hidden))
    K = _intrinsics()
    K[:2, 2] += 0.5
    return SintelScenes(folder, z, K, np.stack(cameras))


def forward_flow() -> np.ndarray:
    """(du, dv) of each pixel centre to the next frame."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    p = np.stack([u, v], axis=-1)
    return ((p - ABOUT) @ TURN.T + ABOUT + SHIFT - p).astype(np.float32)


def inverse_flow() -> np.ndarray:
    """(du, dv) of each pixel centre to the frame before: the affine map solved for it."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    q = np.stack([u, v], axis=-1)
    return (q - ABOUT - SHIFT) @ np.linalg.inv(TURN).T + ABOUT - q


def grid(values: np.ndarray) -> bytes:
    """A `.flo` or `.dpt` file."""
    height, width = values.shape[:2]
    header = b"PIEH" + struct.pack("<2i", width, height)
    return header + np.ascontiguousarray(values, "<f4").tobytes()


def _intrinsics() -> np.ndarray:
    return np.array([[60.0, 0, (WIDTH - 1) / 2], [0, 60.0, (HEIGHT - 1) / 2], [0, 0, 1]])


def _camera(t: int) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec([0.02 * t, 0.3, -0.1]).as_matrix()
    pose[:3, 3] = (0.1 * t, 2.0, -0.05 * t)
    return pose


def _save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _write(path: Path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload)
