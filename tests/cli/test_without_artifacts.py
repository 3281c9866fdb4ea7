"""The commands that read artifacts, in a clone that has none and a remote that has all."""

import shutil

import pytest

from tests.durability.conftest import made_toy, toy  # noqa: F401 - fixtures
from tests.durability.toy import SHARDS

LINE = "artifacts that are not here are read from store ("


@pytest.fixture
def clone(toy, tmp_path):  # noqa: F811
    toy.run("python", "-m", "dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    toy.run("python", "-m", "p4d.cli", "push")
    for folder in (toy.root / "data").iterdir():
        if folder.name != "ledger":
            shutil.rmtree(folder)
    shutil.rmtree(toy.root / ".dvc" / "cache")
    return toy


def p4d(clone, *arguments):
    return clone.run("python", "-m", "p4d.cli", *arguments)


def test_status_why_and_verify_work_from_the_remote(clone):
    status = p4d(clone, "status")
    assert status.stdout.splitlines() == [
        "no artifact is here; below is the state of what the remote has. `dvc pull` brings it",
        "Everything is fresh.",
    ]
    assert status.stderr.count(LINE) == 1
    explained = p4d(clone, "why", f"labels@{SHARDS[0]}").stdout
    assert f"videos@{SHARDS[0]}" in explained
    local, *_, remote = p4d(clone, "audit", "verify").stdout.splitlines()
    assert local.startswith("OK: dvc.lock and the lists compared, no artifact is here")
    assert remote.startswith("OK: ")
    assert "read back and hashed at store" in remote
    assert {folder.name for folder in (clone.root / "data").iterdir()} == {"ledger"}


def test_sql_over_the_ledger_fetches_nothing(clone):
    found = p4d(clone, "sql", "failed_checks")
    assert LINE not in found.stderr
    assert not (clone.root / ".dvc" / "cache").exists()


def test_a_clone_without_the_ledger_is_told_how_to_get_it(clone, tmp_path):
    """Of git's files alone: what was committed, and the branch of the ledger at the origin."""
    clone.run("git", "add", "-A")
    clone.run("git", "commit", "-q", "-m", "corpus")
    (clone.root / "data" / "ledger" / "ledger.jsonl").unlink()
    clone.run("git", "update-ref", "refs/remotes/origin/p4d-ledger", "p4d-ledger")
    clone.run("git", "branch", "-D", "p4d-ledger")
    for command in (("why", f"labels@{SHARDS[0]}"), ("sql", "failed_checks"), ("summary",)):
        assert "`p4d audit fetch` brings it" in p4d(clone, *command).stderr, command
    p4d(clone, "audit", "fetch")
    assert "audit fetch" not in p4d(clone, "sql", "failed_checks").stderr


def test_a_version_is_restored_from_the_remote(clone, tmp_path):
    found = p4d(clone, "restore", f"labels@{SHARDS[0]}", str(tmp_path / "there"))
    assert "verified" in found.stdout
    assert found.stderr.count(LINE) == 1
    assert any((tmp_path / "there").iterdir())
