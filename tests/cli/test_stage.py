"""`p4d stage`, which is also the command of every stage in dvc.yaml."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from p4d.cli import cli
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.pipeline_file import command
from p4d.versioning.files.artifact_key import ArtifactKey


@pytest.fixture
def failed_check(monkeypatch):
    """A stage that is made and fails a blocking check and a warning."""
    made = SimpleNamespace(data_version="md5:0", skipped=False)
    result = CheckResult(name="good", passed=False, severity="critical", description="is good")
    warning = CheckResult(name="rare", passed=False, severity="warning", description="is rare")
    asked = []
    monkeypatch.setattr(
        "p4d.versioning.run.run_stage.run_stage",
        lambda project, key, **_: asked.append(key) or made,
    )
    monkeypatch.setattr(
        "p4d.versioning.run.check_published.check_published",
        lambda project, key, run_id: (key, [result, warning]),
    )
    return asked


def test_a_failed_check_fails_the_command_but_not_under_dvc(failed_check, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    arguments = ["stage", "labels", "--shard", "0001-aaaaaaaa"]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, "FAIL good" in done.output) == (1, True)
    assert "warn rare" in done.output
    # After a failed command DVC would drop its entry of a published version.
    monkeypatch.setenv("DVC_STAGE", "labels")
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, "FAIL good" in done.output) == (0, True)
    assert failed_check == [ArtifactKey("labels", "0001-aaaaaaaa")] * 2


def test_an_artifact_as_status_prints_it_is_answered_with_the_command(failed_check):
    done = CliRunner().invoke(cli, ["stage", "labels@0001-aaaaaaaa"])
    assert (done.exit_code, failed_check) == (2, [])
    assert "p4d stage labels --shard 0001-aaaaaaaa" in done.output


def test_dvc_yaml_names_no_orchestrator():
    assert command(ArtifactKey("labels", "1")) == "python -m p4d stage labels --shard 1"
    assert command(ArtifactKey("release")) == "python -m p4d stage release"
