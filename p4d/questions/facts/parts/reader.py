"""Reads the truth in parts of a shard's clips and measures what it allows.

| the truth has | measured |
|---|---|
| camera poses | displacement and speed of the camera, with up its direction and turn |
| instances, and depth with intrinsics or object poses | places, distances and orders at instants |
| these and camera poses | how regions move in the world, over intervals where all is known |
| names, sizes, turns, up, measured times | what needs them (`limits.py`) |

A truth of relative scale gives orders and turns alone: every other threshold is in metres.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.config import FactsParams
from p4d.questions.facts.exact.reader import exact_digest, stored_truth
from p4d.questions.facts.parts.clip_facts import PartsClip
from p4d.questions.facts.parts.places import ClipGeometry
from p4d.questions.facts.table import Fact, Source
from p4d.truth import ClipParts, read_parts


class PartsReader:
    """Measures the clips of a shard whose truth came in parts."""

    def __init__(self, clips: Path, labels: Path, regions: pl.DataFrame) -> None:
        self.parts: Mapping[str, ClipParts] = read_parts(clips)
        self._truth, objects = stored_truth(clips)
        self._objects: dict[str, dict[int, dict[str, Any]]] = {}
        for row in objects:
            self._objects.setdefault(row["clip_id"], {})[int(row["instance"])] = row
        self._instance = {row["region_id"]: row["instance"] for row in regions.to_dicts()}
        self._digest = exact_digest(labels)

    def facts(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        params: FactsParams,
    ) -> list[Fact]:
        """Measure all facts that the truth of one clip allows."""
        clip_id = clip["clip_id"]
        objects = self._objects.get(clip_id, {})
        rows = [objects.get(self._instance.get(region_id) or 0) for region_id in region_ids]
        counts = Counter(row["name"] for row in objects.values())
        parts = self.parts[clip_id]
        read = PartsClip(
            source=Source(
                clip_id=clip_id,
                scale_kind=parts.scale,
                teacher="exact",
                teacher_digest=self._digest,
            ),
            row=clip,
            region_ids=tuple(region_ids),
            geometry=ClipGeometry(
                arrays=self._arrays(clip_id), parts=parts, masks_kthw=masks_kthw, rows=rows
            ),
            # Two persons have one name: it names neither of them.
            names=tuple(
                row["name"] if row is not None and counts[row["name"]] == 1 else "" for row in rows
            ),
            params=params,
        )
        return list(read.facts())

    def _arrays(self, clip_id: str) -> Mapping[str, np.ndarray]:
        names = (
            "z_depth_m_thw", "valid_thw", "world_T_cam_t44", "camera_known_t", "K_t33",
            "world_T_obj_kt44", "object_known_kt",
        )  # fmt: skip
        keys = {name: f"{clip_id}.{name}" for name in names}
        return {name: self._truth[key] for name, key in keys.items() if key in self._truth}
