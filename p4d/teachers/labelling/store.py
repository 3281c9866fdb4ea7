"""The label store: dense labels of a shard, compressed frame by frame in one safetensors file.

Each frame is one payload with an entry in an offset index, so that a reader can unpack single
frames. Payloads are compressed with blosc2 (zstd level 3, bit shuffle, one thread, fixed block
size), so equal labels give equal bytes.

| modality | stored as | error |
|---|---|---|
| depth_thw (planar) | float16 | relative 2^-11 |
| flow_px_thw2 (backward, px of its own grid) | int16 at 1/64 px | 1/128 px |
| motion_thw (probability) | uint8 / 255 | 1/510 |
| valid_thw, flow_valid_thw | packed bits | none |
| world_T_cam_t44, K_t33 (of the map grid) | float64 | none |
| rays_thw6 (on the token grid of a network) | float16 | relative 2^-11 |

Exact rays are not stored, because 704 bytes of poses and intrinsics determine them
(p4d/geometry/rays.py). Latents do not compress; they are stored raw, as float16, in
`latents.safetensors` under `{clip_id}.{teacher}`, [H, T / tubelet, h, w, D].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from p4d.artifacts import Arrays, write_arrays
from p4d.errors import LabelError
from p4d.teachers.protocol import LabelArrays, check_labels

CODEC = "p4d-labels-1"
LABELS_FILE = "labels.safetensors"
LATENTS_FILE = "latents.safetensors"
FLOW_STEPS_PER_PX = 64
_BLOCK_BYTES = 1 << 15  # by default blosc2 uses the sizes of the machine's caches

MASKS = ("valid_thw", "flow_valid_thw")
CAMERAS = ("world_T_cam_t44", "K_t33")
SHORT_NAMES = {
    "depth": "depth_thw",
    "valid": "valid_thw",
    "flow": "flow_px_thw2",
    "flow_valid": "flow_valid_thw",
    "motion": "motion_thw",
    "rays": "rays_thw6",
}
PACKED = {"depth_thw": np.float16, "flow_px_thw2": np.int16, "motion_thw": np.uint8}
_NAMES = sorted({*SHORT_NAMES.values(), *CAMERAS})


class LabelWriter:
    """Collects and encodes the labels of a shard; `write` writes the two files."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray] = {}
        self._latents: dict[str, NDArray] = {}
        self._shapes: dict[str, list[int]] = {}
        self._added: set[tuple[str, str]] = set()

    def add(self, clip_id: str, teacher: str, arrays: LabelArrays) -> None:
        """Encode the label of one clip.

        Raises:
            LabelError: the label breaks the contract, or exists already; nothing of it is kept.
        """
        if (clip_id, teacher) in self._added:
            raise LabelError(f"clip {clip_id} already has a label by {teacher}")
        check_labels(arrays)
        self._added.add((clip_id, teacher))
        for modality, values in arrays.present().items():
            key = f"{clip_id}.{teacher}.{modality}"
            if modality in PACKED:
                payload, offsets = _pack(_quantised(modality, values))
                self._arrays |= {key: payload, f"{key}.off": offsets}
            elif modality in MASKS:
                self._arrays[key] = np.packbits(
                    values.astype(bool).reshape(len(values), -1), axis=1
                )
            else:
                kind = np.float64 if modality in CAMERAS else np.float16
                self._arrays[key] = values.astype(kind)
            self._shapes[key] = list(values.shape)
        if arrays.latents is not None:
            self._latents[f"{clip_id}.{teacher}"] = arrays.latents.astype(np.float16)

    def stored(self) -> LabelStore:
        """Read what is stored so far, as a reader of the files would."""
        meta = {"codec": CODEC, "shapes": self._shapes}
        return LabelStore.of(Path("labels"), self._arrays, self._latents, meta)

    def write(self, folder: Path) -> None:
        """Write `labels.safetensors` and `latents.safetensors`."""
        meta = {"codec": CODEC, "flow_steps_per_px": FLOW_STEPS_PER_PX, "shapes": self._shapes}
        write_arrays(folder / LABELS_FILE, self._arrays, meta=meta)
        write_arrays(folder / LATENTS_FILE, self._latents)


