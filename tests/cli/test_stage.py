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
    """A stage that is made and fails a blocking check."""
    made = SimpleNamespace(data_version="md5:0", skipped=False)
    result = CheckResult(name="good", passed=False, severity="critical", description="is good")
    asked = []
    monkeypatch.setattr(
        "p4d.versioning.run.run_stage.run_stage",
        lambda project, key, **_: asked.append(key) or made,
    )
    monkeypatch.setattr(
        "p4d.versioning.run.check_published.check_published",
        lambda project, key, run_id: (key, [result]),
    )
    return asked


def test_a_failed_check_fails_the_command_but_not_under_dvc(failed_check, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    arguments = ["stage", "labels", "--shard", "0001-aaaaaaaa"]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, "FAIL good" in done.output) == (1, True)
    # After a failed command DVC would drop its entry of a published version.
    monkeypatch.setenv("DVC_STAGE", "labels")
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, "FAIL good" in done.output) == (0, True)
    assert failed_check == [ArtifactKey("labels", "0001-aaaaaaaa")] * 2


def test_dvc_yaml_names_no_orchestrator():
    assert command(ArtifactKey("labels", "1")) == "python -m p4d stage labels --shard 1"
    assert command(ArtifactKey("release")) == "python -m p4d stage release"
