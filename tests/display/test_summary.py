"""The summary of a project: complete when all stages ran, and possible when none did."""

from __future__ import annotations

import pytest

from p4d.artifacts import read_json, write_json
from p4d.display.summary import build_summary, render
from p4d.project import Project
from tests.sql import example_project as example


@pytest.fixture
def project(tables, tmp_path):
    root = example.write(tmp_path, tables)
    example.write_records(root)
    return Project(root)


def test_summary_says_what_came_in_and_what_it_was_worth(project, tmp_path):
    found = build_summary(project)
    assert found["videos"] == {"ok": 3, "rejected": 1}
    assert found["clips"] == {"filtered": 1, "ok": 5}
    assert {"stage": "videos", "name": "cut.mp4", "reason": "moov atom not found"} in found[
        "rejects"
    ]
    assert found["label_quality"]["expert4d"]["depth"]["depth_absrel"] == 0.1
    assert found["questions"]["by_category"]["Counting"] == {"asked": 10, "refused": 0}
    assert found["questions"]["by_split"] == {"test": 8, "train": 8, "val": 4}
    assert found["accuracy"]["p4d"]["overall"] == {
        "n": 8,
        "accuracy": 0.8,
        "low": pytest.approx(0.6),
        "high": 1.0,
    }
    assert found["promotion"]["decision"] == "refused"
    assert found["promotion"]["champion"] == example.md5("student_p4d")
    assert found["checks"]["failed"] == [
        {
            "instance": f"clips@{example.SHARDS[1]}",
            "name": "intervals_are_disjoint",
            "severity": "critical",
        }
    ]
    assert found["wall_s"]["videos"] == 4.0
    assert found["data_versions"]["champion"] == example.md5("champion", 2)
    write_json(tmp_path / "summary.json", found)
    assert read_json(tmp_path / "summary.json") == found


def test_gains_of_p4d_are_those_of_the_evaluation(project):
    assert build_summary(project)["gain"] == {}
    measured = {"n": 8, "clusters": 4, "value": 0.025, "low": 0.004, "high": 0.047}
    worse = measured | {"value": -0.01, "low": -0.03, "high": 0.01}
    write_json(
        project.data / "evaluation" / "comparisons.json",
        {
            "p4d_over_sft": {"Average": measured, "Dynamic": worse, "Counting": measured},
            "sft_over_blind": {"Average": measured},
        },
    )
    found = build_summary(project)
    assert set(found["gain"]) == {"sft"}
    assert set(found["gain"]["sft"]) == {"overall", "dynamic"}
    assert found["gain"]["sft"]["overall"] == {"n": 8, "value": 0.025, "low": 0.004, "high": 0.047}
    shown = next(line for line in render(found).splitlines() if line.startswith("p4d over sft"))
    assert "overall +2.5 [+0.4, +4.7]   dynamic -1.0 [-3.0, +1.0]" in shown


def test_rendered_summary_fits_a_terminal(project):
    text = render(build_summary(project))
    assert "3 ok, 1 rejected" in text
    assert "left out cut.mp4: moov atom not found" in text
    assert "0.80 [0.60, 1.00]" in text
    assert "champion" in text
    assert max(map(len, text.splitlines())) <= 120


def test_project_without_data_has_an_empty_summary(tmp_path):
    found = build_summary(Project(tmp_path))
    assert found["clips"] == {}
    assert found["promotion"] is None
    assert "clips      none" in render(found)
