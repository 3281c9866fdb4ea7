"""The bridge between Dagster and the publisher: one truth for versions.

An asset's data version is the DVC hash of its folder and its code version a hash of command,
parameters and code files, so that staleness in the UI and `dvc status` agree. The asset bodies in
`assets/` call `Workspace.materialize`; everything Dagster-specific about a stage is derived here
from `p4d.pipeline`.
"""

import base64
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.automation import RETRAINED_WEEKLY, on_new_data
from dagster_project.partitions import SHARDS
from dagster_project.processes import PROCESS_TAG, process_identity
from p4d.config import Project
from p4d.errors import P4DError
from p4d.pipeline import STAGES, Stage, stage_named
from p4d.previews import markdown_table
from p4d.quality.gates import GATES, blocking_gates
from p4d.versioning.fingerprint import code_versions
from p4d.versioning.judging import judge_published
from p4d.versioning.runner import Materialization, run_instance

_KINDS = {
    "ingest": {"python", "parquet"},
    "teacher": {"pytorch"},
    "labels": {"pytorch", "safetensors"},
    "questions": {"polars", "parquet"},
    "release": {"polars", "parquet"},
    "students": {"huggingface", "pytorch"},
    "evaluation": {"duckdb", "parquet"},
}


@cache
def project() -> Project:
    """The project of this code location: `$P4D_ROOT`, else the one around the working folder."""
    return Project.find()


@cache
def _code_versions() -> Mapping[str, str]:
    return code_versions(project())


class Workspace(dg.ConfigurableResource):
    """The project as a resource: materializes stages through the publisher.

    Attributes:
        force: compute even when the fingerprint says that nothing changed.
        progress_to_terminal: also write progress lines to standard error.
    """

    force: bool = False
    progress_to_terminal: bool = False

    def materialize(
        self,
        context: dg.AssetExecutionContext,
        preview: Callable[[Mapping[str, Path]], bytes] | None = None,
        table: Callable[[Mapping[str, Path]], Any] | None = None,
    ) -> dg.MaterializeResult:
        """Run the asset's stage for its partition and describe what was published.

        Args:
            context: of the running asset; names the stage and the shard.
            preview: draws a PNG from the stage's own folder and those of its inputs.
            table: makes a small table from the same folders.

        Raises:
            dagster.Failure: the library refused; the description is its message.
        """
        context.instance.add_run_tags(context.run_id, {PROCESS_TAG: process_identity()})
        stage = stage_named(context.asset_key.to_user_string())
        shard = context.partition_key if stage.per_shard else None
        try:
            made = run_instance(
                project(),
                stage.name,
                shard,
                run_id=context.run_id,
                progress=self._progress(context, stage, shard),
                force=self.force,
                gates=blocking_gates(),
            )
            shown = _shown(folders_of(stage, shard), preview, table)
        except P4DError as error:
            raise dg.Failure(
                description=f"{type(error).__name__}: {error}", allow_retries=False
            ) from error
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.data_version),
            metadata={**shown, **_metadata(stage, shard, made)},
        )

    def judge(self, stage: Stage, shard: str | None, run_id: str) -> Iterator[dg.AssetCheckResult]:
        """Run the gates of a stage on its published version; ledger first, then Dagster."""
        md5, results = judge_published(project(), stage.name, shard, run_id=run_id)
        for result in results:
            yield dg.AssetCheckResult(
                asset_key=stage.name,
                check_name=result.name,
                passed=result.passed,
                severity=(
                    dg.AssetCheckSeverity.ERROR
                    if result.severity == "critical"
                    else dg.AssetCheckSeverity.WARN
                ),
                description=result.description,
                metadata={
                    "judged": f"md5:{md5}",
                    **{name: _value(value) for name, value in result.metrics.items()},
                    **(
                        {"offending rows": dg.MetadataValue.json(list(result.sample))}
                        if result.sample
                        else {}
                    ),
                },
            )

    def _progress(
        self, context: dg.AssetExecutionContext, stage: Stage, shard: str | None
    ) -> Callable[[int, int, str], None]:
        name, last = " ".join(filter(None, (stage.name, shard))), [time.monotonic()]

        def report(done: int, total: int, note: str) -> None:
            if time.monotonic() - last[0] < 5 and done < total:
                return
            last[0] = time.monotonic()
            line = f"{name}: {done} of {total} {note}".rstrip()
            context.log.info(line)
            if self.progress_to_terminal:
                sys.stderr.write(f"      {line}\n")

        return report


def stage_asset(name: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator: the asset of a stage, with everything derived from the stage's declaration."""
    stage = stage_named(name)
    return dg.asset(
        name=stage.name,
        deps=list(stage.inputs),
        group_name=stage.group,
        description=stage.description,
        code_version=_code_versions()[stage.name],
        partitions_def=SHARDS if stage.per_shard else None,
        automation_condition=on_new_data(stage),
        freshness_policy=RETRAINED_WEEKLY if stage.name == "champion" else None,
        kinds=_KINDS[stage.group],
        pool=stage.pool,
        output_required=True,
    )


def stage_checks(stage: Stage) -> dg.AssetChecksDefinition:
    """The gates of one stage as asset checks, per partition where the stage has partitions."""
    partitions = SHARDS if stage.per_shard else None

    @dg.multi_asset_check(
        name=f"{stage.name}_gates",
        specs=[
            dg.AssetCheckSpec(
                gate.name,
                asset=stage.name,
                description=gate.description,
                blocking=gate.blocking,
                partitions_def=partitions,
            )
            for gate in GATES[stage.name]
        ],
    )
    def gates(
        context: dg.AssetCheckExecutionContext, workspace: Workspace
    ) -> Iterator[dg.AssetCheckResult]:
        shard = context.partition_key if stage.per_shard else None
        try:
            yield from workspace.judge(stage, shard, context.run.run_id)
        except P4DError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error

    return gates


def all_stage_checks() -> list[dg.AssetChecksDefinition]:
    """Checks of every stage that has gates."""
    return [stage_checks(stage) for stage in STAGES if GATES.get(stage.name)]


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


def _metadata(stage: Stage, shard: str | None, made: Materialization) -> dict[str, Any]:
    instance = f"{stage.name}@{shard}" if shard else stage.name
    metadata: dict[str, Any] = {
        "dvc/out": str(made.path.relative_to(project().root)),
        "dvc/deps": dg.MetadataValue.json(dict(made.upstream)),
        "restore": dg.MetadataValue.md(
            f"`p4d restore {instance} DEST --at {made.data_version.removeprefix('md5:')[:12]}`"
        ),
        "skipped": made.skipped,
    }
    metadata |= {f"rows/{outcome}": count for outcome, count in made.rows.items()}
    metadata |= {name: _value(value) for name, value in made.metrics.items()}
    metadata |= {f"cost/{name}": _value(value) for name, value in made.cost.items()}
    return metadata


def _value(value: Any) -> Any:  # noqa: ANN401 - Dagster accepts these as they are
    return value if isinstance(value, (bool, int, float, str)) else dg.MetadataValue.json(value)
