"""The second format of the truth sidecar, `p4d-truth-2`: every part is optional.

One safetensors file beside the video, as the first format (p4d/worlds/sidecar.py) is:

| array | shape | there if the truth has |
|---|---|---|
| `pts_ns` | i64 [T] | always |
| `K_t33` | f64 [T, 3, 3] | intrinsics |
| `world_T_cam_t44`, `world_T_cam_valid_t` | f64 [T, 4, 4], u8 [T] | camera poses |
| `world_T_obj_kt44`, `world_T_obj_valid_kt` | f64 [K, T, 4, 4], u8 [K, T] | object poses |
| `depth_bytes`, `depth_offsets` | u8, i64 [T + 1] | depth: f32 maps, 0 unknown |
| `instance_bytes`, `instance_offsets` | u8, i64 [T + 1] | instances: u8 maps |
| `flow_bytes`, `flow_offsets` | u8, i64 [T + 1] | flow: f32 maps of (u, v) |
| `flow_valid_bytes`, `flow_valid_offsets` | u8, i64 [T + 1] | flow: u8 maps |

Maps are one blosc2 chunk per frame (zstd, bit shuffle); a frame without a map has an empty chunk.
The metadata entry `meta` has `format`, `width_px`, `height_px`, `scale`, `up`, `times`,
`background`, `depth_sigma_ratio`, `pose_sigma_m` and `objects`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from p4d.artifacts import write_arrays
from p4d.errors import TruthError
from p4d.truth.checks import checked, checked_depth, checked_flow, checked_instances
from p4d.truth.parts import PartialTruth, Poses, SeenObject, StoredFlow
from p4d.worlds.sidecar import compressed_map, rounded_map

FORMAT = "p4d-truth-2"
_STATED = ("scale", "up", "times", "background", "depth_sigma_ratio", "pose_sigma_m")
_KINDS = {
    "pts_ns": "int64",
    "K_t33": "float64",
    "world_T_cam_t44": "float64",
    "world_T_cam_valid_t": "uint8",
    "world_T_obj_kt44": "float64",
    "world_T_obj_valid_kt": "uint8",
}
_MAPS = ("depth", "instance", "flow", "flow_valid")


def write(path: Path, truth: PartialTruth) -> None:
    """Check a truth and write it; equal truth gives equal bytes.

    Maps are read, checked and compressed frame by frame, so they may be decoded when they are read.

    Raises:
        TruthError: a field is out of range; the message names file, field and way out.
    """
    name = path.name
    truth = checked(truth, name)
    arrays: dict[str, np.ndarray] = {"pts_ns": truth.pts_ns.astype(np.int64)}
    if truth.K_t33 is not None:
        arrays["K_t33"] = truth.K_t33
    for poses, field, axes in (
        (truth.camera, "world_T_cam", "t"),
        (truth.object_poses, "world_T_obj", "kt"),
    ):
        if poses is not None:
            arrays[f"{field}_{axes}44"] = poses.matrix
            arrays[f"{field}_valid_{axes}"] = poses.valid.astype(np.uint8)
    for kind, chunks in _chunks(truth, name).items():
        arrays[f"{kind}_bytes"] = np.frombuffer(b"".join(chunks), np.uint8)
        arrays[f"{kind}_offsets"] = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
    meta = {
        "format": FORMAT,
        "width_px": truth.width_px,
        "height_px": truth.height_px,
        "objects": [asdict(item) for item in truth.objects],
        **{field: getattr(truth, field) for field in _STATED},
    }
    write_arrays(path, arrays, meta=meta)


def read(name: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> PartialTruth:
    """Check the content of a sidecar of this format; maps are checked when they are read.

    Raises:
        TruthError: the file contradicts itself, or a field is out of range.
    """
    _check_names(name, arrays)
    frames = len(arrays["pts_ns"])
    shape = (meta.get("height_px"), meta.get("width_px"))
    packed = {
        kind: _Packed(name, kind, arrays, frames, shape)
        for kind in _MAPS
        if f"{kind}_bytes" in arrays
    }
    # Until fields are checked, packed maps stand for their lengths.
    lengths: dict[str, Any] = {
        part: packed.get(kind)
        for part, kind in (("depth", "depth"), ("instances", "instance"), ("flow", "flow"))
    }
    depth, instances, flow = packed.get("depth"), packed.get("instance"), packed.get("flow")
    try:
        unchecked = PartialTruth(
            pts_ns=arrays["pts_ns"],
            width_px=meta["width_px"],
            height_px=meta["height_px"],
            objects=tuple(_read_object(name, item) for item in meta["objects"]),
            K_t33=arrays.get("K_t33"),
            camera=_read_poses(name, arrays, "world_T_cam", "t"),
            object_poses=_read_poses(name, arrays, "world_T_obj", "kt"),
            **{field: meta[field] for field in _STATED},
            **lengths,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TruthError(f"{name}: metadata is incomplete: {error}") from error
    truth = checked(unchecked, name)
    return replace(
        truth,
        depth=None if depth is None else _Depth(name, depth, truth),
        instances=None if instances is None else _Instances(name, instances, truth),
        flow=None if flow is None else _Flow(name, flow, packed["flow_valid"], truth),
    )


def _chunks(truth: PartialTruth, name: str) -> Mapping[str, Sequence[bytes]]:
    """Compressed maps by kind, one chunk per frame."""
    chunks: dict[str, list[bytes]] = {}
    for frame in range(len(truth.pts_ns)):
        if truth.depth is not None:
            z_hw = truth.depth[frame]
            z_hw = None if z_hw is None else checked_depth(z_hw, truth, frame, name)
            chunk = b"" if z_hw is None else compressed_map(rounded_map(z_hw))
            chunks.setdefault("depth", []).append(chunk)
        if truth.instances is not None:
            ids_hw = truth.instances[frame]
            ids_hw = None if ids_hw is None else checked_instances(ids_hw, truth, frame, name)
            chunk = b"" if ids_hw is None else compressed_map(ids_hw)
            chunks.setdefault("instance", []).append(chunk)
        if truth.flow is not None:
            stored = truth.flow[frame]
            found = None if stored is None else checked_flow(stored, truth, frame, name)
            flow, valid = (b"", b"")
            if found is not None:
                flow = compressed_map(rounded_map(found[0]))
                valid = compressed_map(found[1].astype(np.uint8))
            chunks.setdefault("flow", []).append(flow)
            chunks.setdefault("flow_valid", []).append(valid)
    return chunks


def _check_names(name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Every array is one of the format, of its type, and comes with those that belong to it."""
    if "pts_ns" not in arrays:
        raise TruthError(f"{name}: array pts_ns is missing")
    maps = {f"{kind}_{end}" for kind in _MAPS for end in ("bytes", "offsets")}
    if strange := sorted(set(arrays) - set(_KINDS) - maps):
        raise TruthError(f"{name}: {ascii(strange[0])[:80]} is no array of {FORMAT}")
    together = [
        ("world_T_cam_t44", "world_T_cam_valid_t"),
        ("world_T_obj_kt44", "world_T_obj_valid_kt"),
        *[(f"{kind}_bytes", f"{kind}_offsets") for kind in _MAPS],
        ("flow_bytes", "flow_valid_bytes"),
    ]
    for one, other in together:
        if (one in arrays) != (other in arrays):
            missing = other if one in arrays else one
            raise TruthError(f"{name}: array {missing} is missing")
    for key, array in arrays.items():
        expected = _KINDS.get(key) or ("uint8" if key.endswith("_bytes") else "int64")
        if str(array.dtype) != expected:
            raise TruthError(f"{name}: {key} is {array.dtype}, expected {expected}")


