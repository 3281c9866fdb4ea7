"""Builds the asset checks of a stage without shards (`dagster_project.gates_check`).

Those of a per-shard stage are in the op of these stages (`dagster_project.shards`).
"""

from collections.abc import Iterator

import dagster as dg

from dagster_project.gates_check import check_specs, evaluations
from dagster_project.resources import StageRunner
from dagster_project.shards.failures import as_failure, check_failure
from p4d.errors import P4DError
from p4d.pipeline import STAGES, Stage
from p4d.quality.gates import GATES
from p4d.versioning.files.artifact_key import ArtifactKey


def stage_checks(stage: Stage) -> dg.AssetChecksDefinition:
    """The checks of a stage without shards."""

    @dg.multi_asset_check(
        name=f"{stage.name}_gates",
        description=f"Runs the gates of {stage.name} on its published version.",
        specs=check_specs(stage),
        can_subset=True,  # so that the page can execute one of them
    )
    def gates(
        context: dg.AssetCheckExecutionContext, stage_runner: StageRunner
    ) -> Iterator[dg.AssetCheckResult]:
        key = ArtifactKey(stage.name)
        try:
            version, results = stage_runner.check(key, context.run.run_id)
        except P4DError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        selected = {check.name for check in context.selected_asset_check_keys}
        for check, evaluation in evaluations(version, results).items():
            if check in selected:
                yield dg.AssetCheckResult(asset_key=stage.name, check_name=check, **evaluation)
        stops = [each for each in results if each.blocking and not each.passed]
        failures = [check_failure(key, each) for each in stops]
        for failure in failures:
            context.log.error(failure.text)
        if failures:  # Dagster would fail the step with the name of the check alone
            raise as_failure(failures, shards=1)

    return gates


def all_stage_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of every stage that has gates and no shards."""
    return [stage_checks(each) for each in STAGES if GATES.get(each.name) and not each.per_shard]
