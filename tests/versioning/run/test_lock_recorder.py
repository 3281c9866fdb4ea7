"""Who writes dvc.lock is decided in one place, by whether DVC runs this process."""

import pytest

from p4d.errors import PublishError
from p4d.versioning.run.lock_recorder import LeaveToDvc, WriteToLock, lock_recorder
from p4d.versioning.state.workspace import Workspace, status
from tests.versioning.fake import SHARDS

OLD, NEW = "python -m dagster_project run", "python -m p4d stage"


def test_dvc_names_itself_in_the_environment(monkeypatch):
    assert isinstance(lock_recorder(), WriteToLock)
    monkeypatch.setenv("DVC_STAGE", "teach")
    assert isinstance(lock_recorder(), LeaveToDvc)


def test_under_dvc_the_ledger_knows_the_current_version_and_dvc_yaml_is_not_written(
    fake, monkeypatch
):
    fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    monkeypatch.setenv("DVC_STAGE", "teach")
    made = fake.make("teach")
    with Workspace(fake.project) as workspace:
        assert LeaveToDvc().current_md5(workspace, made.key) == made.md5
        assert WriteToLock().current_md5(workspace, made.key) != made.md5
    (fake.root / fake.package / "late.py").write_text("X = 1\n")
    fake.edit(
        f"{fake.package}/text.py", "def shout", f"from {fake.package}.late import X\n\n\ndef shout"
    )
    with pytest.raises(
        PublishError,
        match=r"links below \.code are older than the imports of teach; run `p4d dvc-yaml`",
    ):
        fake.make("teach")


def test_a_record_with_the_command_of_an_earlier_version_is_stale_and_nothing_else(fake):
    made = fake.make_all()
    lock = fake.root / "dvc.lock"
    assert NEW in lock.read_text()
    lock.write_text(lock.read_text().replace(NEW, OLD))
    found = status(fake.project)
    assert {each.state for each in found} == {"stale"}
    assert {each.reasons for each in found} == {("command changed",)}
    again = fake.make_all()
    assert {key: each.md5 for key, each in again.items() if key != "choose"} == {
        key: each.md5 for key, each in made.items() if key != "choose"  # which appends
    }  # fmt: skip
    assert {each.state for each in status(fake.project)} == {"fresh"}
    assert SHARDS[0] in lock.read_text()
    assert OLD not in lock.read_text()
