"""`up` with nothing to do ends without Dagster, and never at the price of an unreported version."""

import contextlib
import sqlite3

import pytest

from dagster_project.todo import is_run_open
from p4d.project import Project
from tests.durability.conftest import made_toy, toy  # noqa: F401 - fixtures
from tests.durability.toy import SHARDS

UP = """\
import sys
from dagster_project.__main__ import main
main(["up"], standalone_mode=False)
print("dagster" in sys.modules)
"""


def up(toy):  # noqa: F811
    """Whether nothing was to do, and whether Dagster was imported."""
    *lines, imported = toy.run("python", "-c", UP).stdout.splitlines()
    return any("Nothing to do" in line for line in lines), imported == "True"


@pytest.fixture
def known(toy):  # noqa: F811
    """A checkout in which everything is made and Dagster was found to know it."""
    assert up(toy) == (True, True)
    assert up(toy) == (True, False)
    return toy


def test_a_version_that_dagster_does_not_know_is_reported(known):
    known.edit("p4d/toy/labels.py", "VERSION = 1", "VERSION = 2")
    for shard in SHARDS:
        known.run("python", "-m", "p4d.cli", "stage", "labels", "--shard", shard)
    known.run("python", "-m", "p4d.cli", "stage", "release")
    known.run("python", "-m", "p4d.cli", "stage", "champion")
    assert up(known) == (False, True)
    assert up(known) == (True, False)


def test_events_of_others_and_a_lost_instance_are_looked_at(known):
    (known.root / ".dagster" / "history" / "runs" / "0000.db").touch()  # of a run that began
    assert up(known) == (True, True)
    assert up(known) == (True, False)
    (known.root / ".dagster" / "p4d_reported.json").write_text("{")
    assert up(known) == (True, True)
    assert up(known) == (True, False)


def test_a_lost_history_stops_it_all_the_same(known):
    known.run("git", "update-ref", "-d", "refs/heads/p4d-ledger")
    with pytest.raises(AssertionError, match="HistoryError"):
        up(known)


@pytest.mark.parametrize(
    ("states", "is_open"),
    [([], False), (["SUCCESS", "FAILURE"], False), (["SUCCESS", "STARTED"], True)],
)
def test_a_run_is_open_from_its_start_to_its_end(tmp_path, states, is_open):
    assert not is_run_open(Project(tmp_path))  # nobody used Dagster here
    folder = tmp_path / ".dagster" / "history"
    folder.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as database, database:
        database.execute("create table runs (status text)")
        database.executemany("insert into runs values (?)", [[state] for state in states])
    assert is_run_open(Project(tmp_path)) == is_open


def test_a_run_is_open_where_it_cannot_be_known(tmp_path, monkeypatch):
    folder = tmp_path / ".dagster" / "history"
    folder.mkdir(parents=True)
    (folder / "runs.db").write_text("no database" * 99)
    assert is_run_open(Project(tmp_path))
    monkeypatch.setenv("P4D_DAGSTER_POSTGRES_URL", "postgresql://nowhere/x")
    assert is_run_open(Project(tmp_path / "another"))
