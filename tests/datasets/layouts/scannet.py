"""A ScanNet scene, as SensorData.py exports it and as the stream, with two different cameras.

Colour and depth are rendered by two cameras, so depth in the colour camera is known from the render
of that camera. Poses lead from the colour camera to the world; tracking is lost in one frame, and
frame numbers go in steps of ten. Sizes are those of ScanNet by eight.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from tests.datasets.layouts import room
from tests.datasets.layouts.boxes import BoxView

COLOUR, DEPTH = (162, 121), (80, 60)
"""Width and height of both cameras."""
FRAMES, STEP, LOST = 6, 10, 2
FPS = 30
FOCAL_COLOUR, FOCAL_DEPTH = 146.27, 72.23
INSTANCES = (3, 200)
"""Ids of the crate and of the chest in the pictures of instances."""
DEPTH_T_COLOUR = np.eye(4)
DEPTH_T_COLOUR[:3, :3] = Rotation.from_rotvec([0.004, -0.008, 0.003]).as_matrix()
DEPTH_T_COLOUR[:3, 3] = (-0.037, -0.003, -0.02)
ALIGN = np.eye(4)
ALIGN[:3, :3] = Rotation.from_rotvec([0, 0, 0.7]).as_matrix()
ALIGN[:3, 3] = (-3.0, 1.0, -0.1)
"""axisAlignment: from the world of the poses, in which up is some direction, to the room."""
_ROOM = room.room(moving=False)


@dataclass(frozen=True)
class ScanNetScene:
    """What a reader must find; depth and instances are those of the colour camera."""

    folder: Path
    K_colour: np.ndarray
    world_T_cam_t44: np.ndarray
    z_colour_thw: np.ndarray
    instance_thw: np.ndarray
    depth_mm_thw: np.ndarray


def write_scannet(
    folder: Path,
    *,
    apart: bool = False,
    frames: int = FRAMES,
    step: int = STEP,
    lost: int | None = LOST,
) -> ScanNetScene:
    """Write an exported scene; if `apart`, the cameras are at two places, as SCENE.txt states."""
    for part in ("color", "depth", "pose", "intrinsic", "instance-filt"):
        (folder / part).mkdir(parents=True)
    depth_T_colour = DEPTH_T_COLOUR if apart else np.eye(4)
    made, pictures = _scene(folder, depth_T_colour, [t * step / FPS for t in range(frames)])
    for t in range(frames):
        number = t * step
        Image.fromarray(pictures[t]).save(folder / "color" / f"{number}.jpg", quality=95)
        Image.fromarray(made.depth_mm_thw[t]).save(folder / "depth" / f"{number}.png")
        ids = Image.fromarray(made.instance_thw[t].astype(np.uint8))
        ids.save(folder / "instance-filt" / f"{number}.png")
        stored = np.full((4, 4), -np.inf) if t == lost else made.world_T_cam_t44[t]
        np.savetxt(folder / "pose" / f"{number}.txt", stored, fmt="%f")
    for name, focal, size in (("color", FOCAL_COLOUR, COLOUR), ("depth", FOCAL_DEPTH, DEPTH)):
        np.savetxt(folder / "intrinsic" / f"intrinsic_{name}.txt", intrinsics(focal, size), "%f")
        np.savetxt(folder / "intrinsic" / f"extrinsic_{name}.txt", np.eye(4), "%f")
    flat = " ".join(f"{value:f}" for value in ALIGN.ravel())
    lines = [f"axisAlignment = {flat} ", f"numColorFrames = {frames}", "sceneType = Kitchen"]
    if apart:
        flat = " ".join(f"{value:f}" for value in depth_T_colour.ravel())
        lines.append(f"colorToDepthExtrinsics = {flat}")
    (folder / f"{folder.name}.txt").write_text("\n".join(lines) + "\n")
    groups = [{"id": k, "objectId": each - 1, "label": f"thing {each}", "segments": []}
              for k, each in enumerate(INSTANCES)]  # fmt: skip
    (folder / f"{folder.name}.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    return made


def write_sens(
    folder: Path,
    *,
    stamps: bool = True,
    frames: int = FRAMES,
    step: int = 1,
    lost: int | None = LOST,
    begin_s: float = 0.0,
) -> ScanNetScene:
    """Write the stream of the scene from `begin_s` on; with `stamps`, at uneven times."""
    folder.mkdir(parents=True)
    name = b"StructureSensor"
    parts = [struct.pack("<IQ", 4, len(name)) + name]
    for matrix in (intrinsics(FOCAL_COLOUR, COLOUR), np.eye(4),
                   intrinsics(FOCAL_DEPTH, DEPTH), np.eye(4)):  # fmt: skip
        parts.append(matrix.astype("<f4").tobytes())
    parts.append(struct.pack("<iiIIIIfQ", 2, 1, *COLOUR, *DEPTH, 1000.0, frames))
    stamps_us = [stamp_us(t * step) for t in range(frames)]
    made, pictures = _scene(folder, np.eye(4), [begin_s + each * 1e-6 - 1 for each in stamps_us])
    for t in range(frames):
        stored = np.full((4, 4), -np.inf) if t == lost else made.world_T_cam_t44[t]
        buffer = io.BytesIO()
        Image.fromarray(pictures[t]).save(buffer, "JPEG", quality=95)
        colour = buffer.getvalue()
        depth = zlib.compress(made.depth_mm_thw[t].astype("<u2").tobytes())
        when = stamps_us[t] if stamps else 0
        parts.append(stored.astype("<f4").tobytes())
        parts.append(struct.pack("<QQQQ", when, when, len(colour), len(depth)) + colour + depth)
    (folder / f"{folder.name}.sens").write_bytes(b"".join(parts))
    return made


def stamp_us(t: int) -> int:
    """The stamp of a frame of the stream."""
    return 1_000_000 + 33_333 * t + (7_000 if t == 3 else 0)


def intrinsics(focal: float, size: tuple[int, int]) -> np.ndarray:
    """A matrix as ScanNet has it: pixel centres at i."""
    matrix = np.eye(4)
    matrix[0, 0], matrix[1, 1] = focal, focal * 1.02
    matrix[0, 2], matrix[1, 2] = (size[0] - 1) / 2 + 0.25, (size[1] - 1) / 2 - 0.5
    return matrix


def _scene(
    folder: Path, depth_T_colour: np.ndarray, times_s: Sequence[float]
) -> tuple[ScanNetScene, list[np.ndarray]]:
    """The truth, and the pictures of the colour camera."""
    K, K_depth = (
        intrinsics(focal, size)[:3, :3] + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
        for focal, size in ((FOCAL_COLOUR, COLOUR), (FOCAL_DEPTH, DEPTH))
    )
    in_room = [room.camera_at(each) for each in times_s]
    views = [_ROOM.view(K, pose, COLOUR, 0.0) for pose in in_room]
    colour_T_depth = np.linalg.inv(depth_T_colour)
    depth = [_ROOM.view(K_depth, pose @ colour_T_depth, DEPTH, 0.0) for pose in in_room]
    made = ScanNetScene(
        folder=folder,
        K_colour=K,
        world_T_cam_t44=np.stack([np.linalg.inv(ALIGN) @ pose for pose in in_room]),
        z_colour_thw=np.stack([view.z_m_hw for view in views]),
        instance_thw=np.stack([_ids(view) for view in views]),
        depth_mm_thw=np.stack([_millimetres(view) for view in depth]),
    )
    return made, [view.rgb_hw3 for view in views]


def _ids(view: BoxView) -> np.ndarray:
    """Instances as ScanNet numbers them; the cart is nothing that was annotated."""
    table = np.zeros(4, np.int32)
    table[room.CRATE], table[room.CHEST] = INSTANCES
    return table[view.ids_hw]


def _millimetres(view: BoxView) -> np.ndarray:
    """Depth in whole millimetres; the sensor's corner has no value."""
    values = np.rint(view.z_m_hw * 1000).astype(np.uint16)
    values[:3, :3] = 0
    return values
