"""The champion at a date, told with its reasons."""

import pytest

from p4d.audit.champion import champion_text
from p4d.errors import ConfigError
from p4d.project import Project
from tests.sql import example_project as example


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = example.write(tmp_path_factory.mktemp("project"), example.tables())
    example.write_records(root)
    return Project(root)


def test_the_champion_now_names_who_made_it_and_the_last_refusal(project):
    text = champion_text(project)
    assert f"Champion now: student_p4d md5:{example.md5('student_p4d')}" in text
    assert "made by: decision 1, promoted, 2026-03-01 10:10:00 UTC\n  no champion yet" in text
    assert "last decision: decision 2, refused" in text
    assert "p4d why decision_1" in text


def test_a_date_shows_what_was_known_then(project):
    assert champion_text(project, "2026-02-28").startswith("No champion on 2026-02-28: nothing")
    then = champion_text(project, "2026-03-01T10:10:30")
    assert "made by: decision 1" in then
    assert "decision 2" not in then
    assert "decision 2" in champion_text(project, "2026-03-01")
    with pytest.raises(ConfigError, match="is no date"):
        champion_text(project, "yesterday")


def test_a_decision_states_its_try_and_error_rate(project):
    """The first decision is of a version that did not count tries."""
    text = champion_text(project, "2026-03-01")
    second = next(line for line in text.splitlines() if "decision 2" in line)
    assert second.endswith("try 1 at error rate 0.03")
    assert "error rate" not in text.split("decision 2")[0]
