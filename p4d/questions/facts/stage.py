"""Stage `facts`: measures each clip with the best teacher that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.config import FactsParams
from p4d.errors import LabelError, P4DError
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.facts.exact.reader import SceneReader
from p4d.questions.facts.exact.scene_facts import shard_blocks
from p4d.questions.facts.facts_table import MeasuredClip, facts_table
from p4d.questions.facts.image_facts import ImageReader
from p4d.questions.facts.parts.reader import PartsReader
from p4d.questions.facts.path_facts import PathReader
from p4d.questions.facts.picture_counts import picture_counts
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.table import Fact, fact_table, write_fact_table
from p4d.questions.outcomes import ClipOutcome, write_outcomes
from p4d.questions.regions.selection import marked_regions
from p4d.truth.clip_parts import WHOLE


def build_facts(inputs: StageInputs, out: Path) -> StageReport:
    """Write `facts.parquet` and `outcomes.parquet` of one shard.

    Clips with whole truth are measured exactly, and those without truth from labels, in the image
    only. Of a clip whose truth came in parts, what is there is measured exactly and the rest from
    labels.

    The outcome of a clip that cannot be measured is failed, and it has no facts; the outcome of a
    clip without a finite fact of a marked region is filtered.
    """
    params = inputs.params("facts")
    clips_folder, labels_folder = inputs.folder("clips"), inputs.folder("labels")
    clips = read_table(clips_folder / "clips.parquet").filter(pl.col("outcome") == "ok")
    regions = read_table(inputs.folder("regions") / "regions.parquet")
    region_ids = marked_regions(regions)
    masks = Arrays(inputs.folder("regions") / "masks.safetensors")
    readers = ClipReaders(
        scenes=SceneReader(clips_folder, labels_folder, regions),
        parts=PartsReader(clips_folder, labels_folder, regions),
        images=ImageReader(labels_folder),
        rest=ImageReader(labels_folder, first=("exact",)),
        paths=PathReader(inputs.folder("regions")),
    )
    facts = _ShardFacts(params)
    failed: list[ClipOutcome] = []
    rows = clips.sort("clip_id").to_dicts()
    for done, clip in enumerate(rows, start=1):
        clip_id = clip["clip_id"]
        note = clip_id
        given = clip, region_ids.get(clip_id, ()), masks[f"{clip_id}.masks_kthw"]
        try:
            if readers.whole(clip_id):
                on_grid = params.instants == "grid"
                facts.add_scene(readers.scenes.scene(*given, on_grid=on_grid))
            else:
                facts.add(clip_id, readers.facts(*given, params))
        except (P4DError, KeyError) as error:
            failed.append(ClipOutcome(clip_id, "failed", str(error)))
            note = f"{clip_id}: {error}"
        inputs.progress(done, len(rows), note)
    table = facts.table()
    write_fact_table(out / "facts.parquet", table)
    return StageReport(
        rows=write_outcomes(out, [*failed, *facts.outcomes]),
        metrics={
            "clips": len(rows),
            "facts": table.height,
            "facts_not_finite": facts.not_finite,
        },
    )


class _ShardFacts:
    """Collects the facts of a shard: of clips with whole truth all at once, of others one by one.

    A NaN in truth or labels invalidates its own facts, not the clip.

    Attributes:
        outcomes: of the clips that could be measured; complete once the table is made.
        not_finite: number of facts that were left out.
    """

    def __init__(self, params: FactsParams) -> None:
        self.outcomes: list[ClipOutcome] = []
        self.not_finite = 0
        self._params = params
        self._scenes: list[Scene] = []
        self._facts: list[Fact] = []

    def add_scene(self, scene: Scene) -> None:
        """Add a clip with whole truth.

        Raises:
            TruthError: it cannot be measured.
        """
        if scene.steep:
            shard_blocks([scene], self._params)
        self._scenes.append(scene)

    def add(self, clip_id: str, measured: Sequence[Fact]) -> None:
        """Add the facts of another clip."""
        finite = [f for f in measured if isfinite(f.value) and isfinite(f.sigma)]
        self.not_finite += len(measured) - len(finite)
        self._facts += finite
        self._conclude(clip_id, known=any(f.region_ids or _of_camera(f) for f in finite))

    def table(self) -> pl.DataFrame:
        """Return the facts of all clips."""
        clips = [MeasuredClip(scene.source, scene.region_ids) for scene in self._scenes]
        exact = facts_table(shard_blocks(self._scenes, self._params), clips)
        self.not_finite += exact.not_finite
        for clip, known in zip(clips, exact.about_regions_c.tolist(), strict=True):
            self._conclude(clip.source.clip_id, known=known)
        others = fact_table(self._facts)
        return pl.concat([exact.table, others]) if others.height else exact.table

    def _conclude(self, clip_id: str, *, known: bool) -> None:
        reason = None if known else "no region could be measured"
        self.outcomes.append(ClipOutcome(clip_id, "ok" if known else "filtered", reason))


@dataclass(frozen=True, kw_only=True)
class ClipReaders:
    """Measures a clip with what is known of it.

    Attributes:
        scenes: of clips with whole truth.
        parts: of clips whose truth came in parts.
        rest: what their truth does not give, from labels; what it gives counts first.
        images: of clips without truth, from labels.
        paths: of clips without truth whose regions are of source `flow`.
    """

    scenes: SceneReader
    parts: PartsReader
    rest: ImageReader
    images: ImageReader
    paths: PathReader

    def whole(self, clip_id: str) -> bool:
        """Whether the clip has whole truth."""
        return self.parts.parts[clip_id] is WHOLE

    def facts(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        params: FactsParams,
    ) -> list[Fact]:
        """Measure all facts of one clip without whole truth.

        Raises:
            P4DError: it cannot be measured.
        """
        given = clip, region_ids, masks_kthw, params
        if not self.parts.parts[clip["clip_id"]].gives:
            if self.paths.has(clip["clip_id"], region_ids):
                seen = self.paths.facts(clip, region_ids)
            else:
                seen = self.images.facts(*given)
            return [*seen, *picture_counts(seen, region_ids)]
        exact = self.parts.facts(*given)
        known = {_subject(fact) for fact in exact}
        try:
            seen = self.rest.facts(*given)
        except LabelError:
            if not any(fact.region_ids or _of_camera(fact) for fact in exact):
                raise
            return exact
        return [*exact, *(fact for fact in seen if _subject(fact) not in known)]


def _subject(fact: Fact) -> tuple[object, ...]:
    """What a fact is about: a clip has one fact of it."""
    return fact.kind, fact.region_ids, fact.start_ns, fact.end_ns


def _of_camera(fact: Fact) -> bool:
    return fact.kind.startswith(("camera_", "view"))
