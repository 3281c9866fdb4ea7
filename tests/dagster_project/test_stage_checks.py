"""Checks of a stage without shards: run alone or together, and what a failed run says."""

import dagster as dg
import pytest

from dagster_project import resources
from dagster_project.build import build_defs
from dagster_project.resources import StageRunner
from dagster_project.shards.definition import SHARD_OP
from dagster_project.stage_checks import stage_checks
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.quality.gates import GATES
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run import jobs

STAGE = "evaluation"
NAMES = [gate.name for gate in GATES[STAGE]]
CHECKS = stage_checks(BY_NAME[STAGE])


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Names of the checks that ran; all but the first one fail."""
    names = []

    def check_published(project, key, *, run_id, only):
        names.extend(only)
        results = [
            CheckResult(
                name=name,
                passed=name == NAMES[0],
                severity="critical",
                description="It holds.",
                metrics={"offenders": 0 if name == NAMES[0] else 2},
                sample=() if name == NAMES[0] else ({"qa_id": "qa_1"},),
            )
            for name in NAMES
            if name in only
        ]
        return ArtifactVersion(ArtifactKey(STAGE), "ab"), results

    monkeypatch.setattr(resources, "check_published", check_published)
    return names


def run(tmp_path, *names):
    @dg.asset(name=STAGE)
    def asset():
        return None

    selected = [dg.AssetCheckKey(dg.AssetKey(STAGE), name) for name in names]
    return dg.materialize(
        [asset, CHECKS],
        selection=dg.AssetSelection.checks(*selected),
        resources={"stage_runner": StageRunner(root=str(tmp_path))},
        raise_on_error=False,
    )


def test_a_check_can_be_run_alone(asked, tmp_path):
    done = run(tmp_path, NAMES[0])
    assert done.success
    assert asked == NAMES[:1]
    assert [each.check_name for each in done.get_asset_check_evaluations()] == NAMES[:1]


def test_a_failed_run_names_the_check_what_it_found_and_what_to_type(asked, tmp_path):
    done = run(tmp_path, *NAMES)
    assert sorted(asked) == sorted(NAMES)
    assert len(done.get_asset_check_evaluations()) == len(NAMES)
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    text = failed.step_failure_data.user_failure_data.description
    assert f"{STAGE}: {NAMES[1]}: It holds. Found: 2 offending rows" in text
    assert "for example qa_id qa_1" in text
    assert text.endswith("Rows at fault: p4d status --all")


def test_checks_of_a_per_shard_stage_run_alone_for_every_shard(monkeypatch, tmp_path):
    checked = []

    def check_published(project, key, *, run_id, only):
        checked.append((str(key), list(only)))
        result = CheckResult(
            name="no_nan", passed=True, severity="critical", description="No NaN.", metrics={}
        )
        return ArtifactVersion(key, "ab"), [result]

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
            selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("labels"), "no_nan")),
            resources={"stage_runner": StageRunner(root=str(tmp_path))},
        )
    assert checked == [
        ("labels@0001-aaaaaaaa", ["no_nan"]),
        ("labels@0002-bbbbbbbb", ["no_nan"]),
    ]
    partitions = [each.partition for each in done.get_asset_check_evaluations()]
    assert partitions == ["0001-aaaaaaaa", "0002-bbbbbbbb"]
