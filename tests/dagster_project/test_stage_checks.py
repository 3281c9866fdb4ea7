"""The check of a stage: what it records of its gates, and what a failed run says."""

import dagster as dg
import pytest

from dagster_project import resources
from dagster_project.build import build_defs
from dagster_project.resources import StageRunner
from dagster_project.shards.definition import SHARD_OP
from dagster_project.stage_checks import stage_checks
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run import jobs

STAGE = "evaluation"
CHECKS = stage_checks(BY_NAME[STAGE])


def result(name, offenders=0, severity="critical"):
    return CheckResult(
        name=name,
        passed=not offenders,
        severity=severity,
        description=f"{name} holds.",
        metrics={"offenders": offenders},
        sample=({"qa_id": "qa_1"},) if offenders else (),
    )


def run(monkeypatch, tmp_path, *results):
    def check_published(project, key, *, run_id):
        return ArtifactVersion(ArtifactKey(STAGE), "ab"), results

    monkeypatch.setattr(resources, "check_published", check_published)

    @dg.asset(name=STAGE)
    def asset():
        return None

    return dg.materialize(
        [asset, CHECKS],
        selection=dg.AssetSelection.checks(CHECKS),
        resources={"stage_runner": StageRunner(root=str(tmp_path))},
        raise_on_error=False,
    )


def rows(evaluation):
    table = evaluation.metadata["gates"].value
    return [tuple(record.data.values()) for record in table.records]


def test_gates_that_pass_are_rows_of_one_check(monkeypatch, tmp_path):
    done = run(monkeypatch, tmp_path, result("first"), result("second", severity="warning"))
    assert done.success
    (evaluation,) = done.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == ("gates", True)
    assert evaluation.description == "All 2 gates passed."
    assert [row[:2] for row in rows(evaluation)] == [("first", "passed"), ("second", "passed")]
    assert evaluation.metadata["version"].value == "md5:ab"
    assert "offending rows" not in evaluation.metadata


def test_a_failed_gate_is_named_first_with_what_it_found_and_its_rows(monkeypatch, tmp_path):
    done = run(
        monkeypatch, tmp_path,
        result("first"), result("second", 3, "warning"), result("third", 2),
    )  # fmt: skip
    (evaluation,) = done.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert evaluation.description.splitlines() == [
        "2 of 3 gates failed.",
        "third: third holds. Found: 2 offending rows; for example qa_id qa_1.",
        "second: second holds. Found: 3 offending rows; for example qa_id qa_1.",
    ]
    assert [row[:2] for row in rows(evaluation)] == [
        ("third", "blocks"),
        ("second", "warns"),
        ("first", "passed"),
    ]
    assert evaluation.metadata["offending rows"].value == {
        "third": [{"qa_id": "qa_1"}],
        "second": [{"qa_id": "qa_1"}],
    }
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    text = failed.step_failure_data.user_failure_data.description
    assert text == (
        f"{STAGE}: third: third holds. Found: 2 offending rows; for example qa_id qa_1. "
        "Rows at fault: p4d status --all"
    )


def test_a_gate_that_warns_fails_no_run(monkeypatch, tmp_path):
    done = run(monkeypatch, tmp_path, result("first"), result("second", 3, "warning"))
    assert done.success
    (evaluation,) = done.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)


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
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("shards", ["0001-aaaaaaaa", "0002-bbbbbbbb"])
        done = dg.materialize(
            [shards_op],
            instance=instance,
            selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("labels"), "gates")),
            resources={"stage_runner": StageRunner(root=str(tmp_path))},
            raise_on_error=False,
        )
    assert done.success == (severity == "warning")
    assert checked == ["labels@0001-aaaaaaaa", "labels@0002-bbbbbbbb"]
    found = {each.partition: each for each in done.get_asset_check_evaluations()}
    assert {shard: each.passed for shard, each in found.items()} == {
        "0001-aaaaaaaa": True,
        "0002-bbbbbbbb": False,
    }
    text = found["0002-bbbbbbbb"].description
    assert text.startswith("1 of 1 gates failed.\nno_nan: no_nan holds.")
