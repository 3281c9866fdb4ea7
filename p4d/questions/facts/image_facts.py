"""Facts of a real clip, from the expert's labels alone: what happens in the picture.

The expert's scale is relative, so nothing here has metres. Movement is that of the region beyond
the movement of the background, so that a panning camera moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table
from p4d.config import FactsParams
from p4d.errors import LabelError
from p4d.questions.facts.order_facts import picture_facts
from p4d.questions.facts.scene_facts import (
    HEADING_SIGMA_RAD,
    LEAST_MOVEMENT_PX,
    count_moving,
    instants,
    picture_direction,
    spans,
)
from p4d.questions.facts.table import Fact, Source, quantity, word
from p4d.questions.facts.vocabulary import MOTION, PICTURE_DIRECTIONS, STAYS

TEACHER = "expert4d"
# The movement of a region is measured twice: as the median flow of its surface, summed over frames,
# and as the way of its outline's centre. A turning ball flows and does not go; a region that is
# half hidden goes and does not flow. The movement is their mean, and their spread is part of sigma.
# Chosen on 600 simulated clips and checked on 300 others (benchmarks/calibration.py): of the
# directions that pass 3 sigma, 99 of 100 are right; by flow alone only 85 were.
FLOW_SIGMA_PX = 0.3  # of a region at rest, at the flow's own size; more where labels say so
FLOW_SIGMA_RATIO = 0.08  # of the movement
# Mean motion probability of a region, on the same clips: above 0.89, 99 of 100 do move, between
# 0.75 and 0.85 only 82; below a half it is alike. So three of these lie between a half and 0.89.
MOTION_SIGMA = 0.13
CENTRE_SIGMA_PX = 1.3  # of the centre of an outline that the expert found, against the object's
MIN_BACKGROUND = 0.1  # share of the picture that must be quiet to know the camera's part


class ImageReader:
    """Real clips of a shard with the labels of the expert."""

    def __init__(self, labels: Path) -> None:
        self._labels = labels
        self._store: Any = None

    def facts(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        params: FactsParams,
    ) -> list[Fact]:
        """All facts of one clip without truth.

        Raises:
            LabelError: the expert has no usable label of this clip.

        """
        del params  # thresholds in metres say nothing about pixels
        if self._store is None:
            # Here, as shards with truth need no label codec.
            from p4d.teachers.labelling.store import LabelStore

            self._store = LabelStore(self._labels)
            self._index = read_table(self._labels / "index.parquet")
            self._stats = read_table(self._labels / "label_stats.parquet")
        clip_id = clip["clip_id"]
        row = self._index.filter((pl.col("clip_id") == clip_id) & (pl.col("teacher") == TEACHER))
        if not row.height or row["outcome"][0] != "ok":
            raise LabelError(f"{clip_id}: no {TEACHER} label; see labels/index.parquet")
        source = Source(
            clip_id=clip_id,
            scale_kind=row["scale_kind"][0],
            teacher=TEACHER,
            teacher_digest=row["teacher_digest"][0],
        )
        # The instants at which the frames are shown, not when each began to be: nothing here is
        # divided by time, and clips of any frame rate then share intervals, hence options.
        frames = len(clip["frame_pts_ns"])
        length_ns = int(clip["end_ns"]) - int(clip["start_ns"])
        time_ns = np.arange(frames, dtype=np.int64) * length_ns // frames
        return list(
            image_facts(
                source,
                time_ns,
                region_ids,
                masks_kthw,
                self._store.get(clip_id, TEACHER, "flow").astype(np.float32),
                self._store.get(clip_id, TEACHER, "motion").astype(np.float32),
                self._flow_sigma_px(clip_id),
            )
        )

    def _flow_sigma_px(self, clip_id: str) -> float:
        """What the labels say of their own flow, if they measured it."""
        stats = self._stats.filter(
            (pl.col("clip_id") == clip_id)
            & (pl.col("teacher") == TEACHER)
            & (pl.col("modality") == "flow")
        )
        for column in ("flow_cycle_px", "flow_reprojection_px"):
            if column in stats.columns and stats.height and stats[column][0] is not None:
                return max(FLOW_SIGMA_PX, float(stats[column][0]))
        return FLOW_SIGMA_PX


def image_facts(
    source: Source,
    time_ns: np.ndarray,
    region_ids: Sequence[str],
    masks_kthw: np.ndarray,
    flow_px_thw2: np.ndarray,
    motion_thw: np.ndarray,
    flow_sigma_px: float,
) -> Iterator[Fact]:
    """Facts in the picture.

    Args:
        source: who measured.
        time_ns: [T], relative to the clip's start.
        region_ids: regions in mark order.
        masks_kthw: their masks [K, T, S, S].
        flow_px_thw2: backward flow at its own size M, pixels of that size.
        motion_thw: probability that a point moves in the world, size M.
        flow_sigma_px: spread of the summed movement of a region at rest, pixels of size M.

    """
    size_px, map_px = masks_kthw.shape[-1], flow_px_thw2.shape[1]
    to_masks = size_px / map_px
    centres = ((np.arange(map_px) + 0.5) * to_masks).astype(int)
    small_kthw = masks_kthw[:, :, centres][:, :, :, centres].astype(bool)
    quiet_thw = (motion_thw < 0.3) & ~small_kthw.any(axis=0)
    yield quantity(
        source, "marked_count", len(region_ids), 0.0, unit="count", frame="camera_first",
        method="regions that carry a mark", region_ids=region_ids,
        span_ns=(int(time_ns[0]), int(time_ns[0])),
    )  # fmt: skip
    for frame in instants(len(time_ns)):
        at = int(time_ns[frame]), int(time_ns[frame])
        centres_px = _centres(masks_kthw[:, frame])
        yield from picture_facts(
            source, region_ids, centres_px, np.full(2, size_px), at, CENTRE_SIGMA_PX
        )
    for begin, end in spans(len(time_ns)):
        span_ns = (int(time_ns[begin]), int(time_ns[end]))
        background_px = _moved(flow_px_thw2, quiet_thw, begin, end, MIN_BACKGROUND) * to_masks
        moving = []
        for k, region_id in enumerate(region_ids):
            probability = _mean(motion_thw[begin : end + 1], small_kthw[k, begin : end + 1])
            if not np.isfinite(probability):
                continue  # out of sight is not at rest
            fact = word(
                source, "moving", MOTION[int(probability > 0.5)],
                abs(probability - 0.5) / MOTION_SIGMA, MOTION, frame="world",
                method="mean motion probability in the region", region_ids=[region_id],
                span_ns=span_ns,
            )  # fmt: skip
            moving.append(fact)
            yield fact
            centre_px = _centre_moved(masks_kthw[k], begin, end)
            flow_px = _moved(flow_px_thw2, small_kthw[k], begin, end) * to_masks
            if not np.isfinite([centre_px, flow_px, background_px]).all():
                continue
            on_screen = _Movement.of(flow_px, centre_px, flow_sigma_px * to_masks)
            text, margin = _screen_direction(on_screen)
            yield word(
                source, "screen_direction", text, margin, PICTURE_DIRECTIONS, frame="picture",
                method="median flow of the region and way of its centre", region_ids=[region_id],
                span_ns=span_ns,
            )  # fmt: skip
            itself = _Movement.of(
                flow_px - background_px, centre_px - background_px, flow_sigma_px * to_masks
            )
            text, margin = _direction(itself, probability)
            yield word(
                source, "picture_direction", text, margin,
                PICTURE_DIRECTIONS, frame="camera_first",
                method="median flow of the region and way of its centre, less the background",
                region_ids=[region_id], span_ns=span_ns,
            )  # fmt: skip
        if len(moving) == len(region_ids):
            yield count_moving(source, moving, span_ns)


@dataclass(frozen=True)
class _Movement:
    """How far a region goes in the picture, px of the masks."""

    moved_px_2: np.ndarray  # mean of both measurements
    farthest_px: float  # length of the longer one
    sigma_px: float

    @classmethod
    def of(cls, flow_px_2: np.ndarray, centre_px_2: np.ndarray, rest_sigma_px: float) -> _Movement:
        """Of a summed flow and the way of a centre, with the spread of the two in sigma."""
        moved_px_2 = (flow_px_2 + centre_px_2) / 2
        length_px, apart_px = np.linalg.norm([moved_px_2, flow_px_2 - centre_px_2], axis=1)
        return cls(
            moved_px_2=moved_px_2,
            farthest_px=float(np.linalg.norm([flow_px_2, centre_px_2], axis=1).max()),
            sigma_px=float(
                np.hypot(rest_sigma_px + FLOW_SIGMA_RATIO * length_px, apart_px / 2**0.5)
            ),
        )

    def stays_margin(self) -> float:
        """How sure it is that the movement is too short to be called one."""
        return (LEAST_MOVEMENT_PX - self.farthest_px) / self.sigma_px

    def heading(self) -> tuple[str, float]:
        """The word for where it goes, and its margin."""
        length_px = float(np.linalg.norm(self.moved_px_2))
        sigma_rad = float(np.hypot(HEADING_SIGMA_RAD, self.sigma_px / max(length_px, 1e-6)))
        return picture_direction(self.moved_px_2, self.sigma_px, sigma_rad)


def _direction(moved: _Movement, probability: float) -> tuple[str, float]:
    """The word for a movement in the picture, and its margin.

    A movement is certain by its length and heading, if the region is more likely to move than not;
    rest needs both a short way and a low probability.
    """
    if probability <= 0.5:
        return STAYS, min(moved.stays_margin(), (0.5 - probability) / MOTION_SIGMA)
    return moved.heading()


def _screen_direction(moved: _Movement) -> tuple[str, float]:
    """The word for a movement in the picture with the camera's part in it, and its margin."""
    if np.linalg.norm(moved.moved_px_2) <= LEAST_MOVEMENT_PX:
        return STAYS, moved.stays_margin()
    return moved.heading()


