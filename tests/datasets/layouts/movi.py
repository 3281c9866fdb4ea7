"""A scene as Kubric's workers write it (kubric/file_io.py, movi_def_worker.py), rendered.

By Kubric's own code: a camera's pose leads from the camera to the world, the camera looks along -z
with +y up; quaternions are w x y z; depth is the distance along the ray; the principal point is the
picture's centre; corners of boxes are the product of the bounds, x slowest.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from tests.datasets.layouts import room
from tests.datasets.layouts.boxes import Box

WIDTH, HEIGHT, FRAMES = 96, 64, 12
FPS = 12
FOCAL_MM, SENSOR_MM = 35.0, 32.0
BACKGROUND = 1e10
"""Kubric's depth where no surface is."""
OFF_CENTRE_M = (0.05, -0.02, 0.1)
"""Place of a box's centre in its asset: its own origin is another point."""


@dataclass(frozen=True)
class MoviScene:
    """What a reader must find; poses in p4d's conventions."""

    folder: Path
    fx_px: float
    z_m_thw: np.ndarray
    instance_thw: np.ndarray
    world_T_cam_t44: np.ndarray
    world_T_obj_kt44: np.ndarray
    size_m: tuple[tuple[float, float, float], ...]


def write_movi(
    folder: Path, *, seed: int = 0, fps: int | None = FPS, frames: int = FRAMES
) -> MoviScene:
    """Write a scene in which one of three things moves; above low walls there is no surface."""
    folder.mkdir(parents=True)
    fx = WIDTH * FOCAL_MM / SENSOR_MM
    K = np.array([[fx, 0, WIDTH / 2], [0, fx, HEIGHT / 2], [0, 0, 1]])
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    stretch = np.sqrt(1 + ((u - WIDTH / 2) / fx) ** 2 + ((v - HEIGHT / 2) / fx) ** 2)
    times_s = 0.3 * seed + np.arange(frames) / FPS
    scene = room.room(moving=True, walls_m=1.6)
    cameras = [room.camera_at(each) for each in times_s]
    views = [
        scene.view(K, camera, (WIDTH, HEIGHT), each)
        for camera, each in zip(cameras, times_s, strict=True)
    ]
    for t, view in enumerate(views):
        distance = np.where(view.z_m_hw > 0, view.z_m_hw * stretch, BACKGROUND)
        rgba = np.dstack([view.rgb_hw3, np.full((HEIGHT, WIDTH), 255, np.uint8)])
        Image.fromarray(rgba, "RGBA").save(folder / f"rgba_{t:05d}.png")
        Image.fromarray(distance.astype(np.float32)).save(folder / f"depth_{t:05d}.tiff")
        mask = Image.fromarray(view.ids_hw.astype(np.uint8), "P")
        mask.putpalette([0, 0, 0, 220, 40, 40, 30, 200, 90, 40, 90, 230] + [0] * 756)
        mask.save(folder / f"segmentation_{t:05d}.png")
    things = [box for box in scene.boxes if box.id]
    meta = {
        "flags": {"frame_end": frames, "resolution": WIDTH, **({"frame_rate": fps} if fps else {})},
        "metadata": {
            "resolution": [WIDTH, HEIGHT],
            "num_frames": frames,
            "num_instances": len(things),
        },
        "camera": {
            "focal_length": FOCAL_MM,
            "sensor_width": SENSOR_MM,
            "field_of_view": 2 * np.arctan2(SENSOR_MM / 2, FOCAL_MM),  # radians
            "positions": [camera[:3, 3].tolist() for camera in cameras],
            "quaternions": [_wxyz(camera[:3, :3] @ np.diag([1, -1, -1])) for camera in cameras],
            "K": [[FOCAL_MM / SENSOR_MM, 0, -0.5],
                  [0, -FOCAL_MM / SENSOR_MM * WIDTH / HEIGHT, -0.5], [0, 0, -1]],
        },
        "instances": [_entry(box, times_s) for box in things],
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(meta))
    (folder / "data_ranges.json").write_text("{}")
    (folder / "events.json").write_text('{"collisions": []}')
    return MoviScene(
        folder=folder,
        fx_px=fx,
        z_m_thw=np.stack([view.z_m_hw for view in views]).astype(np.float32),
        instance_thw=np.stack([view.ids_hw for view in views]),
        world_T_cam_t44=np.stack(cameras),
        world_T_obj_kt44=np.stack([[box.pose_at(each) for each in times_s] for box in things]),
        size_m=tuple(box.size_m for box in things),
    )


def _entry(box: Box, times_s: np.ndarray) -> dict:
    """An instance of metadata.json."""
    half = np.asarray(box.size_m) / 2
    bounds = np.stack([OFF_CENTRE_M - half, OFF_CENTRE_M + half])
    local = np.array(list(itertools.product(*bounds.T)))
    poses = [box.pose_at(each) for each in times_s]
    positions = [pose[:3, 3] - pose[:3, :3] @ OFF_CENTRE_M for pose in poses]
    return {
        "asset_id": "cube",
        "is_dynamic": any(box.velocity_mps),
        "positions": [position.tolist() for position in positions],
        "quaternions": [_wxyz(pose[:3, :3]) for pose in poses],
        "bboxes_3d": [
            (position + local @ pose[:3, :3].T).tolist()
            for position, pose in zip(positions, poses, strict=True)
        ],
        "visibility": [120] * len(times_s),
    }


def _wxyz(rotation: np.ndarray) -> list[float]:
    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return [w, x, y, z]
