"""MPI Sintel as its zips unpack, rendered: forward flow, depth and cameras of one sequence.

By the dataset's own sintel_io.py: x = M N X, so N leads from the world to the camera; M has pixel
centres at i; depth is planar; the flow of a frame leads to the next one. Its occlusion pictures
mark what the next frame hides, its invalid ones what leaves the picture.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.datasets.layouts import room
from tests.datasets.layouts.boxes import BoxView

WIDTH, HEIGHT, FRAMES = 128, 56, 12
FPS = 24
HASTE = 2.0
"""Film is cut fast: what the room shows in two seconds passes in one."""
UNKNOWN = (30, 40)
"""Row and column of a pixel whose flow is unknown in every frame."""


@dataclass(frozen=True)
class SintelScenes:
    """What a reader must find, of each pass of the sequence alley_1."""

    folder: Path
    K: np.ndarray
    world_T_cam_t44: np.ndarray
    views: tuple[BoxView, ...]


def write_sintel(folder: Path, *, frames: int = FRAMES) -> SintelScenes:
    """Write two passes of one sequence, in which a cart moves; above low walls there is sky."""
    base = folder / "training"
    M = np.array([[112.0, 0, (WIDTH - 1) / 2], [0, 112.0, (HEIGHT - 1) / 2], [0, 0, 1]])
    K = M + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    scene = room.room(moving=True, walls_m=1.3)
    times_s = np.arange(frames) * HASTE / FPS
    views = tuple(scene.view(K, room.camera_at(each), (WIDTH, HEIGHT), each) for each in times_s)
    for t, view in enumerate(views):
        name = f"frame_{t + 1:04d}"
        for which, share in (("clean", 1.0), ("final", 0.7)):
            picture = (view.rgb_hw3 * share).astype(np.uint8)
            _save(base / which / "alley_1" / f"{name}.png", picture)
        far = np.where(np.arange(WIDTH) % 2, 5e4, 1e10)  # sky: huge, and not of one value
        depth = np.where(view.z_m_hw > 0, view.z_m_hw, far)
        _write(base / "depth" / "alley_1" / f"{name}.dpt", grid(depth))
        N = np.linalg.inv(view.world_T_cam)[:3]
        camera = b"PIEH" + M.astype("<f8").tobytes() + N.astype("<f8").tobytes()
        _write(base / "camdata_left" / "alley_1" / f"{name}.cam", camera)
        if t < frames - 1:
            _write_flow(base, name, view, views[t + 1])
    return SintelScenes(folder, K, np.stack([view.world_T_cam for view in views]), views)


def _write_flow(base: Path, name: str, view: BoxView, other: BoxView) -> None:
    flow, known, seen = view.flow_to(other)
    flow[~known] = 1e10
    flow[UNKNOWN] = 1e10
    _write(base / "flow" / "alley_1" / f"{name}.flo", grid(flow))
    v, u = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    lands = np.stack([u, v], -1) + flow
    leaves = ((lands < 0) | (lands >= (WIDTH, HEIGHT))).any(-1)
    for part, marked in (("occlusions", known & ~seen & ~leaves), ("invalid", leaves)):
        _save(base / part / "alley_1" / f"{name}.png", np.where(marked, 255, 0).astype(np.uint8))


def grid(values: np.ndarray) -> bytes:
    """A `.flo` or `.dpt` file."""
    height, width = values.shape[:2]
    header = b"PIEH" + struct.pack("<2i", width, height)
    return header + np.ascontiguousarray(values, "<f4").tobytes()


def _save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _write(path: Path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload)
