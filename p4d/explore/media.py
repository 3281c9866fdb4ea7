"""Pictures of one clip: its frames, marks and maps, from the published arrays, as PNG or JPEG.

Frames of a clip lie side by side in one picture (a strip), so that a page needs one request per
map and all of them show the same instant. Pictures are kept in memory by the stamp of their file.
"""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError

from p4d.artifacts import Arrays
from p4d.drawing import depth_rgb, flow_rgb, motion_rgb, png
from p4d.errors import DecodeError, LabelError, MissingError
from p4d.explore.tables import Stamp
from p4d.foreign_text import one_line
from p4d.project import Project

if TYPE_CHECKING:
    from p4d.teachers.labelling.store import LabelStore

MODALITIES = ("depth", "flow", "motion")

_KEPT = 256
"""Pictures in memory; a strip has some 50 kB."""

_SHOWN_PX = 384
"""About the side of a marked picture for people."""

_BACKGROUND = (1, 2, 3)
"""A colour that no mark has: what keeps it was not drawn on."""


@dataclass(frozen=True, kw_only=True)
class MapScale:
    """What the colours of a clip's maps mean, the same for all of its frames.

    Attributes:
        near, far: depth of the first and of the last colour, in `unit`.
        unit: m, or "relative": the labels of a teacher without metric scale have no unit.
        longest_px: flow of full saturation, pixels of the map.
        map_px: side of the maps.
        frames: how many.
        modalities: those that this teacher labelled.
    """

    near: float
    far: float
    unit: str
    longest_px: float
    map_px: int
    frames: int
    modalities: tuple[str, ...]


