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
from p4d.questions.facts.image_facts import ImageReader
from p4d.questions.facts.parts.reader import PartsReader
from p4d.questions.facts.path_facts import PathReader
from p4d.questions.facts.picture_counts import picture_counts
from p4d.questions.facts.table import Fact, write_facts
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
    facts: list[Fact] = []
    outcomes: list[ClipOutcome] = []
    left_out = 0
    rows = clips.sort("clip_id").to_dicts()
    for done, clip in enumerate(rows, start=1):
        clip_id = clip["clip_id"]
        note = clip_id
        try:
            measured = readers.facts(
                clip, region_ids.get(clip_id, ()), masks[f"{clip_id}.masks_kthw"], params
            )
        except (P4DError, KeyError) as error:
            outcomes.append(ClipOutcome(clip_id, "failed", str(error)))
            note = f"{clip_id}: {error}"
        else:
            if not readers.parts.parts[clip_id].gives:
                measured += picture_counts(measured, region_ids.get(clip_id, ()))
            # A NaN in truth or labels invalidates its own facts, not the clip.
            finite = [f for f in measured if isfinite(f.value) and isfinite(f.sigma)]
            left_out += len(measured) - len(finite)
            facts.extend(finite)
            outcomes.append(_outcome(clip_id, finite, camera_counts=not readers.whole(clip_id)))
        inputs.progress(done, len(rows), note)
    write_facts(out / "facts.parquet", facts)
    return StageReport(
        rows=write_outcomes(out, outcomes),
        metrics={"clips": len(rows), "facts": len(facts), "facts_not_finite": left_out},
    )


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

    def in_parts(self, clip_id: str) -> bool:
        """Whether the clip has truth, and not all of it."""
        parts = self.parts.parts[clip_id]
        return bool(parts.gives) and parts is not WHOLE

    def facts(
        self,
        clip: Mapping[str, Any],
        region_ids: Sequence[str],
        masks_kthw: np.ndarray,
        params: FactsParams,
    ) -> list[Fact]:
        """Measure all facts of one clip.

        Raises:
            P4DError: it cannot be measured.
        """
        given = clip, region_ids, masks_kthw, params
        if self.parts.parts[clip["clip_id"]] is WHOLE:
            return self.scenes.facts(*given)
        if not self.in_parts(clip["clip_id"]):
            if self.paths.has(clip["clip_id"], region_ids):
                return self.paths.facts(clip, region_ids)
            return self.images.facts(*given)
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


def _outcome(clip_id: str, facts: list[Fact], *, camera_counts: bool) -> ClipOutcome:
    """`camera_counts`: facts of the camera alone make a clip worth asking about."""
    if any(fact.region_ids or (camera_counts and _of_camera(fact)) for fact in facts):
        return ClipOutcome(clip_id, "ok")
    return ClipOutcome(clip_id, "filtered", "no region could be measured")
