"""The format of the truth sidecar: `NAME.truth.safetensors` beside `NAME.mp4`.

The sidecar is one safetensors file. Poses, times and intrinsics are plain arrays. Depth and
instance maps are one byte string per frame, compressed with blosc2 (zstd, bit shuffle), so that a
clip decodes only its own frames. The metadata entry `meta` carries the format version, the size and
the objects table. Flow and motion are not stored, because they follow from the rest (truth.py).
Depth is float32 with the last 7 mantissa bits cleared: a relative error below 8e-6 halves the file.

This format needs everything, as simulated worlds have it. Datasets write the second one, in which
every part is optional (p4d/truth).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import blosc2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from p4d.artifacts import Arrays, write_arrays
from p4d.errors import ContractError, TruthError
from p4d.foreign_json import check_foreign
from p4d.sidecars import TRUTH_SUFFIX, sidecar_path
from p4d.worlds.truth import (
    ClipTruth,
    FrameMaps,
    TruthObject,
    WorldTruth,
    check_against,
)

__all__ = ["ClipTruth", "TruthObject", "WorldTruth", "check_against", "path_for", "read", "write"]

FORMAT = "p4d-truth-1"
MAX_M = 1e6
"""Largest depth, size and distance from the origin. Beyond it, flow loses its precision."""
_KEPT_MANTISSA_MASK = np.uint32(0xFFFFFF80)
_ARRAYS = {
    "pts_ns": ("int64", "T"),
    "K_t33": ("float64", "T33"),
    "world_T_cam_t44": ("float64", "T44"),
    "world_T_obj_kt44": ("float64", "KT44"),
    "depth_bytes": ("uint8", "*"),
    "depth_offsets": ("int64", "O"),
    "instance_bytes": ("uint8", "*"),
    "instance_offsets": ("int64", "O"),
}


def path_for(video: Path) -> Path:
    """The truth sidecar of a video: `a.mp4` -> `a.truth.safetensors`."""
    return sidecar_path(video, TRUTH_SUFFIX)


def write(path: Path, truth: WorldTruth) -> None:
    """Write a truth sidecar; equal truth gives equal bytes."""
    depth, instance = [], []
    for index in range(len(truth.pts_ns)):
        z_m, ids = truth.frames[index]
        depth.append(compressed_map(rounded_map(z_m)))
        instance.append(compressed_map(np.ascontiguousarray(ids, np.uint8)))
    arrays: dict[str, np.ndarray] = {
        "pts_ns": truth.pts_ns.astype(np.int64),
        "K_t33": truth.K_t33.astype(np.float64),
        "world_T_cam_t44": truth.world_T_cam_t44.astype(np.float64),
        "world_T_obj_kt44": truth.world_T_obj_kt44.astype(np.float64),
    }
    for name, chunks in (("depth", depth), ("instance", instance)):
        arrays[f"{name}_bytes"] = np.frombuffer(b"".join(chunks), np.uint8)
        arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
    meta = {
        "format": FORMAT,
        "width_px": truth.width_px,
        "height_px": truth.height_px,
        "objects": [asdict(item) for item in truth.objects],
    }
    write_arrays(path, arrays, meta=meta)


def read(path: Path, name: str | None = None) -> WorldTruth:
    """Read and check a truth sidecar. Each frame's maps are decompressed when they are read.

    Args:
        path: of the file.
        name: of the file in errors, if it was copied under another name.

    Raises:
        TruthError: the file is unreadable, of another format, or contradicts itself.
    """
    shown = name or path.name
    try:
        stored = Arrays(path)
        arrays = {each: stored[each] for each in _ARRAYS}
    except KeyError as error:
        raise TruthError(f"{shown}: array {error} is missing") from error
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise TruthError(f"{shown} is not a readable truth sidecar: {error}") from error
    width_px, height_px, objects = _read_meta(shown, stored.meta)
    _check_shapes(shown, arrays, len(objects))
    _check_values(shown, arrays, objects)
    return WorldTruth(
        pts_ns=arrays["pts_ns"],
        width_px=width_px,
        height_px=height_px,
        K_t33=arrays["K_t33"],
        world_T_cam_t44=arrays["world_T_cam_t44"],
        world_T_obj_kt44=arrays["world_T_obj_kt44"],
        objects=objects,
        frames=_CompressedFrames(shown, arrays, (height_px, width_px), objects),
    )


def _read_meta(name: str, meta: object) -> tuple[int, int, tuple[TruthObject, ...]]:
    """Width, height and objects of a sidecar, whose metadata anybody may have written."""
    try:
        check_foreign(meta, f"the metadata of {name}")
    except ContractError as error:
        raise TruthError(str(error)) from error
    if not isinstance(meta, dict):
        raise TruthError(f"{name}: the metadata is no object")
    if meta.get("format") != FORMAT:
        raise TruthError(f"{name}: format {ascii(meta.get('format'))[:80]}, expected {FORMAT!r}")
    try:
        objects = tuple(_read_object(name, item) for item in meta["objects"])
        width_px, height_px = meta["width_px"], meta["height_px"]
    except (KeyError, TypeError, ValueError) as error:
        raise TruthError(f"{name}: metadata is incomplete: {error}") from error
    for size in (width_px, height_px):
        if type(size) is not int or size < 1:
            raise TruthError(f"{name}: size {ascii(size)[:80]} is no number of pixels")
    return width_px, height_px, objects


def _read_object(name: str, item: dict[str, object]) -> TruthObject:
    """One row of the objects table; raises TypeError or KeyError for one of other fields."""
    found = TruthObject(**{**item, "size_m": tuple(item["size_m"])})  # type: ignore[arg-type]
    for field in ("instance", "k"):
        if type(getattr(found, field)) is not int:
            raise TruthError(f"{name}: {field} of an object is no whole number")
    for field in ("name", "shape", "colour", "motion"):
        if not isinstance(getattr(found, field), str):
            raise TruthError(f"{name}: {field} of an object is no text")
    sizes_m = found.size_m
    if len(sizes_m) != 3 or not all(type(s) in (int, float) and 0 <= s <= MAX_M for s in sizes_m):
        raise TruthError(
            f"{name}: {found.name!r} has size {ascii(sizes_m)[:80]}, expected three numbers of "
            f"metres from 0 to {MAX_M:g}"
        )
    return found


class _CompressedFrames(Sequence[FrameMaps]):
    """Maps of a sidecar, decompressed one frame at a time."""

    def __init__(
        self,
        name: str,
        arrays: dict[str, np.ndarray],
        shape: tuple[int, int],
        objects: tuple[TruthObject, ...],
    ) -> None:
        self._name = name
        self._arrays = arrays
        self._shape = shape
        self._last_instance = max((item.instance for item in objects), default=0)

    def __len__(self) -> int:
        return len(self._arrays["pts_ns"])

    def __getitem__(self, index: int) -> FrameMaps:  # type: ignore[override]
        z_m = self._map("depth", index, np.dtype(np.float32))
        instance = self._map("instance", index, np.dtype(np.uint8))
        if not np.isfinite(z_m).all():
            raise TruthError(f"{self._name}: depth of frame {index} is not finite (unknown is 0)")
        if z_m.size and (z_m.min() < 0 or z_m.max() > MAX_M):
            raise TruthError(f"{self._name}: depth of frame {index} is not from 0 to {MAX_M:g} m")
        if int(instance.max(initial=0)) > self._last_instance:
            raise TruthError(
                f"{self._name}: frame {index} shows instance {int(instance.max())}, "
                f"the objects table ends at {self._last_instance}"
            )
        return z_m, instance

    def _map(self, kind: str, index: int, dtype: np.dtype) -> np.ndarray:
        offsets = self._arrays[f"{kind}_offsets"]
        chunk = self._arrays[f"{kind}_bytes"][offsets[index] : offsets[index + 1]]
        try:
            raw = blosc2.decompress2(chunk.tobytes())
        except (RuntimeError, ValueError, TypeError) as error:
            raise TruthError(f"{self._name}: {kind} of frame {index} is damaged") from error
        values = np.frombuffer(raw, dtype)
        if values.size != self._shape[0] * self._shape[1]:
            raise TruthError(
                f"{self._name}: {kind} of frame {index} has {values.size} pixels, "
                f"expected {self._shape[1]}x{self._shape[0]}"
            )
        return values.reshape(self._shape)


def rounded_map(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Values with the last 7 mantissa bits cleared: a relative error below 8e-6."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    # Half of the last kept bit is added first: the error is then centred.
    return ((bits + np.uint32(0x40)) & _KEPT_MANTISSA_MASK).view(np.float32)


def compressed_map(values: np.ndarray) -> bytes:
    """One map as one chunk; equal values give equal bytes."""
    payload = blosc2.compress2(
        values,
        codec=blosc2.Codec.ZSTD,
        clevel=3,
        typesize=values.dtype.itemsize,
        filters=[blosc2.Filter.BITSHUFFLE],
        nthreads=1,
    )
    return bytes(payload)


def _check_shapes(name: str, arrays: dict[str, np.ndarray], k: int) -> None:
    t = len(arrays["pts_ns"])
    shapes: dict[str, tuple[int, ...]] = {
        "T": (t,), "T33": (t, 3, 3), "T44": (t, 4, 4), "KT44": (k, t, 4, 4), "O": (t + 1,),
    }  # fmt: skip
    for key, (dtype, kind) in _ARRAYS.items():
        array = arrays[key]
        expected = shapes.get(kind, array.shape)
        if str(array.dtype) != dtype or array.shape != expected:
            raise TruthError(
                f"{name}: {key} is {array.dtype}{array.shape}, expected {dtype}{expected}"
            )


def _check_values(
    name: str, arrays: dict[str, np.ndarray], objects: tuple[TruthObject, ...]
) -> None:
    if (np.diff(arrays["pts_ns"]) <= 0).any():
        raise TruthError(f"{name}: pts_ns does not increase")
    for key in ("K_t33", "world_T_cam_t44", "world_T_obj_kt44"):
        if not np.isfinite(arrays[key]).all():
            raise TruthError(f"{name}: {key} is not finite")
    focal_px = arrays["K_t33"][:, (0, 1), (0, 1)]
    if (focal_px <= 0).any() or (arrays["K_t33"][:, 2] != (0, 0, 1)).any():
        raise TruthError(f"{name}: K_t33 holds a matrix that is no camera's")
    for key in ("world_T_cam_t44", "world_T_obj_kt44"):
        if (np.abs(arrays[key][..., :3, 3]) > MAX_M).any():
            raise TruthError(f"{name}: {key} holds a position more than {MAX_M:g} m away")
        if (arrays[key][..., 3, :] != (0, 0, 0, 1)).any():
            raise TruthError(f"{name}: {key} holds a matrix that is no pose")
        rotation = arrays[key][..., :3, :3]
        residue = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3))
        if residue.size and (residue.max() > 1e-6 or np.linalg.det(rotation).min() < 0):
            raise TruthError(f"{name}: {key} holds a matrix that is not a rotation")
    for kind in ("depth", "instance"):
        offsets = arrays[f"{kind}_offsets"]
        if offsets[0] != 0 or offsets[-1] != arrays[f"{kind}_bytes"].size:
            raise TruthError(f"{name}: {kind} is truncated")
    instances = [item.instance for item in objects]
    if len(set(instances)) != len(instances) or not all(1 <= i <= 255 for i in instances):
        raise TruthError(f"{name}: object instances {instances} are not unique in 1..255")
    if sorted(item.k for item in objects) != list(range(len(objects))):
        raise TruthError(f"{name}: object rows k are not 0..{len(objects) - 1}")
    if len({item.name for item in objects}) != len(objects):
        raise TruthError(f"{name}: object names repeat")