def _read_poses(name: str, arrays: Mapping[str, np.ndarray], field: str, axes: str) -> Poses | None:
    matrix = arrays.get(f"{field}_{axes}44")
    if matrix is None:
        return None
    valid = arrays[f"{field}_valid_{axes}"]
    if valid.size and valid.max() > 1:
        raise TruthError(f"{name}: {field}_valid_{axes} holds {int(valid.max())}, expected 0 or 1")
    return Poses(matrix=matrix, valid=valid.astype(bool))


def _read_object(name: str, item: Mapping[str, Any]) -> SeenObject:
    """One row of the table; raises TypeError or KeyError for one of other fields."""
    size_m = item["size_m"]
    if size_m is not None and not isinstance(size_m, list):
        raise TruthError(f"{name}: size_m of an object is {ascii(size_m)[:80]}, expected a list")
    return SeenObject(**{**item, "size_m": None if size_m is None else tuple(size_m)})


class _Packed:
    """Chunks of one kind of map."""

    def __init__(
        self,
        name: str,
        kind: str,
        arrays: Mapping[str, np.ndarray],
        frames: int,
        shape: tuple[Any, Any],
    ) -> None:
        self._name, self._kind, self._shape = name, kind, shape
        self._bytes, self._offsets = arrays[f"{kind}_bytes"], arrays[f"{kind}_offsets"]
        offsets = self._offsets
        if offsets.shape != (frames + 1,) or self._bytes.ndim != 1:
            raise TruthError(
                f"{name}: {kind} has {len(offsets) - 1} frames, the times {frames}; write one "
                "chunk per frame of the video, empty for a frame without a map"
            )
        if offsets[0] != 0 or offsets[-1] != self._bytes.size or (np.diff(offsets) < 0).any():
            raise TruthError(f"{name}: {kind} is truncated")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def get(self, frame: int, dtype: type, channels: int = 1) -> NDArray[Any] | None:
        """The map of a frame, [H, W] or [H, W, channels], or None."""
        chunk = self._bytes[self._offsets[frame] : self._offsets[frame + 1]]
        if not chunk.size:
            return None
        expected = self._shape[0] * self._shape[1] * channels
        try:
            raw = blosc2.decompress2(chunk.tobytes())
        except (RuntimeError, ValueError, TypeError) as error:
            raise TruthError(f"{self._name}: {self._kind} of frame {frame} is damaged") from error
        whole = len(raw) % np.dtype(dtype).itemsize == 0
        values: NDArray[Any] | None = np.frombuffer(raw, dtype) if whole else None
        if values is None or values.size != expected:
            raise TruthError(
                f"{self._name}: {self._kind} of frame {frame} has {len(raw)} bytes, expected "
                f"those of {self._shape[1]}x{self._shape[0]} px"
            )
        return values.reshape(self._shape if channels == 1 else (*self._shape, channels))


