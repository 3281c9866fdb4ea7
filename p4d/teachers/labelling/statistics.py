"""Statistics of stored labels: coverage, quantiles, errors against truth, self-consistency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.geometry.map_grid import picture_intrinsics
from p4d.geometry.rays import rays_from_cameras
from p4d.teachers import measures
from p4d.teachers.exact import truth_labels
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.protocol import ClipInput, Teacher

Label = Mapping[str, NDArray]

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


def label_statistics(
    store: LabelStore, teacher: Teacher, clip: ClipInput, tokens_hw: int
) -> list[dict[str, Any]]:
    """Rows of `label_stats.parquet` for one label, one per modality.

    Args:
        store: the store that holds the label.
        teacher: the teacher of the label.
        clip: the labelled clip.
        tokens_hw: side of the grid on which exact rays are compared.
    """
    label = store.get_all(clip.clip_id, teacher.name)
    truth: Label = {}
    if clip.truth:
        truth = truth_labels(clip.truth, teacher.map_px, clip.truth_px).present()
    # One of unknown scale is compared after scaling.
    relative = "relative" in (teacher.scale_kind, clip.truth_scale)
    rows = [
        *_map_rows(label, truth, teacher, relative=relative),
        *_ray_rows(label, clip, teacher.map_px, tokens_hw),
    ]
    if not rows:  # a teacher of latents alone
        rows = [_row("latents", store.latents(clip.clip_id, teacher.name).astype(np.float32), None)]
    named = {"clip_id": clip.clip_id, "teacher": teacher.name}
    return [named | {key: _rounded(value) for key, value in row.items()} for row in rows]


def _map_rows(
    label: Label, truth: Label, teacher: Teacher, *, relative: bool
) -> Iterator[dict[str, Any]]:
    cycle_px, scale_jump = _reprojection(label)
    if "depth_thw" in label:
        yield (
            _row("depth", label["depth_thw"], label["valid_thw"])
            | _depth_errors(label, truth, teacher, relative=relative)
            | {"depth_scale_jump": scale_jump}
        )
    if "flow_px_thw2" in label:
        valid = label["flow_valid_thw"]
        row = _row("flow", label["flow_px_thw2"], valid)
        row["coverage"] = float(valid[1:].mean())  # the first frame has no flow by definition
        yield row | _flow_errors(label, truth) | {"flow_cycle_px": cycle_px}
    if "motion_thw" in label:
        row = _row("motion", label["motion_thw"], None)
        if "motion_thw" in truth:
            moving = truth["motion_thw"] > measures.MOTION_THRESHOLD
            row["motion_iou"] = measures.motion_iou(label["motion_thw"], moving)
        yield row


def _ray_rows(
    label: Label, clip: ClipInput, map_px: int, tokens_hw: int
) -> Iterator[dict[str, Any]]:
    size_px = clip.rgb_thw3.shape[1]
    rays = _rays(label, map_px, size_px, tokens_hw)
    if rays is None:
        return
    row = _row("rays", rays, None)
    if clip.truth is not None and "world_T_cam_t44" in clip.truth:
        grid, size = (tokens_hw, tokens_hw), (size_px, size_px)
        true_rays = rays_from_cameras(
            clip.truth["K_t33"], clip.truth["world_T_cam_t44"], size, grid
        )
        row["ray_angle_rad"] = measures.ray_angle_rad(rays, true_rays)
    yield row


def _row(modality: str, values: NDArray, valid: NDArray[np.bool_] | None) -> dict[str, Any]:
    finite = np.isfinite(values)
    whole = bool(finite.all())  # every label that is stored
    row: dict[str, Any] = {
        "modality": modality,
        "n_nan": 0 if whole else int(np.isnan(values).sum()),
        "n_inf": 0 if whole else int(np.isinf(values).sum()),
        "coverage": 1.0 if valid is None else float(valid.mean()),
    }
    if valid is not None:
        finite &= valid.reshape(*valid.shape, *[1] * (values.ndim - valid.ndim))
    known = values.ravel()[np.flatnonzero(finite)]
    if known.size:
        names = ("min", "p01", "p50", "p99", "max")
        row |= dict(zip(names, _levels(known, (0, 0.01, 0.5, 0.99, 1)), strict=True))
    return row


def _levels(values: NDArray, shares: Sequence[float]) -> list[float]:
    """Quantiles, between the two nearest values. NumPy sorts all faster than it parts at ten."""
    at = np.array(shares) * (values.size - 1)
    found = np.interp(at, np.arange(values.size), np.sort(values))
    return [float(level) for level in found]


def _depth_errors(
    label: Label, truth: Label, teacher: Teacher, *, relative: bool
) -> dict[str, float | None]:
    if "depth_thw" not in truth:
        return {}
    both = label["valid_thw"] & truth["valid_thw"]
    depth = label["depth_thw"]
    if teacher.depth_kind != "z":  # fitted to each picture alone, as such networks are measured
        frames = zip(depth, truth["depth_thw"], both, strict=True)
        depth = np.stack([measures.fitted_depth(*frame) for frame in frames])
    elif relative:
        depth = depth * measures.scale_to(depth, truth["depth_thw"], both)
    return {
        "depth_absrel": measures.depth_absrel(depth, truth["depth_thw"], both),
        "depth_delta1": measures.depth_delta1(depth, truth["depth_thw"], both),
    }


def _flow_errors(label: Label, truth: Label) -> dict[str, float | None]:
    if "flow_px_thw2" not in truth:
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
    """The rays that the teacher predicted, or else those of its camera on the same grid."""
    if "rays_thw6" in label:
        return label["rays_thw6"]
    if "K_t33" not in label or "world_T_cam_t44" not in label:
        return None
    picture_K = picture_intrinsics(label["K_t33"], size_px, map_px)
    size, grid = (size_px, size_px), (tokens_hw, tokens_hw)
    return rays_from_cameras(picture_K, label["world_T_cam_t44"], size, grid)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