class LabelStore:
    """Reads the labels of one shard."""

    def __init__(self, folder: Path) -> None:
        """Open the store in `folder`; payloads are read on demand.

        Raises:
            LabelError: the file was written by another codec.
        """
        labels = Arrays(folder / LABELS_FILE)
        self._open(folder, labels, Arrays(folder / LATENTS_FILE), labels.meta)

    @classmethod
    def of(
        cls,
        folder: Path,
        labels: Mapping[str, NDArray],
        latents: Mapping[str, NDArray],
        meta: Mapping[str, Any],
    ) -> LabelStore:
        """A store whose arrays are in memory; `folder` is named in errors."""
        store = cls.__new__(cls)
        store._open(folder, labels, latents, meta)
        return store

    def _open(
        self,
        folder: Path,
        labels: Mapping[str, NDArray],
        latents: Mapping[str, NDArray],
        meta: Mapping[str, Any],
    ) -> None:
        self._folder, self._arrays, self._latents = folder, labels, latents
        if meta.get("codec") != CODEC:
            found = meta.get("codec")
            raise LabelError(f"{folder / LABELS_FILE}: codec {found!r}, this reads {CODEC!r}")
        self._shapes: dict[str, list[int]] = meta["shapes"]

    def has(self, clip_id: str, teacher: str, modality: str) -> bool:
        """Whether the clip has a label of `modality` by `teacher`."""
        name = SHORT_NAMES.get(modality, modality)
        return f"{clip_id}.{teacher}.{name}" in self._shapes

    def shape(self, clip_id: str, teacher: str, modality: str) -> tuple[int, ...]:
        """Shape of one modality of one label, without decoding it.

        Raises:
            LabelError: the label does not exist.
        """
        return tuple(self._shapes[self._key(clip_id, teacher, modality)])

    def labels(self) -> list[tuple[str, str]]:
        """(clip_id, teacher) of every label, sorted."""
        return sorted({tuple(key.split(".")[:2]) for key in self._shapes})  # type: ignore[misc]

    def get(
        self, clip_id: str, teacher: str, modality: str, frames: slice | None = None
    ) -> NDArray[Any]:
        """Decode one modality of one label; with `frames`, only these frames.

        `modality` is a name of the table above or its short form (`depth`, `flow`, `motion`).

        Depth, rays, flow (px) and motion (probability) are float32, masks bool, cameras float64.

        Raises:
            LabelError: the label does not exist.
        """
        modality = SHORT_NAMES.get(modality, modality)
        key = self._key(clip_id, teacher, modality)
        shape = self._shapes[key]
        chosen = range(shape[0])[frames or slice(None)]
        stored = self._arrays[key]
        if modality in MASKS:
            bits = np.unpackbits(stored[chosen], axis=1, count=int(np.prod(shape[1:])))
            return bits.astype(bool).reshape(len(chosen), *shape[1:])
        if modality in CAMERAS:
            return stored[chosen]
        if modality not in PACKED:
            return stored[chosen].astype(np.float32)
        offsets = self._arrays[f"{key}.off"]
        # One thread: a frame has a few kilobytes, and starting threads costs ten times as much.
        parts = [
            blosc2.decompress2(stored[offsets[t] : offsets[t + 1]].tobytes(), nthreads=1)
            for t in chosen
        ]
        raw = np.frombuffer(b"".join(parts), PACKED[modality]).reshape(len(chosen), *shape[1:])
        return _restored(modality, raw)

    def _key(self, clip_id: str, teacher: str, modality: str) -> str:
        name = SHORT_NAMES.get(modality, modality)
        key = f"{clip_id}.{teacher}.{name}"
        if key not in self._shapes:
            raise LabelError(f"{self._folder}: no {name} of clip {clip_id} by {teacher}")
        return key

    def get_all(self, clip_id: str, teacher: str) -> Mapping[str, NDArray[Any]]:
        """All modalities of one label, without latents."""
        names = [name for name in _NAMES if self.has(clip_id, teacher, name)]
        return {name: self.get(clip_id, teacher, name) for name in names}

    def has_latents(self, clip_id: str, teacher: str) -> bool:
        """Whether the clip has latents by `teacher`."""
        return f"{clip_id}.{teacher}" in self._latents

    def latents(self, clip_id: str, teacher: str = "expert4d") -> NDArray[np.float16]:
        """Raw latents [H, T / tubelet, h, w, D] of one clip.

        Raises:
            LabelError: the label has no latents.
        """
        key = f"{clip_id}.{teacher}"
        if key not in self._latents:
            raise LabelError(f"{self._folder}: no latents of clip {clip_id} by {teacher}")
        return self._latents[key]


def _quantised(modality: str, values: NDArray) -> NDArray:
    if modality == "flow_px_thw2":
        return np.rint(values * FLOW_STEPS_PER_PX).astype(np.int16)
    if modality == "motion_thw":
        return np.rint(values * 255).astype(np.uint8)
    return values.astype(np.float16)


def _restored(modality: str, raw: NDArray) -> NDArray[np.float32]:
    values = raw.astype(np.float32)
    if modality == "flow_px_thw2":
        return values / np.float32(FLOW_STEPS_PER_PX)
    if modality == "motion_thw":
        return values / np.float32(255)
    return values


def _pack(frames: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Concatenated payloads, one per frame, and their offsets [T + 1]."""
    payloads = [
        blosc2.compress2(
            np.ascontiguousarray(frame).tobytes(),
            codec=blosc2.Codec.ZSTD,
            clevel=3,
            filters=[blosc2.Filter.BITSHUFFLE],
            typesize=frames.dtype.itemsize,
            blocksize=_BLOCK_BYTES,
            nthreads=1,
        )
        for frame in frames
    ]
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in payloads])]).astype(np.int64)
    return np.frombuffer(b"".join(payloads), np.uint8), offsets
