"""A date means its end, in `p4d champion --on` and in SQL: one ledger, both answers."""

import json

import pytest

from p4d.audit.champion import champion_text
from p4d.project import Project
from p4d.warehouse import Warehouse
from tests.sql import example_project as example

LAST_MOMENT, MIDNIGHT = "2026-03-01T23:59:59.999+00:00", "2026-03-02T00:00:00.000+00:00"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One decision and one check a millisecond before midnight, and one of each at midnight."""
    root = example.write(tmp_path_factory.mktemp("project"), example.tables())
    example.write_records(root)
    records = example.ledger()
    decided = [r for r in records if r.get("stage") == "champion"]
    checked = [r for r in records if r["kind"] == "check" and r["shard"] == example.SHARDS[0]]
    for found in (decided, checked):
        for record, at in zip(found, (LAST_MOMENT, MIDNIGHT), strict=True):
            record["at"] = at
    path = root / "data/ledger/ledger.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Project(root)


ON = {
    "2026-02-28": None,
    "2026-03-01": 1,
    "2026-03-01T23:59:59.998": None,
    "2026-03-01T23:59:59.999": 1,
    "2026-03-01T23:59:59.999+00:00": 1,
    "2026-03-02T00:00:00": 2,
    "2026-03-02T00:59:59.999+01:00": 1,
    "2026-03-02T01:00:00+01:00": 2,
    "2026-03-02": 2,
}


@pytest.mark.parametrize(("on", "decision"), ON.items())
def test_the_command_and_the_query_name_the_same_decision(project, on, decision):
    found = Warehouse(project).query("champion_on_date", date=on)["decision_order"].to_list()
    assert found == ([] if decision is None else [decision])
    text = champion_text(project, on)
    if decision is None:
        assert "nothing had been decided" in text
    else:
        last = text.partition("last decision: ")[2] or text.partition("made by: ")[2]
        assert last.startswith(f"decision {decision},")


@pytest.mark.parametrize(("on", "decision"), ON.items())
def test_checks_are_of_the_same_instant(project, on, decision):
    found = Warehouse(project).query("checks_on_date", date=on).drop_nulls("name")
    first = found.filter(instance=f"clips@{example.SHARDS[0]}")["passed"].to_list()
    assert first == {None: [], 1: [False], 2: [True]}[decision]