class Media:
    """Pictures of the clips of one project."""

    def __init__(self, project: Project) -> None:
        """Nothing is drawn yet."""
        self._data = project.data
        self._drawn = functools.lru_cache(maxsize=_KEPT)(self._draw)
        self._decoding = threading.Lock()

    # --- what pages ask for -------------------------------------------------------------------

    def frames_strip(self, shard: str, clip_id: str) -> bytes:
        """The frames as a student sees them, PNG.

        Raises:
            MissingError: they are not there, or unreadable. So do all functions below.
        """
        return self._picture("frames", shard, clip_id)

    def marked(self, shard: str, clip_id: str) -> bytes:
        """The first frame with its marks, enlarged for people, PNG."""
        return self._picture("marked", shard, clip_id)

    def marks_strip(self, shard: str, clip_id: str) -> bytes:
        """Outlines and numbers of the regions in every frame, on nothing, PNG with alpha."""
        return self._picture("marks", shard, clip_id)

    def map_strip(self, shard: str, clip_id: str, teacher: str, modality: str) -> bytes:
        """The maps of one teacher in every frame, on the scale of `map_scale`, PNG."""
        return self._picture(f"map {modality}", shard, clip_id, teacher)

    def source_frame(self, video: Path, frame_index: int) -> bytes:
        """One frame of a source video at its own resolution, JPEG; for what no browser plays.

        Args:
            video: the published source file.
            frame_index: position in presentation order, from 0.
        """
        with self._decoding:  # a decoder that many requests start at once would take all memory
            return self._drawn("source", _stamp(video), "", "", str(frame_index))

    def map_scale(self, shard: str, clip_id: str, teacher: str, scale_kind: str) -> MapScale:
        """What the colours of a teacher's maps mean."""
        with _reading(f"labels of {clip_id} by {teacher}"):
            maps = self._maps(shard, clip_id, teacher)
            near, far = _depth_range(maps)
            return MapScale(
                near=near,
                far=far,
                unit="m" if scale_kind == "metric" else "relative",
                longest_px=_longest_px(maps),
                map_px=next(iter(maps.values())).shape[2],
                frames=len(next(iter(maps.values()))),
                modalities=tuple(m for m in MODALITIES if _NAMES[m] in maps),
            )

    def values(self, shard: str, clip_id: str, teacher: str, modality: str) -> bytes:
        """The values of a map, little-endian float32 [T, H, W] or, of flow, [T, H, W, 2].

        Invalid pixels are NaN.
        """
        with _reading(f"{modality} of {clip_id} by {teacher}"):
            maps = self._maps(shard, clip_id, teacher)
            found = maps[_NAMES[modality]].astype("<f4")
            valid = maps.get("flow_valid_thw" if modality == "flow" else "valid_thw")
            if valid is not None and modality != "motion":
                found[~valid] = np.nan
            return found.tobytes()

    # --- drawing ------------------------------------------------------------------------------

    def _picture(self, kind: str, shard: str, clip_id: str, teacher: str = "") -> bytes:
        stage, name = _FILES[kind.partition(" ")[0]]
        return self._drawn(kind, _stamp(self._data / stage / shard / name), shard, clip_id, teacher)

    def _draw(self, kind: str, stamp: Stamp, shard: str, clip_id: str, of: str) -> bytes:
        what, _, modality = kind.partition(" ")
        with _reading(f"{what} of {clip_id}" if clip_id else stamp.path.name):
            if what == "source":
                return _jpeg(_decoded(stamp.path, int(of)))
            if what == "frames":
                return png(_strip(self._rgb_thw3(shard, clip_id)))
            if what == "marked":
                return png(self._marked(shard, clip_id))
            if what == "marks":
                return _rgba_png(_strip(self._marks_thw4(shard, clip_id)))
            return png(_strip(self._map_thw3(shard, clip_id, of, modality)))

    def _rgb_thw3(self, shard: str, clip_id: str) -> np.ndarray:
        folder = self._data / "clips" / shard
        return Arrays(folder / "frames.safetensors")[f"{clip_id}.rgb_thw3"]

    def _masks_kthw(self, shard: str, clip_id: str) -> np.ndarray:
        folder = self._data / "regions" / shard
        return Arrays(folder / "masks.safetensors")[f"{clip_id}.masks_kthw"]

    def _marked(self, shard: str, clip_id: str) -> np.ndarray:
        from p4d.questions.regions.marks import draw_marks

        first_hw3 = self._rgb_thw3(shard, clip_id)[0]
        scale = max(1, round(_SHOWN_PX / first_hw3.shape[0]))
        try:
            masks_khw = self._masks_kthw(shard, clip_id)[:, 0]
        except (KeyError, OSError, SafetensorError):  # a clip without regions
            masks_khw = np.zeros((0, *first_hw3.shape[:2]), bool)
        return draw_marks(first_hw3, masks_khw, scale=scale)

    def _marks_thw4(self, shard: str, clip_id: str) -> np.ndarray:
        from p4d.questions.regions.marks import draw_marks

        masks_kthw = self._masks_kthw(shard, clip_id)
        size = masks_kthw.shape[2:]
        ground_hw3 = np.full((*size, 3), _BACKGROUND, np.uint8)
        scale = max(1, round(_SHOWN_PX / size[0]))
        drawn = []
        for t in range(masks_kthw.shape[1]):
            rgb_hw3 = draw_marks(ground_hw3, masks_kthw[:, t], scale=scale)
            alpha_hw = (rgb_hw3 != np.array(_BACKGROUND, np.uint8)).any(-1) * np.uint8(255)
            drawn.append(np.dstack([rgb_hw3, alpha_hw]))
        return np.stack(drawn)

    def _maps(self, shard: str, clip_id: str, teacher: str) -> dict[str, np.ndarray]:
        store = _store(_stamp(self._data / "labels" / shard / "labels.safetensors"))
        names = (*_NAMES.values(), "valid_thw", "flow_valid_thw")
        found = {
            name: store.get(clip_id, teacher, name)
            for name in names
            if store.has(clip_id, teacher, name)
        }
        if not found:
            raise LabelError(f"{teacher} has no label of {clip_id}")
        return found

    def _map_thw3(self, shard: str, clip_id: str, teacher: str, modality: str) -> np.ndarray:
        maps = self._maps(shard, clip_id, teacher)
        values = maps[_NAMES[modality]]
        if modality == "depth":
            near, far = _depth_range(maps)
            valid = maps.get("valid_thw", np.ones(values.shape, bool))
            drawn = [
                depth_rgb(v, ok, near=near, far=far) for v, ok in zip(values, valid, strict=True)
            ]
        elif modality == "flow":
            valid = maps.get("flow_valid_thw", np.ones(values.shape[:3], bool))
            longest = _longest_px(maps) or 1.0
            drawn = [
                flow_rgb(v, ok, longest_px=longest) for v, ok in zip(values, valid, strict=True)
            ]
        else:
            frames = self._rgb_thw3(shard, clip_id)
            drawn = [motion_rgb(v, rgb) for v, rgb in zip(values, frames, strict=True)]
        return np.stack(drawn)


