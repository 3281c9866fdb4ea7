"""A ScanNet scene, as SensorData.py exports it and as the stream, with two different cameras.

The world is a slanted plane that both cameras see, so depth in the colour camera is known in closed
form. Tracking is lost in one frame, and frame numbers go in steps of ten.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

COLOUR, DEPTH = (64, 44), (32, 24)
"""Width and height of both cameras."""
FRAMES, STEP, LOST = 6, 10, 2
FOCAL_COLOUR, FOCAL_DEPTH = 58.0, 29.5
INSTANCES = (3, 200)
DEPTH_T_COLOUR = np.eye(4)
DEPTH_T_COLOUR[:3, :3] = Rotation.from_rotvec([0.004, -0.008, 0.003]).as_matrix()
DEPTH_T_COLOUR[:3, 3] = (-0.037, -0.003, -0.02)
PLANE = (2.5, 0.3, -0.2)
"""z = a + b x + c y in the depth camera, metres."""
ALIGN = np.eye(4)
ALIGN[:3, :3] = Rotation.from_rotvec([0, 0, 0.7]).as_matrix()
ALIGN[:3, 3] = (-3.0, 1.0, -0.1)


@dataclass(frozen=True)
class ScanNetScene:
    """What a reader must find."""

    folder: Path
    K_colour: np.ndarray
    colour_T_depth: np.ndarray
    world_T_cam_t44: np.ndarray
    z_colour_hw: np.ndarray
    instance_hw: np.ndarray


def write_scannet(
    folder: Path, *, apart: bool = False, frames: int = FRAMES, step: int = STEP
) -> ScanNetScene:
    """Write an exported scene; if `apart`, the cameras are at two places, as SCENE.txt states."""
    for part in ("color", "depth", "pose", "intrinsic", "instance-filt"):
        (folder / part).mkdir(parents=True)
    depth_T_colour = DEPTH_T_COLOUR if apart else np.eye(4)
    instance = np.zeros(COLOUR[::-1], np.uint8)
    instance[8:20, 10:24], instance[25:40, 30:60] = INSTANCES
    poses = [pose_at(t) for t in range(frames)]
    for t in range(frames):
        number = t * step
        Image.fromarray(picture(t)).save(folder / "color" / f"{number}.jpg", quality=95)
        Image.fromarray(depth_mm()).save(folder / "depth" / f"{number}.png")
        Image.fromarray(instance).save(folder / "instance-filt" / f"{number}.png")
        stored = np.full((4, 4), -np.inf) if t == LOST else poses[t]
        np.savetxt(folder / "pose" / f"{number}.txt", stored, fmt="%f")
    for name, focal, size in (("color", FOCAL_COLOUR, COLOUR), ("depth", FOCAL_DEPTH, DEPTH)):
        np.savetxt(folder / "intrinsic" / f"intrinsic_{name}.txt", intrinsics(focal, size), "%f")
        np.savetxt(folder / "intrinsic" / f"extrinsic_{name}.txt", np.eye(4), "%f")
    flat = " ".join(f"{value:f}" for value in ALIGN.ravel())
    lines = [f"axisAlignment = {flat} ", "numColorFrames = 6", "sceneType = Kitchen"]
    if apart:
        flat = " ".join(f"{value:f}" for value in depth_T_colour.ravel())
        lines.append(f"colorToDepthExtrinsics = {flat}")
    (folder / f"{folder.name}.txt").write_text("\n".join(lines) + "\n")
    groups = [{"id": k, "objectId": each - 1, "label": f"thing {each}", "segments": []}
              for k, each in enumerate(INSTANCES)]  # fmt: skip
    (folder / f"{folder.name}.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    return _scene(folder, depth_T_colour, poses, instance)


def write_sens(folder: Path, *, stamps: bool = True) -> ScanNetScene:
    """Write the stream of the scene; with `stamps`, at uneven times."""
    folder.mkdir(parents=True)
    name = b"StructureSensor"
    parts = [struct.pack("<IQ", 4, len(name)) + name]
    for matrix in (intrinsics(FOCAL_COLOUR, COLOUR), np.eye(4),
                   intrinsics(FOCAL_DEPTH, DEPTH), np.eye(4)):  # fmt: skip
        parts.append(matrix.astype("<f4").tobytes())
    parts.append(struct.pack("<iiIIIIfQ", 2, 1, *COLOUR, *DEPTH, 1000.0, FRAMES))
    poses = [pose_at(t) for t in range(FRAMES)]
    for t in range(FRAMES):
        stored = np.full((4, 4), -np.inf) if t == LOST else poses[t]
        buffer = io.BytesIO()
        Image.fromarray(picture(t)).save(buffer, "JPEG", quality=95)
        colour, depth = buffer.getvalue(), zlib.compress(depth_mm().astype("<u2").tobytes())
        when = stamp_us(t) if stamps else 0
        parts.append(stored.astype("<f4").tobytes())
        parts.append(struct.pack("<QQQQ", when, when, len(colour), len(depth)) + colour + depth)
    (folder / f"{folder.name}.sens").write_bytes(b"".join(parts))
    return _scene(folder, np.eye(4), poses, np.zeros(COLOUR[::-1], np.uint8))


def stamp_us(t: int) -> int:
    """The stamp of a frame of the stream."""
    return 1_000_000 + 33_333 * t + (7_000 if t == 3 else 0)


def intrinsics(focal: float, size: tuple[int, int]) -> np.ndarray:
    """A matrix as ScanNet has it: pixel centres at i."""
    matrix = np.eye(4)
    matrix[0, 0], matrix[1, 1] = focal, focal * 1.02
    matrix[0, 2], matrix[1, 2] = (size[0] - 1) / 2 + 0.25, (size[1] - 1) / 2 - 0.5
    return matrix


def depth_mm() -> np.ndarray:
    """The plane in the depth camera, in whole millimetres; its corner has no value."""
    K = intrinsics(FOCAL_DEPTH, DEPTH)
    u, v = np.meshgrid(np.arange(DEPTH[0]), np.arange(DEPTH[1]))
    x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    z = PLANE[0] / (1 - PLANE[1] * x - PLANE[2] * y)
    values = np.rint(z * 1000).astype(np.uint16)
    values[:3, :3] = 0
    return values


def picture(t: int) -> np.ndarray:
    """A smooth picture that changes with the frame."""
    u, v = np.meshgrid(np.arange(COLOUR[0]), np.arange(COLOUR[1]))
    return np.stack([u * 3, v * 5, np.full_like(u, 40 + 9 * t)], axis=-1).astype(np.uint8)


def pose_at(t: int) -> np.ndarray:
    """world_T_cam of a frame."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec([0.05 * t, -0.4, 1.2]).as_matrix()
    pose[:3, 3] = (2.0 + 0.1 * t, 3.0, 1.4)
    return pose


def _scene(
    folder: Path, depth_T_colour: np.ndarray, poses: list[np.ndarray], instance: np.ndarray
) -> ScanNetScene:
    K = intrinsics(FOCAL_COLOUR, COLOUR)[:3, :3]
    u, v = np.meshgrid(np.arange(COLOUR[0]), np.arange(COLOUR[1]))
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(u.shape)], axis=-1)
    # The plane n . p = a of the depth camera, met by the rays of the colour camera.
    normal = np.array([-PLANE[1], -PLANE[2], 1.0])
    turned = rays @ depth_T_colour[:3, :3].T
    z = (PLANE[0] - normal @ depth_T_colour[:3, 3]) / (turned @ normal)
    K = K.copy()
    K[:2, 2] += 0.5
    return ScanNetScene(
        folder, K, np.linalg.inv(depth_T_colour), np.stack(poses), z, instance
    )  # fmt: skip
