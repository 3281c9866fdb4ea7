"""What a published version and a check result show in the Dagster UI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_project.asset_page import explorer_link, file_of, main_table
from p4d.foreign_text import one_line
from p4d.pipeline import stage_named
from p4d.project import Project
from p4d.quality.finding import finding
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run.run_stage import Materialization

if TYPE_CHECKING:
    from p4d.display.stage_views import Table


def version_metadata(project: Project, made: Materialization) -> dict[str, Any]:
    """Numbers, picture, table, place, costs and inputs of a published version, in this order.

    The inputs come last.
    """
    metadata: dict[str, Any] = {name: _value(value) for name, value in made.metrics.items()}
    metadata |= dict(_views(made.key.stage, _folders(project, made.key)))
    metadata |= {f"rows/{outcome}": count for outcome, count in made.rows.items()}
    if (rows := _row_count(made)) is not None:
        per_shard = made.key.shard is not None
        metadata["dagster/partition_row_count" if per_shard else "dagster/row_count"] = rows
    metadata |= {
        "explorer": explorer_link(made.key),
        "skipped": made.skipped,
        "path": dg.MetadataValue.path(str(made.path)),
        "dagster/uri": made.path.as_uri(),
        "restore": dg.MetadataValue.md(f"`p4d restore {made.key} DEST --at {made.md5[:12]}`"),
        **_costs(made.cost),
        "dvc/out": str(made.path.relative_to(project.root)),
        "dvc/deps": dg.MetadataValue.json(inputs_shown(made.upstream)),
    }
    return metadata


_SHARDS_SHOWN = 50


def inputs_shown(upstream: Mapping[str, str]) -> dict[str, str | int]:
    """Data versions of the inputs, by artifact; of a stage with many shards their number alone.

    A release of 10,000 shards has 50,000 inputs. The ledger and `p4d why` have all of them.
    """
    stages: dict[str, list[str]] = {}
    for name in upstream:
        stages.setdefault(ArtifactKey.parse(name).stage, []).append(name)
    shown: dict[str, str | int] = {}
    for stage, names in stages.items():
        if len(names) > _SHARDS_SHOWN:
            shown[f"{stage}, shards"] = len(names)
        else:
            shown |= {name: upstream[name] for name in names}
    return shown


_COSTS = {
    "wall_s": "cost/wall time (s)",
    "cpu_s": "cost/CPU time (s)",
    "step_rss_bytes": "cost/memory that the step added (bytes)",
    "max_rss_bytes": "cost/peak memory of the process in the step (bytes)",
}
"""By key in the ledger, what a cost is called on the page."""


def _costs(cost: Mapping[str, float | int]) -> dict[str, Any]:
    return {label: cost[name] for name, label in _COSTS.items() if name in cost}


def _row_count(made: Materialization) -> int | None:
    """Rows of the asset's main table; None if it has none."""
    view = main_table(stage_named(made.key.stage))
    path = made.path / file_of(view) if view else None
    if path is None or not path.is_file():
        return None
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_metadata

        return int(read_metadata(path).num_rows)
    lines = sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
    return lines - 1 if path.suffix == ".csv" else lines


def gates_metadata(version: ArtifactVersion, results: Sequence[CheckResult]) -> dict[str, Any]:
    """A row for each gate with what it found, offending rows by gate, and the checked version.

    Args:
        version: the checked version.
        results: of its gates; those that failed are shown first.
    """
    ordered = sorted(results, key=lambda result: (result.passed, not result.blocking))
    metadata: dict[str, Any] = {
        "gates": dg.MetadataValue.table(
            [dg.TableRecord(_gate_row(result)) for result in ordered], schema=_GATE_COLUMNS
        ),
    }
    if rows := {each.name: list(each.sample) for each in ordered if each.sample}:
        metadata["offending rows"] = dg.MetadataValue.json(rows)
    metadata["version"] = version.data_version
    return metadata


_GATE_COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("gate", description="what holds when it passes, in short"),
        dg.TableColumn("result", description="passed, warns or blocks"),
        dg.TableColumn("found", description="values that were found, and the limits"),
    ]
)


def _gate_row(result: CheckResult) -> dict[str, str]:
    failed = "blocks" if result.blocking else "warns"
    return {
        "gate": result.name,
        "result": "passed" if result.passed else failed,
        "found": one_line(finding(result.details)) or ("no offending row" if result.passed else ""),
    }


def _folders(project: Project, key: ArtifactKey) -> dict[str, Path]:
    """Published folders of a stage and its inputs, by stage name, the stage itself last.

    A per-shard input of a stage without shards is given as the folder that holds all shards.
    """
    stage = stage_named(key.stage)

    def folder(name: str) -> Path:
        home = project.data / name
        return home / key.shard if key.shard and stage_named(name).per_shard else home

    return {name: folder(name) for name in (*stage.inputs, stage.name)}


def _views(stage_name: str, folders: Mapping[str, Path]) -> Iterator[tuple[str, Any]]:
    from p4d.display.stage_views import PICTURES, TABLES
    from p4d.drawing import media_type
    from p4d.pages.render import data_uri

    # The version is published already: a view that cannot be drawn is reported and fails nothing.
    try:
        if picture := PICTURES.get(stage_name):
            drawn = picture(folders)
            uri = data_uri(drawn, media_type(drawn))
            yield "preview", dg.MetadataValue.md(f"![preview]({uri})")
        if table := TABLES.get(stage_name):
            yield "table", _table(table(folders))
    except Exception as error:  # noqa: BLE001 - any of them, see above
        yield "not shown", f"{type(error).__name__}: {error}"


_ROWS_IN_PLACE, _COLUMNS_IN_PLACE, _ROWS = 16, 8, 60
"""Rows and columns that a page shows well in place; rows of a longer or wider table."""


def _table(frame: Table) -> dg.TableMetadataValue | dg.MarkdownMetadataValue:
    """A table in place if it is small; else as Markdown, which the page shows behind a click."""
    if len(frame) > _ROWS_IN_PLACE or len(frame.columns) > _COLUMNS_IN_PLACE:
        from p4d.display.markdown import markdown_table

        return dg.MetadataValue.md(markdown_table(frame, rows=_ROWS))
    return dg.MetadataValue.table(
        [
            dg.TableRecord({name: _cell(value) for name, value in row.items()})
            for row in frame.to_dicts()
        ],
        schema=dg.TableSchema([dg.TableColumn(name) for name in frame.columns]),
    )


def _cell(value: object) -> str | int | float | bool:
    if value is None:
        return ""
    return value if isinstance(value, bool | int | float) else one_line(value)


def _value(value: Any) -> Any:  # noqa: ANN401 - Dagster accepts these as they are
    return value if isinstance(value, (bool, int, float, str)) else dg.MetadataValue.json(value)
