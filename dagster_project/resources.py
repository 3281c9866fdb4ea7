"""The bridge between Dagster and the publisher: one truth for versions.

An asset's data version is the DVC hash of its folder and its code version a hash of command,
parameters and code files, so that staleness in the UI and `dvc status` agree. The asset bodies in
`assets/` call `Workspace.materialize`; everything Dagster-specific about a stage is derived here
from `p4d.pipeline`.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.dead_runs import PROCESS_TAG, process_identity
from dagster_project.metadata import _metadata, _shown, _value, folders_of
from dagster_project.project import project
from p4d.errors import P4DError
from p4d.pipeline import Stage, stage_named
from p4d.quality.gates import blocking_gates
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.run.check_published import check_published
from p4d.versioning.run.run_stage import run_stage


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
            made = run_stage(
                project(),
                ArtifactKey(stage.name, shard),
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
            metadata={**shown, **_metadata(made)},
        )

    def judge(self, stage: Stage, shard: str | None, run_id: str) -> Iterator[dg.AssetCheckResult]:
        """Run the gates of a stage on its published version; ledger first, then Dagster."""
        key = ArtifactKey(stage.name, shard)
        version, results = check_published(project(), key, run_id=run_id)
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
                    "judged": version.data_version,
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
