"""Describes a published version for the Dagster UI."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.project import project
from p4d.display.markdown import markdown_table
from p4d.pipeline import Stage, stage_named
from p4d.versioning.run.run_stage import Materialization


def folders_of(stage: Stage, shard: str | None) -> dict[str, Path]:
    """Published folders of a stage and its inputs, by stage name; of one shard where they have it.

    A per-shard input of an unpartitioned stage is given as the folder that holds all shards.
    """
    data = project().data

    def folder(of: Stage) -> Path:
        return data / of.name / shard if of.per_shard and shard else data / of.name

    return {of.name: folder(of) for of in (*map(stage_named, stage.inputs), stage)}


def _shown(
    folders: Mapping[str, Path],
    preview: Callable[[Mapping[str, Path]], bytes] | None,
    table: Callable[[Mapping[str, Path]], Any] | None,
) -> dict[str, Any]:
    """Picture and table for the UI. The version is published: a failed drawing is only told."""
    shown: dict[str, Any] = {}
    try:
        if preview:
            encoded = base64.b64encode(preview(folders)).decode()
            picture = f"![preview](data:image/png;base64,{encoded})"
            shown["preview"] = dg.MetadataValue.md(picture)
        if table:
            shown["table"] = dg.MetadataValue.md(markdown_table(table(folders), rows=40))
    except Exception as error:  # noqa: BLE001 - any of them, see the docstring
        shown["not shown"] = f"{type(error).__name__}: {error}"
    return shown


def _metadata(made: Materialization) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dvc/out": str(made.path.relative_to(project().root)),
        "dvc/deps": dg.MetadataValue.json(dict(made.upstream)),
        "restore": dg.MetadataValue.md(f"`p4d restore {made.key} DEST --at {made.md5[:12]}`"),
        "skipped": made.skipped,
    }
    metadata |= {f"rows/{outcome}": count for outcome, count in made.rows.items()}
    metadata |= {name: _value(value) for name, value in made.metrics.items()}
    metadata |= {f"cost/{name}": _value(value) for name, value in made.cost.items()}
    return metadata


def _value(value: Any) -> Any:  # noqa: ANN401 - Dagster accepts these as they are
    return value if isinstance(value, (bool, int, float, str)) else dg.MetadataValue.json(value)
