"""The facts that the truth in parts of one clip allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from p4d.config import FactsParams
from p4d.geometry.cameras import inverse
from p4d.questions.facts.blocks import FactBlock, clip_facts
from p4d.questions.facts.exact.camera_facts import camera_facts
from p4d.questions.facts.exact.identity_facts import identity_facts
from p4d.questions.facts.exact.instant_facts import instant_facts, when_facts
from p4d.questions.facts.exact.scene_facts import instant_rows, interval_facts, interval_rows
from p4d.questions.facts.intervals import grid_times_ns, instants, spans
from p4d.questions.facts.mark_facts import marked_count
from p4d.questions.facts.parts.limits import Known, allowed
from p4d.questions.facts.parts.places import ClipGeometry, Places, places_of
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import POSITION_SIGMA_M
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.scene.trajectories import Trajectories
from p4d.questions.facts.table import Fact, Source
from p4d.truth import ClipParts

STEEPEST = 0.98
"""Vertical part of a direction of view, above which left and right on the level mean nothing."""

TYPICAL_RANGE = 3.0
"""A scene of relative scale is measured as if its regions were this far from the camera: sigmas
have a part in metres, which means nothing in another unit."""

NUMBER = np.zeros(1, np.int64)
"""Of a clip that is measured alone."""


@dataclass(frozen=True, kw_only=True)
class PartsClip:
    """A clip whose truth came in parts.

    Attributes:
        source: teacher and clip of the facts; its scale is that of the truth.
        row: of clips.parquet.
        region_ids: marked regions, in mark order.
        geometry: truth and masks.
        names: of the regions; empty for one without a name of its own.
        params: thresholds.
    """

    source: Source
    row: Mapping[str, Any]
    region_ids: tuple[str, ...]
    geometry: ClipGeometry
    names: tuple[str, ...]
    params: FactsParams

    def facts(self) -> Iterator[Fact]:
        """Yield everything that is certain to be known."""
        time_ns = self._scene.named_ns
        yield marked_count(self.source, self.region_ids, int(time_ns[0]))
        yield from self._identity()
        if "intrinsics" in self._parts.gives:
            at = instants(len(time_ns))
            for frame in at:
                known = self._known(up=bool(self._posed_t[frame]))
                rows = instant_rows(self._stack, NUMBER, [frame])
                measured = self._measured(instant_facts(rows, self._stack, [frame]))
                yield from allowed(measured, known)
            yield from self._measured(when_facts(NUMBER, self._stack, at, self.params))
        for begin, end in spans(len(time_ns)):
            if self._posed_t[begin : end + 1].all():
                yield from self._interval(begin, end)

    @property
    def _parts(self) -> ClipParts:
        return self.geometry.parts

    @cached_property
    def _posed_t(self) -> np.ndarray:
        return self.geometry.camera_known_t

    @cached_property
    def _places(self) -> Places:
        return places_of(self.geometry)

    @cached_property
    def _scene(self) -> Scene:
        """The geometry of the clip; an object is visible only where its place is known."""
        places, camera = self._places, self.geometry.world_T_cam_t44
        time_ns = np.asarray(self.row["frame_pts_ns"], np.int64) - int(self.row["start_ns"])
        on_grid = self.params.instants == "grid"
        settled_k = places.static_k | places.posed_k
        measured_m_k = 2 * places.sigma_m_kt.max(axis=1, initial=0.0)
        rest_sigma_m_k = 2 * POSITION_SIGMA_M + np.where(settled_k, 0.0, measured_m_k)
        scene = Scene(
            source=self.source,
            time_ns=time_ns,
            named_ns=grid_times_ns(self.row) if on_grid else time_ns,
            world_T_cam_t44=camera,
            K_33=self._K_33,
            region_ids=self.region_ids,
            world_T_obj_kt44=_held(places),
            size_m_k3=self._sizes_m_k3,
            visible_kt=self.geometry.masks_kthw.any(axis=(2, 3)) & places.known_kt,
            names=self.names,
            rest_sigma_m=float(rest_sigma_m_k.max(initial=2 * POSITION_SIGMA_M)),
            rest_sigma_m_k=rest_sigma_m_k,
            camera_sigma_m=self._parts.pose_sigma_m,
            place_sigma_m_kt=places.sigma_m_kt,
        )
        if not self._parts.metric:
            scene = _of_typical_range(scene)
        return scene if self._up_known else _seen_level(scene)

    @cached_property
    def _stack(self) -> Scenes:
        return Scenes([self._scene])

    def _measured(
        self, blocks: Iterable[FactBlock], region_ids: Sequence[str] | None = None
    ) -> list[Fact]:
        """The facts of blocks about these regions; None: about all of the clip."""
        about = self.region_ids if region_ids is None else region_ids
        with np.errstate(all="ignore"):  # as in `shard_blocks`
            return list(clip_facts(self.source, about, blocks))

    @cached_property
    def _up_known(self) -> bool:
        """Whether it is known what is up, and the first camera does not look straight that way."""
        steep = abs(float(self.geometry.world_T_cam_t44[0, 2, 2])) > STEEPEST
        return self._parts.up_known and not steep

    @property
    def _K_33(self) -> np.ndarray:
        """Intrinsics; without any, a camera that only facts that need none are measured with."""
        if "intrinsics" in self._parts.gives:
            return np.asarray(self.geometry.arrays["K_t33"][0])
        side = float(self.geometry.masks_kthw.shape[-1])
        return np.array([[side, 0, side / 2], [0, side, side / 2], [0, 0, 1]])

    @property
    def _sizes_m_k3(self) -> np.ndarray:
        """Full extents; zero where unknown."""
        found = np.zeros((len(self.region_ids), 3))
        for k, row in enumerate(self.geometry.rows):
            sizes_m = [row[f"size_{axis}_m"] for axis in "xyz"] if row is not None else [None]
            if None not in sizes_m:
                found[k] = sizes_m  # type: ignore[assignment]
        return found

    def _known(self, *, up: bool, all_marks: bool = True) -> Known:
        """What is known, given whether the camera is."""
        turned_k = self._places.posed_k | self._places.static_k
        sized_k = self._sizes_m_k3.any(axis=1)
        return Known(
            up=up and self._up_known,
            first=bool(self._posed_t[0]),
            times=self._parts.timed,
            intrinsics="intrinsics" in self._parts.gives,
            exact_places=bool(self._places.posed_k.all()),
            all_marks=all_marks,
            unturned=self._those(~turned_k),
            unsized=self._those(~sized_k),
        )

    def _those(self, chosen_k: np.ndarray | np.bool_) -> frozenset[str]:
        return frozenset(self.region_ids[k] for k in np.flatnonzero(chosen_k))

    def _identity(self) -> Iterator[Fact]:
        """Names and sizes."""
        whole = interval_rows(self._stack, NUMBER, 0, self._stack.frames - 1)
        measured = self._measured(identity_facts(whole, self._stack))
        for fact in allowed(measured, self._known(up=True)):
            if fact.kind != "name" or fact.value_text:
                yield fact

    def _interval(self, begin: int, end: int) -> Iterator[Fact]:
        """Facts between two frames, all of which have a camera pose."""
        known_k = self._places.known_kt[:, begin : end + 1].all(axis=1)
        known = self._known(up=True, all_marks=bool(known_k.all()))
        camera = camera_facts(
            interval_rows(self._stack, NUMBER, begin, end), self._stack, begin, end, self.params
        )
        if not self._scene.metric:
            turn = (block for block in camera if block.kind == "camera_turn")
            yield from allowed(self._measured(turn), known)
            return
        if not known_k.any() or "intrinsics" not in self._parts.gives:
            yield from allowed(self._measured(camera), known)
            return
        part = _of_regions(self._scene, np.flatnonzero(known_k))
        paths = Trajectories(Scenes([part]), begin, end, self.params)
        yield from allowed(self._measured(interval_facts(NUMBER, paths), part.region_ids), known)


def _held(places: Places) -> np.ndarray:
    """Poses of the objects; in a frame without a place, that of the nearest frame with one.

    Nothing is measured in such a frame. Its neighbours derive the speed of the object from it.
    """
    held = places.world_T_obj_kt44.copy()
    for k, known_t in enumerate(places.known_kt):
        if known_t.any():
            at = np.flatnonzero(known_t)
            nearest = at[np.abs(np.arange(len(known_t))[:, None] - at).argmin(axis=1)]
            held[k] = held[k][nearest]
    return held


def _of_typical_range(scene: Scene) -> Scene:
    """A scene of relative scale in units that suit sigmas in metres; orders do not change."""
    ranges = Scenes([scene]).range_m_ckt[0][scene.visible_kt]
    factor = TYPICAL_RANGE / float(np.median(ranges)) if len(ranges) else 1.0
    assert scene.place_sigma_m_kt is not None
    return replace(
        scene,
        world_T_cam_t44=_scaled(scene.world_T_cam_t44, factor),
        world_T_obj_kt44=_scaled(scene.world_T_obj_kt44, factor),
        place_sigma_m_kt=scene.place_sigma_m_kt * factor,
        camera_sigma_m=scene.camera_sigma_m * factor,
    )


def _seen_level(scene: Scene) -> Scene:
    """The scene in a world in which its first camera is level.

    Where up is unknown any world is as good as another, and facts that need up are refused. In this
    one the axes of the first camera exist.
    """
    level = np.eye(4)
    level[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    turn = level @ inverse(scene.world_T_cam_t44[0])
    return replace(
        scene,
        world_T_cam_t44=turn @ scene.world_T_cam_t44,
        world_T_obj_kt44=turn @ scene.world_T_obj_kt44,
    )


def _scaled(poses: np.ndarray, factor: float) -> np.ndarray:
    scaled = poses.copy()
    scaled[..., :3, 3] *= factor
    return scaled


def _of_regions(scene: Scene, chosen: Sequence[int] | np.ndarray) -> Scene:
    """The scene with some of its regions."""
    kept = [int(k) for k in chosen]
    if len(kept) == len(scene.region_ids):
        return scene
    assert scene.place_sigma_m_kt is not None and scene.rest_sigma_m_k is not None
    return replace(
        scene,
        region_ids=tuple(scene.region_ids[k] for k in kept),
        world_T_obj_kt44=scene.world_T_obj_kt44[kept],
        size_m_k3=scene.size_m_k3[kept],
        visible_kt=scene.visible_kt[kept],
        names=tuple(scene.names[k] for k in kept),
        rest_sigma_m=float(scene.rest_sigma_m_k[kept].max()),
        rest_sigma_m_k=scene.rest_sigma_m_k[kept],
        place_sigma_m_kt=scene.place_sigma_m_kt[kept],
    )
