"""Stage `facts`: measures each clip with the best teacher that it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.errors import P4DError
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.facts.exact.reader import SceneReader
from p4d.questions.facts.image_facts import ImageReader
from p4d.questions.facts.table import Fact, write_facts
from p4d.questions.outcomes import ClipOutcome, write_outcomes
from p4d.questions.regions.selection import marked_regions


def build_facts(inputs: StageInputs, out: Path) -> StageReport:
    """Write `facts.parquet` and `outcomes.parquet` of one shard.

    Clips with truth are measured exactly; the others from the expert's labels, in the image only.
    The outcome of a clip that cannot be measured is failed, and it has no facts; the outcome of a
    clip without a finite fact of a marked region is filtered.
    """
    params = inputs.params("facts")
    clips_folder, labels_folder = inputs.folder("clips"), inputs.folder("labels")
    clips = read_table(clips_folder / "clips.parquet").filter(pl.col("outcome") == "ok")
    regions = read_table(inputs.folder("regions") / "regions.parquet")
    region_ids = marked_regions(regions)
    masks = Arrays(inputs.folder("regions") / "masks.safetensors")
    scenes = SceneReader(clips_folder, labels_folder, regions)
    images = ImageReader(labels_folder)
    facts: list[Fact] = []
    outcomes: list[ClipOutcome] = []
    left_out = 0
    rows = clips.sort("clip_id").to_dicts()
    for done, clip in enumerate(rows, start=1):
        clip_id = clip["clip_id"]
        read = scenes if clip["has_truth"] else images
        note = clip_id
        try:
            measured = read.facts(
                clip, region_ids.get(clip_id, ()), masks[f"{clip_id}.masks_kthw"], params
            )
        except (P4DError, KeyError) as error:
            outcomes.append(ClipOutcome(clip_id, "failed", str(error)))
            note = f"{clip_id}: {error}"
        else:
            # A NaN in truth or labels invalidates its own facts, not the clip.
            finite = [fact for fact in measured if np.isfinite([fact.value, fact.sigma]).all()]
            left_out += len(measured) - len(finite)
            facts.extend(finite)
            outcomes.append(_outcome(clip_id, finite))
        inputs.progress(done, len(rows), note)
    write_facts(out / "facts.parquet", facts)
    return StageReport(
        rows=write_outcomes(out, outcomes),
        metrics={"clips": len(rows), "facts": len(facts), "facts_not_finite": left_out},
    )


def _outcome(clip_id: str, facts: list[Fact]) -> ClipOutcome:
    if any(fact.region_ids for fact in facts):
        return ClipOutcome(clip_id, "ok")
    return ClipOutcome(clip_id, "filtered", "no region could be measured")