_NAMES = {"depth": "depth_thw", "flow": "flow_px_thw2", "motion": "motion_thw"}

_FILES = {
    "frames": ("clips", "frames.safetensors"),
    "marked": ("clips", "frames.safetensors"),
    "marks": ("regions", "masks.safetensors"),
    "map": ("labels", "labels.safetensors"),
}
"""By kind of picture, the stage and file that it is drawn from."""


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Report an array that is missing or damaged as such.

    Raises:
        MissingError: of `what`, with the reader's reason.
    """
    try:
        yield
    except MissingError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise MissingError(f"{what}: unreadable ({one_line(error)})") from error
    except (LabelError, DecodeError) as error:
        raise MissingError(f"{what}: {one_line(error)}") from error


def _stamp(path: Path) -> Stamp:
    stamp = Stamp.of(path)
    if stamp is None:
        raise MissingError(f"{path.parent.parent.name}/{path.parent.name}/{path.name} is not there")
    return stamp


@functools.lru_cache(maxsize=4)
def _store(stamp: Stamp) -> LabelStore:
    """The labels of a shard; its header lists every payload and takes long to read.

    Payloads are mapped into memory and only read, so several requests may share it.
    """
    from p4d.teachers.labelling.store import LabelStore

    return LabelStore(stamp.path.parent)


def _depth_range(maps: dict[str, np.ndarray]) -> tuple[float, float]:
    """The 2nd and the 98th percentile of the valid depths of a clip."""
    if "depth_thw" not in maps:
        return 0.0, 0.0
    depth = maps["depth_thw"]
    shown = np.isfinite(depth) & (depth > 0)
    if "valid_thw" in maps:
        shown &= maps["valid_thw"]
    if not shown.any():
        return 0.0, 0.0
    near, far = np.percentile(depth[shown], [2, 98])
    return float(near), float(far)


def _longest_px(maps: dict[str, np.ndarray]) -> float:
    if "flow_px_thw2" not in maps:
        return 0.0
    length = np.linalg.norm(maps["flow_px_thw2"], axis=-1)
    shown = np.isfinite(length)
    if "flow_valid_thw" in maps:
        shown &= maps["flow_valid_thw"]
    return float(length[shown].max()) if shown.any() else 0.0


def _strip(pictures: np.ndarray) -> np.ndarray:
    """[T, H, W, C] as [H, T * W, C]."""
    return np.concatenate(list(pictures), axis=1)


def _rgba_png(rgba_hw4: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgba_hw4, "RGBA").save(stream, "PNG")
    return stream.getvalue()


def _jpeg(rgb_hw3: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb_hw3)).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def _decoded(video: Path, frame_index: int) -> Any:  # noqa: ANN401 - an array of this shape
    """One frame of a video, u8 [H, W, 3]; all frames before it are decoded too."""
    from p4d.video.decoding.decode import decode  # loads FFmpeg

    for frame in decode(video):
        if frame.index == frame_index:
            return frame.rgb()
    raise DecodeError(f"{video.name} has no frame {frame_index}")


def depth_key() -> bytes:
    """The colours of depth from near to far, PNG 256 x 1."""
    return png(depth_rgb(np.geomspace(1.0, 100.0, 256)[None], near=1.0, far=100.0))


def flow_key(side_px: int = 96) -> bytes:
    """The wheel of flow: a pixel has the colour of the flow that points to it, PNG."""
    ramp = np.linspace(-1, 1, side_px)
    flow_hw2 = np.stack(np.meshgrid(ramp, ramp), axis=-1)
    wheel = flow_rgb(flow_hw2, longest_px=1.0)
    outside = np.linalg.norm(flow_hw2, axis=-1) > 1
    alpha = np.where(outside, 0, 255).astype(np.uint8)
    return _rgba_png(np.dstack([wheel, alpha]))
