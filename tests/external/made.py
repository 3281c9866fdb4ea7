"""The artifacts of both stages for tests of what reads them."""

import polars as pl

from p4d.artifacts import write_table
from p4d.external.mixture import build_mixture
from p4d.external.stage import build_external
from p4d.pipeline import StageInputs, stage_named
from tests.external import sets


def external_artifacts(root, params):
    """Sets `web` (videos, a picture, a text) and `sat` (pictures) below `root`/external-drop."""
    drop = root / "drop"
    sets.llava(drop / "web")
    sets.sat(drop / "sat" / "train.parquet", rows=6)
    inputs = StageInputs(
        stage=stage_named("external"),
        all_params=params,
        folders={},
        tracked_folders={"external": drop},
    )
    build_external(inputs, root / "external")
    release = root / "no_clips"
    table = pl.DataFrame(schema={"clip_id": pl.String, "split": pl.String, "shard": pl.String})
    write_table(release / "clips.parquet", table, sort_by=["clip_id"])
    inputs = StageInputs(
        stage=stage_named("mixture"),
        all_params=params,
        folders={"release": release, "external": root / "external", "clips": {}},
    )
    build_mixture(inputs, root / "mixture")
