"""Reads the exact geometry of a shard's clips from the truth stored beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.ids import seed_for
from p4d.questions.facts.intervals import grid_times_ns
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.table import Source


class SceneReader:
    """Reads the scenes of a shard from the truth stored beside its clips."""

    def __init__(self, clips: Path, labels: Path, regions: pl.DataFrame) -> None:
        self._truth, objects = stored_truth(clips)
        self._objects = {(row["clip_id"], int(row["instance"])): row for row in objects}
        self._present: dict[str, set[str]] = defaultdict(set)
        for row in objects:
            self._present[row["clip_id"]].add(row["colour"])
        self._colours = sorted({row["colour"] for row in self._objects.values()})
        self._shapes = sorted({row["shape"] for row in self._objects.values()})
        self._instance = {row["region_id"]: row["instance"] for row in regions.to_dicts()}
        self._digest = exact_digest(labels)

    def scene(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        *,
        on_grid: bool,
    ) -> Scene:
        """Return the exact geometry of one clip; a KeyError names what its truth lacks."""
        clip_id = clip["clip_id"]
        objects = [self._objects[(clip_id, int(self._instance[r]))] for r in region_ids]
        poses_kt44 = self._truth[f"{clip_id}.world_T_obj_kt44"]
        time_ns = np.asarray(clip["frame_pts_ns"], dtype=np.int64) - int(clip["start_ns"])
        return Scene(
            source=Source(
                clip_id=clip_id,
                scale_kind=clip["scale_kind"],
                teacher="exact",
                teacher_digest=self._digest,
            ),
            time_ns=time_ns,
            named_ns=grid_times_ns(clip) if on_grid else time_ns,
            world_T_cam_t44=self._truth[f"{clip_id}.world_T_cam_t44"],
            K_33=self._truth[f"{clip_id}.K_t33"][0],
            region_ids=tuple(region_ids),
            world_T_obj_kt44=poses_kt44[[int(o["k"]) for o in objects]],
            size_m_k3=np.array([[o[f"size_{a}_m"] for a in "xyz"] for o in objects]).reshape(-1, 3),
            visible_kt=np.asarray(masks_kthw.any(axis=(2, 3))),
            names=tuple(str(o["name"]) for o in objects),
            absent_name=self._absent_name(clip_id),
        )

    def _absent_name(self, clip_id: str) -> str | None:
        """Draw a name like any other, with a colour that no object of the clip has."""
        absent = [colour for colour in self._colours if colour not in self._present[clip_id]]
        if not absent:
            return None
        rng = np.random.default_rng(seed_for(clip_id, "absent name"))
        colour, shape = (words[rng.integers(len(words))] for words in (absent, self._shapes))
        return f"{colour} {shape}"


def stored_truth(clips: Path) -> tuple[Mapping[str, np.ndarray], list[dict[str, Any]]]:
    """Return the arrays of the truth of a shard's clips, and its objects; empty without truth."""
    truth, objects = clips / "truth.safetensors", clips / "objects.parquet"
    return (
        Arrays(truth) if truth.is_file() else {},
        read_table(objects).to_dicts() if objects.is_file() else [],
    )


def exact_digest(labels: Path) -> str:
    """Return the digest of the passthrough teacher if the labels name it, else a constant."""
    index = labels / "index.parquet"
    if index.is_file():
        rows = read_table(index).filter(pl.col("teacher") == "exact")
        if rows.height:
            return str(rows["teacher_digest"].sort()[0])
    return "truth"
