"""The check of a stage: what it records of its gates, and what a failed run says."""

import dagster as dg
import pytest

from dagster_project import resources
from dagster_project.build import build_defs
from dagster_project.resources import StageRunner
from dagster_project.shards.definition import SHARD_OP
from dagster_project.shards.workers import ShardWorkers
from dagster_project.stage_checks import stage_checks
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run import jobs

STAGE = "student_p4d"
CHECKS = stage_checks(BY_NAME[STAGE])
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def result(name, offenders=0, severity="critical"):
    return CheckResult(
        name=name,
        passed=not offenders,
        severity=severity,
        description=f"{name} holds.",
        metrics={"offenders": offenders},
        sample=({"qa_id": "qa_1"},) if offenders else (),
    )


def run(monkeypatch, tmp_path, *results, only=None):
    def check_published(project, key, *, run_id):
        return ArtifactVersion(ArtifactKey(STAGE), "ab"), results

    monkeypatch.setattr(resources, "check_published", check_published)

    @dg.asset(name=STAGE)
    def asset():
        return None

    selection = dg.AssetSelection.checks(CHECKS)
    if only:
        selection = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(STAGE), only))
    done = dg.materialize(
        [asset, CHECKS],
        selection=selection,
        resources={"stage_runner": StageRunner(root=str(tmp_path))},
        raise_on_error=False,
    )
    return done, {each.check_name: each for each in done.get_asset_check_evaluations()}


def rows(evaluation):
    table = evaluation.metadata["gates"].value
    return [tuple(record.data.values()) for record in table.records]


def test_gates_that_pass_are_rows_of_the_check_of_their_kind(monkeypatch, tmp_path):
    done, found = run(
        monkeypatch, tmp_path,
        result("first"), result("second", severity="warning"), result("third"),
    )  # fmt: skip
    assert done.success
    assert {name: each.passed for name, each in found.items()} == {"gates": True, "warnings": True}
    assert found["gates"].description == f"{STAGE}: all 2 passed."
    assert [row[:2] for row in rows(found["gates"])] == [("first", "passed"), ("third", "passed")]
    assert [row[:2] for row in rows(found["warnings"])] == [("second", "passed")]
    for each in found.values():
        assert list(each.metadata) == ["gates", "version"]
        assert each.metadata["version"].value == "md5:ab"


def test_a_failed_gate_is_named_first_with_what_it_found_and_its_rows(monkeypatch, tmp_path):
    done, found = run(
        monkeypatch, tmp_path,
        result("first"), result("second", 3, "warning"), result("third", 2),
    )  # fmt: skip
    assert {name: (each.passed, each.severity) for name, each in found.items()} == {
        "gates": (False, ERROR),
        "warnings": (False, WARN),
    }
    assert found["gates"].description.splitlines() == [
        f"{STAGE}: 1 of 2 blocks: third.",
        "",
        "third: third holds. Found: 2 offending rows; for example qa_id qa_1.",
    ]
    assert found["warnings"].description.splitlines()[0] == f"{STAGE}: 1 of 1 warns: second."
    assert [row[:2] for row in rows(found["gates"])] == [("third", "blocks"), ("first", "passed")]
    assert [row[:2] for row in rows(found["warnings"])] == [("second", "warns")]
    assert list(found["gates"].metadata) == ["gates", "offending rows", "version"]
    assert found["gates"].metadata["offending rows"].value == {"third": [{"qa_id": "qa_1"}]}
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    text = failed.step_failure_data.user_failure_data.description
    assert text == (
        f"{STAGE}: third: third holds. Found: 2 offending rows; for example qa_id qa_1. "
        "Rows at fault: p4d status --all"
    )


def test_a_gate_that_warns_fails_no_run_and_leaves_the_check_of_what_blocks_green(
    monkeypatch, tmp_path
):
    done, found = run(monkeypatch, tmp_path, result("first"), result("second", 3, "warning"))
    assert done.success
    assert (found["gates"].passed, found["warnings"].passed) == (True, False)


def test_the_severity_is_that_of_the_check_whatever_it_found(monkeypatch, tmp_path):
    """Dagster colours a check by the severity of the latest evaluation, though it passed."""
    _, found = run(monkeypatch, tmp_path, result("first"), result("second", severity="warning"))
    assert {name: each.severity for name, each in found.items()} == {
        "gates": ERROR,
        "warnings": WARN,
    }


@pytest.mark.parametrize("only", ["gates", "warnings"])
def test_one_check_can_be_executed_alone(monkeypatch, tmp_path, only):
    done, found = run(
        monkeypatch, tmp_path, result("first"), result("second", severity="warning"), only=only
    )
    assert done.success
    assert set(found) == {only}


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_the_check_of_a_per_shard_stage_runs_alone_for_every_shard(monkeypatch, tmp_path, severity):
    checked = []

    def check_published(project, key, *, run_id):
        checked.append(str(key))
        bad = int(key.shard == "0002-bbbbbbbb")
        return ArtifactVersion(key, "ab"), [result("no_nan", bad, severity)]

    monkeypatch.setattr(jobs, "check_published", check_published)
    defs = build_defs(Project.find())
    (shards_op,) = (
        each
        for each in defs.assets
        if isinstance(each, dg.AssetsDefinition) and each.node_def.name == SHARD_OP
    )
    check = "gates" if severity == "critical" else "warnings"
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("shards", ["0001-aaaaaaaa", "0002-bbbbbbbb"])
        done = dg.materialize(
            [shards_op],
            instance=instance,
            selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("labels"), check)),
            resources={
                "stage_runner": StageRunner(root=str(tmp_path)),
                "shard_workers": ShardWorkers(),
            },
            raise_on_error=False,
        )
    assert done.success == (severity == "warning")
    assert checked == ["labels@0001-aaaaaaaa", "labels@0002-bbbbbbbb"]
    found = {each.partition: each for each in done.get_asset_check_evaluations()}
    assert {shard: each.passed for shard, each in found.items()} == {
        "0001-aaaaaaaa": True,
        "0002-bbbbbbbb": False,
    }
    assert {each.check_name for each in found.values()} == {check}
    text = found["0002-bbbbbbbb"].description
    verb = "blocks" if severity == "critical" else "warns"
    assert text.startswith(f"labels@0002-bbbbbbbb: 1 of 1 {verb}: no_nan.\n\nno_nan: no_nan holds.")
