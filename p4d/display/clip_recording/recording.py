"""A clip as a Rerun recording: content in space, content in the picture, texts.

Every teacher has a space of its own, because each has its own world: that of exact truth is the
world of the scene (z up), that of a teacher without one is the camera of the first frame. Cameras
have OpenCV axes (x right, y down, z forward), which Rerun calls RDF. Lengths are metres where the
scale is metric.

| entity | what |
|---|---|
| `TEACHER/world` | its axes |
| `TEACHER/world/camera` | `world_T_cam` of every frame |
| `TEACHER/world/camera/picture`, `.../regions` | frames and masks of regions, behind a pinhole |
| `TEACHER/world/camera/depth` | planar depth, behind the pinhole of the maps |
| `TEACHER/world/points` | every valid pixel in the world, in its colour |
| `TEACHER/world/path` | the centres of the camera |
| `TEACHER/maps/picture`, `.../motion` | frames and probability of motion, on the grid of the maps |
| `TEACHER/maps/flow` | backward flow, in px of that grid |
| `clip/picture`, `clip/regions` | frames and masks without a camera |
| `facts/KIND/REGIONS` | values over time, with a line of text each in `facts` |
| `questions` | text, options and answer, at the start of what is asked about |

The timeline `clip` counts seconds from the start of the clip, `frame` its frames.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from p4d.display.clip_recording.contents import ClipContents
from p4d.errors import ContractError
from p4d.geometry.map_grid import picture_intrinsics, sample_map

SECONDS, FRAME = "clip", "frame"
POINT_RADIUS_PX = 2.5
LEAST_FLOW_PX = 0.25
"""Shorter arrows are not drawn."""


def rerun_module() -> ModuleType:
    """The package rerun.

    Raises:
        ContractError: it is not installed.
    """
    try:
        import rerun
    except ImportError as error:
        raise ContractError(
            "looking at a clip in 3D needs rerun-sdk, which is not installed: "
            "pip install 'p4d[view]', or in a checkout: pip install -e '.[view]'"
        ) from error
    return rerun  # type: ignore[no-any-return]


def write_recording(contents: ClipContents, path: Path) -> None:
    """Write the recording of a clip.

    Raises:
        ContractError: rerun is not installed.
    """
    rr = rerun_module()
    path.parent.mkdir(parents=True, exist_ok=True)
    with rr.RecordingStream("p4d", recording_id=contents.clip_id) as stream:
        stream.save(str(path))
        writer = _Writer(rr, stream, contents)
        writer.clip()
        for teacher, labels in contents.labels.items():
            writer.teacher(teacher, labels)
        writer.facts()
        writer.questions()
        stream.send_blueprint(_blueprint(contents))
        stream.flush()


def points_of(
    depth_hw: np.ndarray, valid_hw: np.ndarray, K: np.ndarray, world_T_cam: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """World points of all valid pixels `[N, 3]`, and which pixels they are, `[H, W]` bool.

    Args:
        depth_hw: planar depth.
        valid_hw: where it is valid.
        K: intrinsics of this grid, with pixel centres at i + 0.5.
        world_T_cam: pose.
    """
    there = valid_hw.astype(bool) & np.isfinite(depth_hw) & (depth_hw > 0)
    v, u = np.nonzero(there)
    pixels = np.stack([u + 0.5, v + 0.5, np.ones(len(u))])
    in_camera = np.linalg.inv(K) @ pixels * depth_hw[there]
    return (world_T_cam[:3, :3] @ in_camera + world_T_cam[:3, 3:]).T, there


class _Writer:
    """Logs the parts of one clip into a stream."""

    def __init__(self, rr: ModuleType, stream: Any, contents: ClipContents) -> None:  # noqa: ANN401
        self._rr, self._stream, self._clip = rr, stream, contents
        labels = [(0, "background"), *((int(r["mark"]), _name(r)) for r in contents.regions)]
        stream.log("/", rr.AnnotationContext(labels), static=True)

    def _at(self, frame: int) -> None:
        self._stream.set_time(FRAME, sequence=frame)
        self._stream.set_time(SECONDS, duration=float(self._clip.times_s[frame]))

    def _during(self, start_s: float) -> None:
        self._stream.disable_timeline(FRAME)
        self._stream.set_time(SECONDS, duration=start_s)

    def clip(self) -> None:
        """Frames, and masks of regions, in the plane of the picture."""
        rr, marked = self._rr, self._marked()
        for frame, rgb in enumerate(self._clip.rgb_thw3):
            self._at(frame)
            self._stream.log("clip/picture", rr.Image(rgb))
            self._stream.log("clip/regions", rr.SegmentationImage(marked[frame]))

    def _marked(self) -> np.ndarray:
        """Per pixel the mark of its region, `[T, S, S]` u8; 0 without."""
        marked = np.zeros(self._clip.rgb_thw3.shape[:3], np.uint8)
        for row, mask in zip(self._clip.regions, self._clip.masks_kthw, strict=False):
            marked[mask.astype(bool)] = row["mark"]
        return marked

    def teacher(self, teacher: str, labels: Mapping[str, np.ndarray]) -> None:
        """What a teacher gives; a modality that it does not give is left out."""
        rr = self._rr
        has_camera = {"world_T_cam_t44", "K_t33"} <= labels.keys()
        if has_camera:
            poses = labels["world_T_cam_t44"]
            first = np.allclose(poses[0], np.eye(4), atol=1e-6)
            axes = rr.ViewCoordinates.RDF if first else rr.ViewCoordinates.RIGHT_HAND_Z_UP
            self._stream.log(f"{teacher}/world", axes, static=True)
            path = rr.LineStrips3D([poses[:, :3, 3]])
            self._stream.log(f"{teacher}/world/path", path, static=True)
        for frame in range(len(self._clip.rgb_thw3)):
            self._at(frame)
            if has_camera:
                self._camera(teacher, labels, frame)
            self._maps(teacher, labels, frame)

    def _camera(self, teacher: str, labels: Mapping[str, np.ndarray], frame: int) -> None:
        rr, clip, root = self._rr, self._clip, f"{teacher}/world/camera"
        pose, K = labels["world_T_cam_t44"][frame], labels["K_t33"][frame]
        size_px = clip.rgb_thw3.shape[1]
        maps = [labels[name] for name in ("depth_thw", "motion_thw") if name in labels]
        map_px = maps[0].shape[1] if maps else size_px
        self._stream.log(root, rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
        of_picture = picture_intrinsics(K[None], size_px, map_px)[0]
        self._stream.log(f"{root}/picture", _pinhole(rr, of_picture, size_px))
        self._stream.log(f"{root}/picture", rr.Image(clip.rgb_thw3[frame]))
        marked = rr.SegmentationImage(self._marked()[frame])
        self._stream.log(f"{root}/picture/regions", marked)
        if "depth_thw" not in labels:
            return
        depth = labels["depth_thw"][frame]
        valid = labels["valid_thw"][frame] if "valid_thw" in labels else np.isfinite(depth)
        shown = np.where(valid, depth, 0).astype(np.float32)
        self._stream.log(f"{root}/depth", _pinhole(rr, K, map_px))
        self._stream.log(f"{root}/depth", rr.DepthImage(shown, meter=1.0))
        points, there = points_of(depth, valid, K, pose)
        colours = sample_map(clip.rgb_thw3[frame : frame + 1], map_px)[0][there]
        # Negative: pixels of the screen, as gaps between points depend on the depth.
        spots = rr.Points3D(points, colors=colours, radii=-POINT_RADIUS_PX)
        self._stream.log(f"{teacher}/world/points", spots)

    def _maps(self, teacher: str, labels: Mapping[str, np.ndarray], frame: int) -> None:
        rr = self._rr
        flow, motion = labels.get("flow_px_thw2"), labels.get("motion_thw")
        grid = flow if flow is not None else motion
        if grid is not None:
            picture = sample_map(self._clip.rgb_thw3[frame : frame + 1], grid.shape[1])[0]
            self._stream.log(f"{teacher}/maps/picture", rr.Image(picture))
        if motion is not None:
            grey = rr.Image(motion[frame].astype(np.float32), color_model="L")
            self._stream.log(f"{teacher}/maps/motion", grey)
        if flow is None:
            return
        valid = labels["flow_valid_thw"][frame] if "flow_valid_thw" in labels else True
        drawn = valid & (np.linalg.norm(flow[frame], axis=-1) >= LEAST_FLOW_PX)
        v, u = np.nonzero(drawn)
        arrows = rr.Arrows2D(origins=np.stack([u + 0.5, v + 0.5], 1), vectors=flow[frame][drawn])
        self._stream.log(f"{teacher}/maps/flow", arrows)

    def facts(self) -> None:
        """Values from the start to the end of their intervals, and each as a line of text."""
        rr, marks = self._rr, {r["region_id"]: int(r["mark"]) for r in self._clip.regions}
        for row in sorted(self._clip.facts, key=lambda each: each["fact_id"]):
            of = "_".join(f"obj_{marks[each]}" for each in row["region_ids"] if each in marks)
            place = f"facts/{_part(row['kind'])}/{of or 'clip'}"
            start_s, end_s = row["start_ns"] / 1e9, row["end_ns"] / 1e9
            self._during(start_s)
            self._stream.log("facts", rr.TextLog(_fact_text(row, of)))
            if row["value"] is not None and np.isfinite(row["value"]):
                for time_s in dict.fromkeys((start_s, end_s)):
                    self._during(time_s)
                    self._stream.log(place, rr.Scalars([row["value"]]))

    def questions(self) -> None:
        """Text, options and answer, at the first instant that a question's facts are about."""
        starts = {row["fact_id"]: row["start_ns"] / 1e9 for row in self._clip.facts}
        for row in sorted(self._clip.questions, key=lambda each: each["qa_id"]):
            at = [starts[each] for each in row["fact_ids"] or [] if each in starts]
            self._during(min(at, default=0.0))
            options = " ".join(f"{'ABCDE'[n]}. {text}" for n, text in enumerate(row["options"]))
            text = f"{row['qa_id']}: {row['question']} {options} Answer: {row['answer']}"
            self._stream.log("questions", self._rr.TextLog(text))


