"""The list of sensors and schedules, and switching them on one instance."""

import re

import pytest

from dagster_project.definitions import defs
from dagster_project.ui.switches import SWITCHES, recommended, switch
from p4d.errors import OrchestrationError
from p4d.project import Project

ROOT = Project.find().root


def states(lines):
    return {line.split()[0]: line.split()[1] for line in lines}


def test_every_sensor_and_schedule_is_listed_and_reports_and_clean_up_are_on_from_the_start():
    found = {each.name: each for each in (*defs.sensors, *defs.schedules)}
    assert set(found) == set(SWITCHES)
    on = {name for name, each in found.items() if each.default_status.value == "RUNNING"}
    assert on == {name for name, each in SWITCHES.items() if each.at_start}
    assert on == {"reconcile_sensor", "attention_sensor", "prune_nightly"}
    assert on <= set(recommended())


def test_the_document_lists_the_same():
    text = (ROOT / "dagster_project/README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (on|off) \| (yes|no) \|", text, re.MULTILINE)
    assert {name: (at_start == "on", set_ == "yes") for name, at_start, set_ in rows} == {
        name: (each.at_start, each.recommended) for name, each in SWITCHES.items()
    }


def test_the_recommended_set_is_switched_on_at_once_and_one_off_again(tmp_path):
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    project = Project(tmp_path)
    at_start = states(switch(project))
    assert {name for name, state in at_start.items() if state == "on"} == {
        "reconcile_sensor",
        "attention_sensor",
        "prune_nightly",
    }
    switched = switch(project, on=recommended())
    assert {name for name, state in states(switched).items() if state == "on"} == set(recommended())
    assert sum("(switched now)" in line for line in switched) == len(recommended()) - 3
    after = states(switch(project, off=["automation", "retrain_weekly", "reconcile_sensor"]))
    assert after["automation"] == after["retrain_weekly"] == after["reconcile_sensor"] == "off"
    assert after["landing_sensor"] == "on"
    with pytest.raises(OrchestrationError, match=r"no sensor or schedule autumn; known are"):
        switch(project, on=["autumn"])
