"""Checks of a partial truth: every field in its range, or an error that names it and the way out.

The same checks run before a sidecar is written and after one is read, as anybody may write one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from p4d.errors import TruthError
from p4d.truth.parts import (
    Background,
    PartialTruth,
    Poses,
    Scale,
    SeenObject,
    StoredFlow,
    Times,
    Up,
)
from p4d.worlds.sidecar import MAX_M

LARGEST_RESIDUE = 1e-3
"""Of R R' - I: below it, a rotation was rounded (text with six decimals) and is projected to SO(3);
above it, it is none."""
_EXACT_RESIDUE = 1e-9
MAX_INSTANCE = 255
MAX_FLOW_PX = 1e5
MAX_FRAMES = 1_000_000
_WORDS = {"scale": Scale, "up": Up, "times": Times, "background": Background}


def checked(truth: PartialTruth, name: str) -> PartialTruth:
    """Check everything but the maps, which `checked_depth` and the like check frame by frame.

    Args:
        truth: as a reader filled it.
        name: of the file, for errors.

    Returns:
        The same with rotations projected to SO(3) and intrinsics per frame.

    Raises:
        TruthError: a field is out of range; the message names file, field and way out.
    """
    _check_words(truth, name)
    frames = _checked_times(truth.pts_ns, name)
    for part in ("depth", "instances", "flow"):
        maps = getattr(truth, part)
        if maps is not None and len(maps) != frames:
            raise TruthError(
                f"{name}: {part} has {len(maps)} frames, the video {frames}; give None for a frame "
                f"that has none, and pair maps with frames by time, not by number"
            )
    _check_objects(truth, name)
    return replace(
        truth,
        K_t33=None if truth.K_t33 is None else _checked_K(truth, frames, name),
        camera=None if truth.camera is None else _checked_poses(truth.camera, (frames,), name),
        object_poses=(
            None
            if truth.object_poses is None
            else _checked_poses(
                truth.object_poses, (len(truth.objects), frames), name, "object_poses"
            )
        ),
    )


def checked_depth(
    z_hw: NDArray[np.floating], truth: PartialTruth, frame: int, name: str
) -> NDArray[np.float32]:
    """One depth map in its range.

    Raises:
        TruthError: of another size, not finite, negative or beyond all scenes.
    """
    z_hw = np.asarray(z_hw)
    _check_size(z_hw.shape, truth, "depth", frame, name)
    if not np.isfinite(z_hw).all():
        raise TruthError(f"{name}: depth of frame {frame} is not finite; write 0 where unknown")
    if z_hw.size and (z_hw.min() < 0 or z_hw.max() > MAX_M):
        raise TruthError(
            f"{name}: depth of frame {frame} runs from {float(z_hw.min()):g} to "
            f"{float(z_hw.max()):g}, expected 0 to {MAX_M:g}; write 0 where unknown"
        )
    return np.ascontiguousarray(z_hw, np.float32)


def checked_instances(
    ids_hw: NDArray[np.integer], truth: PartialTruth, frame: int, name: str
) -> NDArray[np.uint8]:
    """One map of object ids, all of which the objects table has.

    Raises:
        TruthError: of another size, of no whole numbers, or with an id that the table lacks.
    """
    ids_hw = np.asarray(ids_hw)
    _check_size(ids_hw.shape, truth, "instances", frame, name)
    if ids_hw.dtype.kind not in "iub":
        raise TruthError(f"{name}: instances of frame {frame} are {ids_hw.dtype}, expected uint8")
    known = {item.instance for item in truth.objects}
    if ids_hw.size and (ids_hw.min() < 0 or ids_hw.max() > MAX_INSTANCE):
        raise TruthError(
            f"{name}: instances of frame {frame} run from {int(ids_hw.min())} to "
            f"{int(ids_hw.max())}, expected 0 to {MAX_INSTANCE}; renumber them "
            "(p4d.truth.renumbered)"
        )
    found = set(np.flatnonzero(np.bincount(ids_hw.astype(np.uint8).ravel())).tolist())
    if strange := sorted(found - known - {0}):
        raise TruthError(
            f"{name}: frame {frame} shows instance {strange[0]}, which the objects table lacks; "
            "list it there, or write 0 for its pixels"
        )
    return np.ascontiguousarray(ids_hw, np.uint8)


def checked_flow(stored: StoredFlow, truth: PartialTruth, frame: int, name: str) -> StoredFlow:
    """One map of backward flow; unknown pixels are 0.

    Raises:
        TruthError: of another size, or not finite where its mask marks it as known.
    """
    flow_hw2, valid_hw = np.asarray(stored[0]), np.asarray(stored[1]).astype(bool)
    if flow_hw2.ndim != 3 or flow_hw2.shape[-1] != 2:
        raise TruthError(
            f"{name}: flow of frame {frame} has shape {flow_hw2.shape}, expected [height, width, 2]"
        )
    _check_size(flow_hw2.shape[:2], truth, "flow", frame, name)
    _check_size(valid_hw.shape, truth, "validity of flow", frame, name)
    if frame == 0 and valid_hw.any():
        raise TruthError(
            f"{name}: frame 0 has flow, and no frame before it; flow is backward, from each frame "
            "to the one before: shift forward flow only after turning it round"
        )
    known = flow_hw2[valid_hw]
    if known.size and not (np.isfinite(known).all() and np.abs(known).max() <= MAX_FLOW_PX):
        raise TruthError(
            f"{name}: flow of frame {frame} holds {_largest(known)} where it is said to be known; "
            f"mark values that are not finite or beyond {MAX_FLOW_PX:g} px as unknown"
        )
    flow_hw2 = np.where(valid_hw[..., None], flow_hw2, 0).astype(np.float32)
    return np.ascontiguousarray(flow_hw2), valid_hw


def _largest(values: NDArray[np.floating]) -> str:
    bad = values[~np.isfinite(values)]
    return f"{float(bad[0]) if bad.size else float(np.abs(values).max()):g}"


def _check_size(
    shape: tuple[int, ...], truth: PartialTruth, part: str, frame: int, name: str
) -> None:
    if tuple(shape) == (truth.height_px, truth.width_px):
        return
    found = "x".join(map(str, reversed(shape)))
    swapped = tuple(reversed(shape)) == (truth.height_px, truth.width_px)
    way_out = (
        "rows and columns are swapped"
        if swapped
        else "resize it to the video's size, by nearest neighbour; if another camera took it, "
        "project it into the camera of the video"
    )
    raise TruthError(
        f"{name}: {part} of frame {frame} is {found} px, the video "
        f"{truth.width_px}x{truth.height_px} px; {way_out}"
    )


def _check_words(truth: PartialTruth, name: str) -> None:
    for field, kind in _WORDS.items():
        value = getattr(truth, field)
        if value not in get_args(kind):
            allowed = " or ".join(map(repr, get_args(kind)))
            raise TruthError(f"{name}: {field} is {ascii(value)[:80]}, expected {allowed}")
    for field in ("width_px", "height_px"):
        value = getattr(truth, field)
        if type(value) is not int or value < 1:
            raise TruthError(f"{name}: {field} is {ascii(value)[:80]}, expected a number of pixels")
    for field, most in (("depth_sigma_ratio", 1.0), ("pose_sigma_m", MAX_M)):
        value = getattr(truth, field)
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise TruthError(f"{name}: {field} is {ascii(value)[:80]}, expected 0 to {most:g}")


def _checked_times(pts_ns: NDArray[np.int64], name: str) -> int:
    pts_ns = np.asarray(pts_ns)
    if pts_ns.dtype.kind not in "iu" or pts_ns.ndim != 1:
        raise TruthError(
            f"{name}: pts_ns is {pts_ns.dtype}{pts_ns.shape}, expected whole nanoseconds, one per "
            "frame of the video"
        )
    if not 1 <= len(pts_ns) <= MAX_FRAMES:
        raise TruthError(f"{name}: pts_ns has {len(pts_ns)} frames, expected 1 to {MAX_FRAMES}")
    steps = np.diff(pts_ns.astype(np.int64))
    if (steps <= 0).any():
        frame = int(np.argmax(steps <= 0)) + 1
        raise TruthError(
            f"{name}: pts_ns does not increase at frame {frame}; sort frames by time and keep one "
            "of two with equal times"
        )
    return len(pts_ns)


def _checked_K(truth: PartialTruth, frames: int, name: str) -> NDArray[np.float64]:
    K = np.asarray(truth.K_t33, np.float64)
    if K.shape not in ((3, 3), (frames, 3, 3)):
        raise TruthError(
            f"{name}: K_t33 has shape {K.shape}, expected (3, 3), or ({frames}, 3, 3): one per "
            "frame of the video"
        )
    K_t33 = np.broadcast_to(K, (frames, 3, 3)).copy()
    if not np.isfinite(K_t33).all():
        raise TruthError(
            f"{name}: K_t33 is not finite; leave intrinsics out if those of a frame are unknown"
        )
    focal_px, centre_px = K_t33[:, (0, 1), (0, 1)], K_t33[:, :2, 2]
    if (focal_px <= 0).any() or (K_t33[:, 2] != (0, 0, 1)).any():
        raise TruthError(
            f"{name}: K_t33 holds a matrix that is no camera's, expected positive focal lengths "
            "in pixels and a last row 0 0 1"
        )
    if K_t33[:, (0, 1), (1, 0)].any():
        raise TruthError(f"{name}: K_t33 has skew; undistort and rectify the frames first")
    size_px = np.array([truth.width_px, truth.height_px])
    if (centre_px < -size_px).any() or (centre_px > 2 * size_px).any():
        raise TruthError(
            f"{name}: K_t33 has its principal point far outside of {truth.width_px}x"
            f"{truth.height_px} px; scale it to the size of the video "
            "(p4d.geometry.cameras.scale_intrinsics)"
        )
    return K_t33


def _checked_poses(poses: Poses, shape: tuple[int, ...], name: str, field: str = "camera") -> Poses:
    matrix, valid = np.asarray(poses.matrix, np.float64), np.asarray(poses.valid)
    if valid.dtype != bool or valid.shape != shape or matrix.shape != (*shape, 4, 4):
        raise TruthError(
            f"{name}: {field} has poses {matrix.shape} with validity {valid.dtype}{valid.shape}, "
            f"expected {(*shape, 4, 4)} with bool{shape}: one per frame of the video, unknown ones "
            "marked as not valid"
        )
    known = matrix[valid]
    where = np.argwhere(valid)

    def refuse(wrong: NDArray[np.bool_] | np.bool_, what: str) -> None:
        if np.any(wrong):
            frame = where[int(np.argmax(wrong))]
            shown = f"frame {frame[-1]}" + (f" of object {frame[0]}" if len(frame) == 2 else "")
            raise TruthError(f"{name}: {field} of {shown} {what}")

    refuse(
        ~np.isfinite(known).all(axis=(1, 2)),
        "is not finite; mark lost poses as not valid (None in Poses.of)",
    )
    refuse((known[:, 3] != (0, 0, 0, 1)).any(axis=1), "is no pose: its last row is not 0 0 0 1")
    refuse(
        (np.abs(known[:, :3, 3]) > MAX_M).any(axis=1),
        f"is more than {MAX_M:g} m from the origin; move the origin to the first pose",
    )
    rotation = known[:, :3, :3]
    residue = np.abs(rotation @ rotation.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2), initial=0.0)
    refuse(
        (residue > LARGEST_RESIDUE) | (np.linalg.det(rotation) <= 0),
        f"is no rotation: off by more than {LARGEST_RESIDUE:g}, or mirrored; if it holds a scale, "
        "divide it out",
    )
    fixed = known.copy()
    rounded = residue > _EXACT_RESIDUE
    fixed[rounded, :3, :3] = nearest_rotations(rotation[rounded])
    result = np.broadcast_to(np.eye(4), matrix.shape).copy()
    result[valid] = fixed
    return Poses(matrix=result, valid=valid)


def nearest_rotations(matrices_n33: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotations nearest to matrices [N, 3, 3] (Frobenius norm), by SVD."""
    u, _, vt = np.linalg.svd(np.asarray(matrices_n33, np.float64))
    turned = np.ones(u.shape[:-1])
    turned[..., -1] = np.sign(np.linalg.det(u @ vt))
    return np.asarray((u * turned[..., None, :]) @ vt)