def _centres(masks_khw: np.ndarray) -> dict[int, np.ndarray]:
    """Centres (u, v) of the regions that are seen, px."""
    found = {}
    for k, mask_hw in enumerate(masks_khw):
        v, u = np.nonzero(mask_hw)
        if len(u):
            found[k] = np.array([u.mean() + 0.5, v.mean() + 0.5])
    return found


def _mean(values_thw: np.ndarray, mask_thw: np.ndarray) -> float:
    """Mean in the mask; NaN without one, which the table leaves out."""
    return float(values_thw[mask_thw].mean()) if mask_thw.any() else float("nan")


def _moved(
    flow_px_thw2: np.ndarray, mask_thw: np.ndarray, begin: int, end: int, least_share: float = 0.0
) -> np.ndarray:
    """Median movement in a mask, summed over frames; NaN where too little of a picture is in it."""
    total_2 = np.zeros(2)
    for frame in range(begin + 1, end + 1):
        if not mask_thw[frame].any() or mask_thw[frame].mean() < least_share:
            return np.full(2, np.nan)
        # Backward flow points to where it came from.
        total_2 -= np.median(flow_px_thw2[frame][mask_thw[frame]], axis=0)
    return total_2


def _centre_moved(mask_thw: np.ndarray, begin: int, end: int) -> np.ndarray:
    """From the centre of a region's outline in one frame to that in another; NaN out of sight."""
    centres_px = _centres(mask_thw[[begin, end]])
    return centres_px[1] - centres_px[0] if len(centres_px) == 2 else np.full(2, np.nan)
