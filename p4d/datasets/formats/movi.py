"""Kubric's MOVi: one folder per rendered scene, with exact depth, camera and rigid objects.

Layout and conventions: kubric/file_io.py and challenges/movi/movi_def_worker.py. Depth is the
distance from the camera's centre, not planar. Cameras look along -z with +y up; quaternions have w
first. Flow is not read: it follows from the rest, and Kubric's 16 bits are coarser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject, Terms
from p4d.datasets.pictures import read_float, read_palette_ids, read_rgb
from p4d.datasets.reader import Option, Options, number_option, option
from p4d.datasets.rotations import rotation_wxyz
from p4d.errors import ContractError, DatasetError
from p4d.foreign_json import read_foreign_json
from p4d.geometry.cameras import camera_directions, rigid

TERMS = Terms(
    terms_id="Apache-2.0",
    text="Kubric's code and MOVi's renders: Apache-2.0; the assets (GSO: CC-BY-4.0, HDRI Haven: "
    "CC0, ShapeNet: its own terms) keep theirs.",
    url="https://github.com/google-research/kubric",
    redistributable=True,
)
_FAR_M = 1e6
"""Kubric's background has depth 1e10: unknown."""
_GL_T_CV = np.diag([1.0, -1.0, -1.0])
_FRAME = re.compile(r"rgba_(\d{5})\.png")
_MAX_BYTES = 64 * 1024 * 1024


class MoviReader:
    """Reads folders that Kubric's workers write, one scene each."""

    format = "movi"
    title = "Kubric MOVi, and own renders with Kubric"
    options: Sequence[Option] = (
        Option("fps", "", "frames per second; default: the metadata's, or else 12, as declared"),
    )

    def recognise(self, folder: Path) -> bool:
        """A folder with metadata and the first frame."""
        return (folder / "metadata.json").is_file() and (folder / "rgba_00000.png").is_file()

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """The folder itself is the one sequence."""
        if not self.recognise(folder):
            raise DatasetError(
                f"{folder.name} is no MOVi scene: metadata.json and rgba_00000.png are expected "
                "in it; give the folder of a scene, or a folder of such folders"
            )
        return [folder.resolve().name]

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """The scene."""
        meta = _metadata(folder)
        frames = sorted(
            int(found[1]) for path in folder.iterdir() if (found := _FRAME.fullmatch(path.name))
        )
        height, width = read_rgb(folder / f"rgba_{frames[0]:05d}.png").shape[:2]
        camera = _camera(meta, frames, width, height)
        objects, problems = _objects(meta, frames)
        fps, times, note = self._rate(meta, options)
        index = np.array(frames, np.int64)
        missing = sorted(set(range(frames[-1] + 1)) - set(frames))
        if missing:
            problems.append(f"rgba_{missing[0]:05d}.png and {len(missing) - 1} more are missing")
        reader = _SceneFrames(folder, frames, camera[0])
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"Kubric MOVi, scene {sequence}",
            terms=TERMS,
            times_ns=np.rint(index * (1e9 / fps)).astype(np.int64),
            times=times,
            size_px=(width, height),
            frame=reader.frame,
            K_t33=np.repeat(camera[0][None], len(frames), axis=0),
            world_T_cam_t44=camera[1],
            objects=objects,
            scale="metric",
            up_known=True,
            background="still",
            notes=(note, "depth: distance from the camera's centre, made planar"),
            problems=tuple(problems),
        )

    def _rate(self, meta: Mapping[str, Any], options: Options) -> tuple[float, Any, str]:
        if option(self, options, "fps"):
            return number_option(self, options, "fps"), "declared", "rate as set by the user"
        for place in ("metadata", "flags"):
            rate = meta.get(place, {}).get("frame_rate")
            if isinstance(rate, int | float) and 0 < rate < 1000:
                return float(rate), "measured", f"{rate} frames per second, from {place}"
        return 12.0, "declared", "metadata.json states no rate: MOVi's 12 frames per second"


