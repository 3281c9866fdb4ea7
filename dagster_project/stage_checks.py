"""Builds the asset checks of a stage without shards from its gates in `p4d.quality.gates`.

Those of a per-shard stage are in the op of these stages (`dagster_project.shards`).
"""

from collections.abc import Iterator

import dagster as dg

from dagster_project.resources import StageRunner
from dagster_project.shards.failures import as_failure, check_failure
from p4d.errors import P4DError
from p4d.pipeline import STAGES, Stage
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey


def stage_checks(stage: Stage) -> dg.AssetChecksDefinition:
    """The gates of one stage as asset checks."""

    @dg.multi_asset_check(
        name=f"{stage.name}_gates",
        description=f"Runs the gates of {stage.name} on its published version.",
        specs=[
            dg.AssetCheckSpec(
                gate.name,
                asset=stage.name,
                description=gate.description,
                blocking=gate.blocking,
            )
            for gate in GATES[stage.name]
        ],
        can_subset=True,
    )
    def gates(
        context: dg.AssetCheckExecutionContext, stage_runner: StageRunner
    ) -> Iterator[dg.AssetCheckResult]:
        key = ArtifactKey(stage.name)
        only = [check.name for check in context.selected_asset_check_keys]
        failed: list[CheckResult] = []
        try:
            yield from stage_runner.check(key, context.run.run_id, only, failed.append)
        except P4DError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        failures = [check_failure(key, result) for result in failed]
        for failure in failures:
            context.log.error(failure.text)
        if failures:  # Dagster would fail the step with the names of the checks alone
            raise as_failure(failures, shards=1)

    return gates


def all_stage_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of every stage that has gates and no shards."""
    return [stage_checks(each) for each in STAGES if GATES.get(each.name) and not each.per_shard]