def _pinhole(rr: ModuleType, K: np.ndarray, size_px: int) -> Any:  # noqa: ANN401
    return rr.Pinhole(
        image_from_camera=K, resolution=(size_px, size_px), camera_xyz=rr.ViewCoordinates.RDF
    )


def _fact_text(row: Mapping[str, Any], of: str) -> str:
    value = row["value_text"] or f"{row['value']:.4g} {row['unit']}"
    sigma = f" (sigma {row['sigma']:.2g})" if row["sigma"] is not None else ""
    return (
        f"{row['kind']} {of}: {value}{sigma}, {row['start_ns'] / 1e9:.2f} s to "
        f"{row['end_ns'] / 1e9:.2f} s, {row['frame']}, {row['teacher']}"
    )


def _name(region: Mapping[str, Any]) -> str:
    return f"obj_{region['mark']}" + (f" {region['name']}" if region["name"] else "")


def _part(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _blueprint(contents: ClipContents) -> Any:  # noqa: ANN401
    import rerun.blueprint as rrb

    teachers = list(contents.labels)
    # The points are in the colours of the frames; those of the depth map would cover them.
    seen = ["+ $origin/**", "- $origin/camera/depth"]
    views = [
        rrb.Spatial3DView(origin=f"/{name}/world", name=f"{name}: world", contents=seen)
        for name in teachers
    ]
    flat = [
        rrb.Spatial2DView(origin="/clip", name="regions"),
        *(rrb.Spatial2DView(origin=f"/{name}/maps", name=f"{name}: flow, motion")
          for name in teachers),
    ]  # fmt: skip
    said = [
        rrb.TextLogView(origin="/questions", name="questions"),
        rrb.TextLogView(origin="/facts", name="facts"),
        rrb.TimeSeriesView(origin="/facts", name="facts over time"),
    ]
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(rrb.Tabs(*views) if views else rrb.Tabs(*flat[:1]), rrb.Tabs(*flat)),
            rrb.Tabs(*said),
            row_shares=[3, 1],
        )
    )
