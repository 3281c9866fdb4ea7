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
