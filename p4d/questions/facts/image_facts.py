"""Facts of a real clip, from labels alone: what happens in the image.

Flow and motion come each from the first teacher of `labels.sources` that has it, with the sigma
that is known of that teacher. No fact here is in metres. The motion of a region is measured
relative to the background, so that a panning camera moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table
from p4d.config import FactsParams
from p4d.geometry.map_grid import sample_map
from p4d.questions.facts.blocks import clip_facts, instants_of_one
from p4d.questions.facts.intervals import grid_times_ns, in_view, instants, spans
from p4d.questions.facts.mark_facts import count_moving, marked_count
from p4d.questions.facts.picture_facts import picture_direction, picture_facts
from p4d.questions.facts.scene.margins import HEADING_SIGMA_RAD, MIN_MOVEMENT_PX
from p4d.questions.facts.table import Fact, Source, word
from p4d.questions.facts.vocabulary import MOTION, PICTURE_DIRECTIONS, STAYS

if TYPE_CHECKING:  # shards with truth need no label codec
    from p4d.teachers.labelling.sources import LabelSources

EXPERT = "expert4d"
# The motion of a region is measured twice: as the median flow of its surface, summed over frames,
# and as the displacement of its outline's centre. A turning ball has flow without displacement; a
# half-hidden region has displacement without flow. The motion is their mean, and their difference
# is part of sigma. Chosen on 600 simulated clips and checked on 300 others
# (benchmarks/questions/calibration.py): of the directions that pass 3 sigma, 99 of 100 are right;
# by flow alone only 85 were.
FLOW_SIGMA_PX = 0.3  # of a region at rest, at the flow's own size; more if the labels measured more
FLOW_SIGMA_RATIO = 0.08  # of the length of the motion
# Both are the expert's; a teacher whose record states a sigma has its own.
# Mean motion probability of a region, on the same clips: above 0.89, 99 of 100 move, between
# 0.75 and 0.85 only 82; below a half it is symmetric. So 0.5 and 0.89 are three sigmas apart.
MOTION_SIGMA = 0.13
CENTRE_SIGMA_PX = 1.3  # of the centre of an outline from the expert, against the true centre
MIN_KNOWN = 0.3  # share of the pixels of a mask whose flow must be known
MIN_BACKGROUND = 0.1  # share of the image that must be at rest for the camera's motion to be known


class ImageReader:
    """Reads the labels of a shard and measures its real clips."""

    def __init__(self, labels: Path, first: Sequence[str] = ()) -> None:
        """`first`: teachers that count before those of `labels.sources`, where they have a label.

        A clip whose truth came in parts has the label of exact truth for what is there.
        """
        self._labels = labels
        self._first = tuple(first)

    @cached_property
    def _sources(self) -> LabelSources:
        # Imported here, as shards with truth need no label codec.
        from p4d.teachers.labelling.sources import LabelSources

        return LabelSources(self._labels)

    @cached_property
    def _stats(self) -> pl.DataFrame:
        return read_table(self._labels / "label_stats.parquet")

    def facts(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        params: FactsParams,
    ) -> list[Fact]:
        """Measure all facts of one clip without truth.

        Raises:
            LabelError: no teacher has flow, or motion, of this clip.

        """
        del params  # thresholds in metres do not apply to pixels
        clip_id, sources = clip["clip_id"], self._sources
        flow_by, motion_by = (self._teacher_of(clip_id, name) for name in ("flow", "motion"))
        time_ns = grid_times_ns(clip)  # nothing here is divided by time
        flow_px_thw2 = sources.store.get(clip_id, flow_by, "flow").astype(np.float32)
        if flow_by != EXPERT:  # its sigma was fitted with its flow of points that leave the picture
            known_thw = sources.store.get(clip_id, flow_by, "flow_valid")
            flow_px_thw2 = np.where(known_thw[..., None], flow_px_thw2, np.nan)
        motion_thw = sources.store.get(clip_id, motion_by, "motion").astype(np.float32)
        maps = ImageMaps(
            masks_kthw=masks_kthw,
            flow_px_thw2=flow_px_thw2,
            motion_thw=sample_map(motion_thw, flow_px_thw2.shape[1]),
            flow_sigma_px=self._flow_sigma_px(clip_id, flow_by),
            motion_sigma=sources.sigma(motion_by, "motion") or MOTION_SIGMA,
        )
        source = self._source(clip_id, (flow_by, motion_by))
        return list(image_facts(source, time_ns, region_ids, maps))

    def _teacher_of(self, clip_id: str, modality: str) -> str:
        has = (name for name in self._first if self._sources.store.has(clip_id, name, modality))
        return next(has, None) or self._sources.needed(clip_id, modality)

    def _source(self, clip_id: str, names: Sequence[str]) -> Source:
        """Names and digests of the teachers, joined by + if there are several."""
        rows = [self._sources.row(clip_id, name) for name in dict.fromkeys(names)]
        return Source(
            clip_id=clip_id,
            scale_kind="relative",
            teacher="+".join(row["teacher"] for row in rows),
            teacher_digest="+".join(row["teacher_digest"] for row in rows),
        )

    def _flow_sigma_px(self, clip_id: str, teacher: str) -> float:
        """The error of the flow that is known of the teacher, or that the labels measured."""
        known = self._sources.sigma(teacher, "flow") or FLOW_SIGMA_PX
        stats = self._stats.filter(
            (pl.col("clip_id") == clip_id)
            & (pl.col("teacher") == teacher)
            & (pl.col("modality") == "flow")
        )
        cycle_px = stats["flow_cycle_px"][0] if stats.height else None
        return known if cycle_px is None else max(known, float(cycle_px))


@dataclass(frozen=True, kw_only=True)
class ImageMaps:
    """The regions of a clip and what the expert measured of its frames.

    Attributes:
        masks_kthw: of the regions, [K, T, S, S].
        flow_px_thw2: backward flow at its own size M, pixels of that size; NaN where unknown.
        motion_thw: probability that a point moves in the world, size M.
        flow_sigma_px: error of the summed flow of a region at rest, pixels of size M.
        motion_sigma: error of the mean probability of a region.
    """

    masks_kthw: np.ndarray
    flow_px_thw2: np.ndarray
    motion_thw: np.ndarray
    flow_sigma_px: float
    motion_sigma: float = MOTION_SIGMA

    @property
    def to_masks(self) -> float:
        """Pixels of the masks per pixel of the maps."""
        return float(self.masks_kthw.shape[-1] / self.flow_px_thw2.shape[1])

    @cached_property
    def small_kthw(self) -> np.ndarray:
        """The masks at the size of the maps."""
        centres = ((np.arange(self.flow_px_thw2.shape[1]) + 0.5) * self.to_masks).astype(int)
        return self.masks_kthw[:, :, centres][:, :, :, centres].astype(bool)

    @cached_property
    def quiet_thw(self) -> np.ndarray:
        """Where the background is: no region, and probably at rest."""
        return np.asarray((self.motion_thw < 0.3) & ~self.small_kthw.any(axis=0))


def image_facts(
    source: Source, time_ns: np.ndarray, region_ids: Sequence[str], maps: ImageMaps
) -> Iterator[Fact]:
    """Yield the facts in the image.

    Args:
        source: teacher and clip of the facts.
        time_ns: [T], relative to the clip's start.
        region_ids: regions in mark order.
        maps: of the clip.

    """
    yield marked_count(source, region_ids, int(time_ns[0]))
    visible_kt = np.asarray(maps.masks_kthw.any(axis=(2, 3)))
    at = instants(len(time_ns))
    centres_px_ik2 = np.stack([_centres(maps.masks_kthw[:, frame]) for frame in at])
    in_picture = picture_facts(
        instants_of_one(time_ns[at].tolist()), centres_px_ik2[None], visible_kt.T[None, at],
        np.full(2, maps.masks_kthw.shape[-1] / 2), CENTRE_SIGMA_PX,
    )  # fmt: skip
    yield from clip_facts(source, region_ids, in_picture)
    for begin, end in spans(len(time_ns)):
        span_ns = (int(time_ns[begin]), int(time_ns[end]))
        moving = []
        for k, region_id in enumerate(region_ids):
            measured = _region_facts(source, region_id, k, maps, (begin, end), span_ns)
            facts = list(in_view(measured, (begin, end), region_ids, visible_kt))
            moving += [fact for fact in facts if fact.kind == "moving"]
            yield from facts
        if len(moving) == len(region_ids):
            yield count_moving(source, moving, span_ns)


def _region_facts(
    source: Source,
    region_id: str,
    k: int,
    maps: ImageMaps,
    frames: tuple[int, int],
    span_ns: tuple[int, int],
) -> Iterator[Fact]:
    """Whether one region moves between two frames, and in which direction."""
    begin, end = frames
    probability = _mean(maps.motion_thw[begin : end + 1], maps.small_kthw[k, begin : end + 1])
    if not np.isfinite(probability):
        return  # an invisible region is not at rest
    yield word(
        source, "moving", MOTION[int(probability > 0.5)],
        abs(probability - 0.5) / maps.motion_sigma,
        MOTION, frame="world", method="mean motion probability in the region",
        region_ids=[region_id], span_ns=span_ns,
    )  # fmt: skip
    background_px = _moved(maps.flow_px_thw2, maps.quiet_thw, begin, end, MIN_BACKGROUND)
    background_px = background_px * maps.to_masks
    centre_px = _centre_moved(maps.masks_kthw[k], begin, end)
    flow_px = _moved(maps.flow_px_thw2, maps.small_kthw[k], begin, end) * maps.to_masks
    if not np.isfinite([centre_px, flow_px, background_px]).all():
        return
    rest_sigma_px = maps.flow_sigma_px * maps.to_masks
    text, margin = _screen_direction(_Movement.of(flow_px, centre_px, rest_sigma_px))
    yield word(
        source, "screen_direction", text, margin, PICTURE_DIRECTIONS, frame="picture",
        method="median flow of the region and displacement of its centre",
        region_ids=[region_id], span_ns=span_ns,
    )  # fmt: skip
    itself = _Movement.of(flow_px - background_px, centre_px - background_px, rest_sigma_px)
    text, margin = _direction(itself, probability, maps.motion_sigma)
    yield word(
        source, "picture_direction", text, margin, PICTURE_DIRECTIONS, frame="camera_first",
        method="median flow of the region and displacement of its centre, less background",
        region_ids=[region_id], span_ns=span_ns,
    )  # fmt: skip


@dataclass(frozen=True)
class _Movement:
    """The motion of a region in the image, px of the masks."""

    moved_px_2: np.ndarray  # mean of both measurements
    farthest_px: float  # length of the longer one
    sigma_px: float

    @classmethod
    def of(cls, flow_px_2: np.ndarray, centre_px_2: np.ndarray, rest_sigma_px: float) -> _Movement:
        """Combine summed flow and displacement of the centre; their difference is in sigma."""
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
        """Return the margin by which the motion is too short to count."""
        return (MIN_MOVEMENT_PX - self.farthest_px) / self.sigma_px

    def heading(self) -> tuple[str, float]:
        """Return the word for the direction, and its margin."""
        length_px = float(np.linalg.norm(self.moved_px_2))
        sigma_rad = float(np.hypot(HEADING_SIGMA_RAD, self.sigma_px / max(length_px, 1e-6)))
        number, margin = picture_direction(self.moved_px_2, self.sigma_px, sigma_rad)
        return PICTURE_DIRECTIONS[int(number)], float(margin)


def _direction(moved: _Movement, probability: float, motion_sigma: float) -> tuple[str, float]:
    """Return the word for the region's own motion in the image, and its margin.

    Motion is certain by its length and heading, if the region is more likely to move than not;
    rest needs both a short displacement and a low probability.
    """
    if probability <= 0.5:
        return STAYS, min(moved.stays_margin(), (0.5 - probability) / motion_sigma)
    return moved.heading()


def _screen_direction(moved: _Movement) -> tuple[str, float]:
    """Return the word for the motion in the image, camera motion included, and its margin."""
    if np.linalg.norm(moved.moved_px_2) <= MIN_MOVEMENT_PX:
        return STAYS, moved.stays_margin()
    return moved.heading()


def _centres(masks_khw: np.ndarray) -> np.ndarray:
    """Return the centres (u, v) of the regions, px; NaN of one that is not visible."""
    found = np.full((len(masks_khw), 2), np.nan)
    for k, mask_hw in enumerate(masks_khw):
        v, u = np.nonzero(mask_hw)
        if len(u):
            found[k] = u.mean() + 0.5, v.mean() + 0.5
    return found


def _mean(values_thw: np.ndarray, mask_thw: np.ndarray) -> float:
    """Return the mean in the mask; NaN for an empty mask, which the stage leaves out."""
    return float(values_thw[mask_thw].mean()) if mask_thw.any() else float("nan")


def _moved(
    flow_px_thw2: np.ndarray, mask_thw: np.ndarray, begin: int, end: int, least_share: float = 0.0
) -> np.ndarray:
    """Sum the median flow in a mask over frames.

    NaN if a mask covers too little of the image, or too little of its flow is known.
    """
    total_2 = np.zeros(2)
    for frame in range(begin + 1, end + 1):
        if not mask_thw[frame].any() or mask_thw[frame].mean() < least_share:
            return np.full(2, np.nan)
        inside = flow_px_thw2[frame][mask_thw[frame]]
        known = inside[np.isfinite(inside).all(axis=-1)]
        if len(known) < MIN_KNOWN * len(inside):
            return np.full(2, np.nan)
        # Backward flow points to the previous place.
        total_2 -= np.median(known, axis=0)
    return total_2


def _centre_moved(mask_thw: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Return the displacement of a region's centre between two frames; NaN if it is not visible."""
    centres_px = _centres(mask_thw[[begin, end]])
    return centres_px[1] - centres_px[0] if len(centres_px) == 2 else np.full(2, np.nan)
