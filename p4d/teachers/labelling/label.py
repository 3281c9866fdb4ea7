"""Stage `labels`: every teacher labels every clip it can; labels are stored and then measured.

A label that breaks the contract is a failed row with its reason and leaves no arrays; the shard
goes on. Statistics are taken from the store as written, so they also watch the codec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.artifacts import Arrays, read_table, write_table
from p4d.determinism import deterministic
from p4d.errors import LabelError
from p4d.geometry.map_grid import picture_intrinsics
from p4d.geometry.rays import rays_from_cameras
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.teachers import measures
from p4d.teachers.exact import truth_labels
from p4d.teachers.expert4d.network import read_config
from p4d.teachers.labelling.store import LabelStore, LabelWriter
from p4d.teachers.protocol import ClipInput, LabelArrays, Teacher
from p4d.teachers.registry import make_teacher

INDEX_SCHEMA = {
    "clip_id": pl.String,
    "teacher": pl.String,
    "teacher_digest": pl.String,
    "depth_kind": pl.String,
    "scale_kind": pl.String,
    "map_px": pl.Int64,
    "outcome": pl.String,
    "reason": pl.String,
}
COUNTS = ("n_nan", "n_inf")
MEASURED = (
    "coverage", "min", "p01", "p50", "p99", "max",
    "depth_absrel", "depth_delta1", "flow_epe_px", "flow_zero_epe_px", "motion_iou",
    "ray_angle_rad", "flow_cycle_px", "depth_scale_jump",
)  # fmt: skip
STATS_SCHEMA = (
    {"clip_id": pl.String, "teacher": pl.String, "modality": pl.String}
    | dict.fromkeys(COUNTS, pl.Int64)
    | dict.fromkeys(MEASURED, pl.Float64)
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of one clip under one teacher."""

    clip_id: str
    teacher: Teacher
    reason: str | None

    def row(self) -> dict[str, Any]:
        """The row of `index.parquet`."""
        return {
            "clip_id": self.clip_id,
            "teacher": self.teacher.name,
            "teacher_digest": self.teacher.digest,
            "depth_kind": self.teacher.depth_kind,
            "scale_kind": self.teacher.scale_kind,
            "map_px": self.teacher.map_px,
            "outcome": "ok" if self.reason is None else "failed",
            "reason": self.reason,
        }


def build_labels(inputs: StageInputs, out: Path) -> StageReport:
    """Label the shard's accepted clips with the configured teachers."""
    params = inputs.params("labels")
    expert_folder = inputs.folder("expert")
    teachers = [make_teacher(name, expert_folder) for name in params.teachers]
    tokens_hw = read_config(expert_folder).tokens_hw
    clips = ShardClips(inputs.folder("clips"))
    with deterministic(params.threads, seed_for("labels")):
        judged = label_clips(
            clips, teachers, out, batch=params.batch, tokens_hw=tokens_hw,
            progress=inputs.progress,
        )  # fmt: skip
    failed = sum(one.reason is not None for one in judged)
    stats = read_table(out / "label_stats.parquet").filter(pl.col("teacher") == "expert4d")
    metrics: dict[str, float | int | str] = {"labels": len(judged), "failed": failed}
    for name in ("depth_absrel", "flow_epe_px", "flow_zero_epe_px", "motion_iou"):
        mean = stats[name].mean()
        if isinstance(mean, float):
            metrics[name] = round(mean, 4)
    return StageReport(rows={"ok": len(judged) - failed, "failed": failed}, metrics=metrics)