class _Depth:
    def __init__(self, name: str, packed: _Packed, truth: PartialTruth) -> None:
        self._name, self._packed, self._truth = name, packed, truth

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, index: int) -> NDArray[np.float32] | None:
        z_hw = self._packed.get(index, np.float32)
        return None if z_hw is None else checked_depth(z_hw, self._truth, index, self._name)


class _Instances:
    def __init__(self, name: str, packed: _Packed, truth: PartialTruth) -> None:
        self._name, self._packed, self._truth = name, packed, truth

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, index: int) -> NDArray[np.uint8] | None:
        ids_hw = self._packed.get(index, np.uint8)
        return None if ids_hw is None else checked_instances(ids_hw, self._truth, index, self._name)


class _Flow:
    def __init__(self, name: str, flow: _Packed, valid: _Packed, truth: PartialTruth) -> None:
        self._name, self._flow, self._valid, self._truth = name, flow, valid, truth

    def __len__(self) -> int:
        return len(self._flow)

    def __getitem__(self, index: int) -> StoredFlow | None:
        flow, valid = self._flow.get(index, np.float32, 2), self._valid.get(index, np.uint8)
        if flow is None and valid is None:
            return None
        if flow is None or valid is None:
            raise TruthError(f"{self._name}: flow of frame {index} lacks its values or validity")
        return checked_flow((flow, valid > 0), self._truth, index, self._name)