def _check_objects(truth: PartialTruth, name: str) -> None:
    if truth.instances is None and truth.object_poses is None and truth.objects:
        raise TruthError(
            f"{name}: objects are listed, and neither instances nor object_poses show where they "
            "are; leave them out"
        )
    if len(truth.objects) > MAX_INSTANCE:
        raise TruthError(
            f"{name}: {len(truth.objects)} objects, at most {MAX_INSTANCE} in a video; keep the "
            "largest (p4d.truth.renumbered)"
        )
    for item in truth.objects:
        _check_object(item, name)
    numbers = [item.instance for item in truth.objects]
    if len(set(numbers)) != len(numbers):
        raise TruthError(f"{name}: object instances {numbers} are not unique")


def _check_object(item: SeenObject, name: str) -> None:
    number = item.instance
    if type(number) is not int or not 1 <= number <= MAX_INSTANCE:
        raise TruthError(
            f"{name}: instance {ascii(number)[:80]} of an object, expected an int from 1 to "
            f"{MAX_INSTANCE}; renumber (p4d.truth.renumbered)"
        )
    for field in ("name", "shape", "colour", "motion"):
        if not isinstance(getattr(item, field), str):
            raise TruthError(f"{name}: {field} of object {number} is no text; unknown is ''")
    if item.size_m is None:
        return
    if (
        not isinstance(item.size_m, tuple)
        or len(item.size_m) != 3
        or not all(
            type(each) in (int, float) and math.isfinite(each) and 0 <= each <= MAX_M
            for each in item.size_m
        )
    ):
        raise TruthError(
            f"{name}: size_m of object {number} is {ascii(item.size_m)[:80]}, expected three "
            f"numbers from 0 to {MAX_M:g}, or None if unknown"
        )