class ShardClips:
    """The accepted clips of a shard, read one at a time."""

    def __init__(self, folder: Path) -> None:
        """Open `clips.parquet` and the array files of `folder`."""
        table = read_table(folder / "clips.parquet")
        kept = table.filter(pl.col("outcome") == "ok").sort("clip_id")
        self._has_truth = dict(kept.select("clip_id", "has_truth").iter_rows())
        self._frames = Arrays(folder / "frames.safetensors")
        self._truth = (
            Arrays(folder / "truth.safetensors") if any(self._has_truth.values()) else None
        )

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Sorted ids."""
        return tuple(self._has_truth)

    def has_truth(self, clip_id: str) -> bool:
        """Whether exact truth exists."""
        return bool(self._has_truth[clip_id])

    def read(self, clip_id: str) -> ClipInput:
        """Frames and truth of one clip.

        Raises:
            LabelError: an array that the table promises is missing.
        """
        try:
            truth = {name: self._truth_array(clip_id, name) for name in self._truth_names(clip_id)}
            rgb = self._frames[f"{clip_id}.rgb_thw3"]
        except KeyError as error:
            raise LabelError(f"clip {clip_id}: array {error} is missing") from error
        return ClipInput(clip_id=clip_id, rgb_thw3=rgb, truth=truth or None)

    def _truth_names(self, clip_id: str) -> Iterable[str]:
        if not self._has_truth[clip_id]:
            return ()
        return (
            "z_depth_m_thw", "valid_thw", "flow_px_thw2", "flow_valid_thw", "moving_thw",
            "world_T_cam_t44", "K_t33",
        )  # fmt: skip

    def _truth_array(self, clip_id: str, name: str) -> NDArray:
        if self._truth is None:
            raise KeyError(name)
        return self._truth[f"{clip_id}.{name}"]


def label_clips(
    clips: ShardClips,
    teachers: Sequence[Teacher],
    out: Path,
    *,
    batch: int,
    tokens_hw: int,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[Judged]:
    """Label, store and measure; writes the four files of a shard's labels to `out`.

    Args:
        clips: the clips.
        teachers: who labels; one that needs truth gets no row for a clip without.
        out: folder to write to.
        batch: clips per call of a teacher.
        tokens_hw: side of the grid on which exact rays are compared.
        progress: called after every batch.
    """
    writer = LabelWriter()
    judged: list[Judged] = []
    for teacher in teachers:
        wanted = [c for c in clips.clip_ids if clips.has_truth(c) or not teacher.needs_truth]
        for first in range(0, len(wanted), batch):
            chosen = wanted[first : first + batch]
            reasons = _label_batch(clips, teacher, chosen, writer)
            judged += [Judged(clip_id=c, teacher=teacher, reason=reasons[c]) for c in chosen]
            progress(first + len(chosen), len(wanted), f"labelled by {teacher.name}")
    writer.write(out)
    index = pl.DataFrame([one.row() for one in judged], schema=INDEX_SCHEMA)
    write_table(out / "index.parquet", index, sort_by=["clip_id", "teacher"])
    store = LabelStore(out)
    rows = [
        row
        for one in judged
        if one.reason is None
        for row in _statistics(store, one, clips.read(one.clip_id), tokens_hw)
    ]
    stats = pl.DataFrame(rows, schema=STATS_SCHEMA)
    write_table(out / "label_stats.parquet", stats, sort_by=["clip_id", "teacher", "modality"])
    return judged


def _label_batch(
    clips: ShardClips, teacher: Teacher, clip_ids: Sequence[str], writer: LabelWriter
) -> dict[str, str | None]:
    """Reason of failure, or None, by clip. A batch that fails is tried again clip by clip."""
    try:
        labels = teacher.label([clips.read(clip_id) for clip_id in clip_ids])
    except LabelError as error:
        if len(clip_ids) == 1:
            return {clip_ids[0]: str(error)}
        single = [_label_batch(clips, teacher, [clip_id], writer) for clip_id in clip_ids]
        return {clip_id: reason for one in single for clip_id, reason in one.items()}
    return {
        clip_id: _add(writer, clip_id, teacher.name, arrays)
        for clip_id, arrays in zip(clip_ids, labels, strict=True)
    }


def _add(writer: LabelWriter, clip_id: str, teacher: str, arrays: LabelArrays) -> str | None:
    try:
        writer.add(clip_id, teacher, arrays)
    except LabelError as error:
        return str(error)
    return None


def _statistics(
    store: LabelStore, judged: Judged, clip: ClipInput, tokens_hw: int
) -> list[dict[str, Any]]:
    """Rows of `label_stats.parquet` for one label, from what the store gives back."""
    teacher = judged.teacher
    label = store.get_all(judged.clip_id, teacher.name)
    truth = truth_labels(clip.truth, teacher.map_px).present() if clip.truth else None
    size_px = clip.rgb_thw3.shape[1]
    cycle_px, scale_jump = _reprojection(label)
    rows = []
    if "depth_thw" in label:
        valid = label["valid_thw"]
        rows.append(
            _row("depth", label["depth_thw"], valid)
            | _depth_errors(label, truth, teacher)
            | {"depth_scale_jump": scale_jump}
        )
    if "flow_px_thw2" in label:
        valid = label["flow_valid_thw"]
        row = _row("flow", label["flow_px_thw2"], valid)
        row["coverage"] = float(valid[1:].mean())  # the first frame has no flow by definition
        rows.append(row | _flow_errors(label, truth) | {"flow_cycle_px": cycle_px})
    if "motion_thw" in label:
        row = _row("motion", label["motion_thw"], None)
        if truth is not None:
            moving = truth["motion_thw"] > measures.MOTION_THRESHOLD
            row["motion_iou"] = measures.motion_iou(label["motion_thw"], moving)
        rows.append(row)
    rays = _rays(label, teacher.map_px, size_px, tokens_hw)
    if rays is not None:
        row = _row("rays", rays, None)
        if clip.truth is not None:
            grid, size = (tokens_hw, tokens_hw), (size_px, size_px)
            true_rays = rays_from_cameras(
                clip.truth["K_t33"], clip.truth["world_T_cam_t44"], size, grid
            )
            row["ray_angle_rad"] = measures.ray_angle_rad(rays, true_rays)
        rows.append(row)
    named = {"clip_id": judged.clip_id, "teacher": teacher.name}
    return [named | {key: _rounded(value) for key, value in row.items()} for row in rows]


def _row(modality: str, values: NDArray, valid: NDArray[np.bool_] | None) -> dict[str, Any]:
    known = values if valid is None else values[valid]
    finite = known[np.isfinite(known)]
    row: dict[str, Any] = {
        "modality": modality,
        "n_nan": int(np.isnan(values).sum()),
        "n_inf": int(np.isinf(values).sum()),
        "coverage": 1.0 if valid is None else float(valid.mean()),
    }
    if finite.size:
        ordered, last = np.sort(finite), finite.size - 1
        levels = np.interp(np.array([0, 0.01, 0.5, 0.99, 1]) * last, np.arange(last + 1), ordered)
        names = ("min", "p01", "p50", "p99", "max")
        row |= {name: float(level) for name, level in zip(names, levels, strict=True)}
    return row


def _depth_errors(
    label: Mapping[str, NDArray], truth: Mapping[str, NDArray] | None, teacher: Teacher
) -> dict[str, float | None]:
    if truth is None or teacher.depth_kind != "z":
        return {}
    both = label["valid_thw"] & truth["valid_thw"]
    depth = label["depth_thw"]
    if teacher.scale_kind == "relative":
        depth = depth * measures.scale_to(depth, truth["depth_thw"], both)
    return {
        "depth_absrel": measures.depth_absrel(depth, truth["depth_thw"], both),
        "depth_delta1": measures.depth_delta1(depth, truth["depth_thw"], both),
    }


def _flow_errors(
    label: Mapping[str, NDArray], truth: Mapping[str, NDArray] | None
) -> dict[str, float | None]:
    if truth is None:
        return {}
    flow, true_flow = label["flow_px_thw2"], truth["flow_px_thw2"]
    both = label["flow_valid_thw"] & truth["flow_valid_thw"]
    return {
        "flow_epe_px": measures.flow_epe_px(flow, true_flow, both),
        "flow_zero_epe_px": measures.flow_epe_px(np.zeros_like(flow), true_flow, both),
    }


def _reprojection(label: Mapping[str, NDArray]) -> tuple[float | None, float | None]:
    needed = ("depth_thw", "K_t33", "world_T_cam_t44", "flow_px_thw2", "motion_thw")
    if any(name not in label for name in needed):
        return None, None
    still = label["motion_thw"] < measures.MOTION_THRESHOLD
    return measures.reprojection(
        label["depth_thw"],
        label["K_t33"],
        label["world_T_cam_t44"],
        label["flow_px_thw2"],
        still & label["valid_thw"] & label["flow_valid_thw"],
    )


def _rays(
    label: Mapping[str, NDArray], map_px: int, size_px: int, tokens_hw: int
) -> NDArray | None:
    """The network's own rays, else those of the stored camera on the same grid."""
    if "rays_thw6" in label:
        return label["rays_thw6"]
    if "K_t33" not in label:
        return None
    picture_K = picture_intrinsics(label["K_t33"], size_px, map_px)
    size, grid = (size_px, size_px), (tokens_hw, tokens_hw)
    return rays_from_cameras(picture_K, label["world_T_cam_t44"], size, grid)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