class _SceneFrames:
    """Frames of a scene by their position."""

    def __init__(self, folder: Path, frames: Sequence[int], K: NDArray[np.float64]) -> None:
        self._folder = folder
        self._frames = frames
        self._K = K

    def frame(self, index: int) -> CapturedFrame:
        number = self._frames[index]
        rgb = read_rgb(self._folder / f"rgba_{number:05d}.png")
        problems: list[str] = []
        depth = instance = None
        try:
            depth = self._planar(read_float(self._folder / f"depth_{number:05d}.tiff"))
        except DatasetError as error:
            problems.append(str(error))
        try:
            instance = read_palette_ids(self._folder / f"segmentation_{number:05d}.png")
        except DatasetError as error:
            problems.append(str(error))
        return CapturedFrame(
            rgb_hw3=rgb,
            z_depth_hw=depth,
            instance_hw=None if instance is None else instance.astype(np.int32),
            problems=tuple(problems),
        )

    def _planar(self, range_m_hw: NDArray[np.float32]) -> NDArray[np.float32]:
        directions = camera_directions(self._K, *range_m_hw.shape)
        z_m = range_m_hw / np.linalg.norm(directions, axis=-1)
        known = np.isfinite(z_m) & (z_m > 0) & (range_m_hw < _FAR_M)
        return np.where(known, z_m, 0.0).astype(np.float32)


def _metadata(folder: Path) -> Mapping[str, Any]:
    try:
        meta = read_foreign_json(folder / "metadata.json", max_bytes=_MAX_BYTES)
    except ContractError as error:
        raise DatasetError(f"{folder.name}: {error}") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("camera"), dict):
        raise DatasetError(f"{folder.name}/metadata.json has no object `camera`")
    return meta


def _camera(
    meta: Mapping[str, Any], frames: Sequence[int], width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K, and world_T_cam per frame in OpenCV's axes."""
    camera = meta["camera"]
    try:
        focal_px = width * float(camera["focal_length"]) / float(camera["sensor_width"])
        positions = np.asarray(camera["positions"], np.float64)[frames]
        rotations = rotation_wxyz(np.asarray(camera["quaternions"], np.float64)[frames])
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise DatasetError(
            f"metadata.json: camera needs focal_length, sensor_width, and positions and "
            f"quaternions of all {frames[-1] + 1} frames ({type(error).__name__}: {error})"
        ) from error
    if positions.shape != (len(frames), 3) or not np.isfinite(positions).all() or focal_px <= 0:
        raise DatasetError("metadata.json: camera.positions are not three finite numbers each")
    K = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
    return K, rigid(rotations @ _GL_T_CV, positions)


def _objects(
    meta: Mapping[str, Any], frames: Sequence[int]
) -> tuple[tuple[CapturedObject, ...], list[str]]:
    """The objects, whose id in the segmentation is their place in the list plus one."""
    objects, problems = [], []
    names: dict[str, int] = {}
    for place, each in enumerate(meta.get("instances", [])):
        base = str(each.get("asset_id") or each.get("shape") or "object")[:80]
        names[base] = names.get(base, 0) + 1
        name = base if names[base] == 1 else f"{base} {names[base]}"
        try:
            pose, size_m = _pose_and_size(each, frames)
        except (KeyError, TypeError, ValueError, IndexError, DatasetError) as error:
            problems.append(f"metadata.json: instance {place} ({name}) has no pose: {error}")
            pose, size_m = None, None
        objects.append(
            CapturedObject(
                id=place + 1,
                name=name,
                category=str(each.get("category", ""))[:80],
                size_m=size_m,
                world_T_obj_t44=pose,
            )
        )
    return tuple(objects), problems


def _pose_and_size(
    each: Mapping[str, Any], frames: Sequence[int]
) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    """Pose of the box's centre and its extents, from the corners (x slowest, z fastest)."""
    corners = np.asarray(each["bboxes_3d"], np.float64)[frames]
    rotations = rotation_wxyz(np.asarray(each["quaternions"], np.float64)[frames])
    if corners.shape != (len(frames), 8, 3) or rotations.shape != (len(frames), 3, 3):
        raise DatasetError("bboxes_3d and quaternions are not 8x3 and 4 numbers per frame")
    edges = np.stack([corners[:, i] - corners[:, 0] for i in (4, 2, 1)], axis=1)
    x, y, z = np.linalg.norm(edges, axis=-1).mean(axis=0).tolist()
    return rigid(rotations, corners.mean(axis=1)), (x, y, z)
