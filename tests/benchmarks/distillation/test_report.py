"""Rows of one corpus and one commit; figures from their answers; nothing stands alone."""

import polars as pl
import pytest

from benchmarks.distillation.answers import as_digits
from benchmarks.distillation.demo import demo_figures
from benchmarks.distillation.report import (
    INFERENCE,
    figures,
    measured_ratio,
    record,
    restore,
    runs_of,
)
from benchmarks.distillation.statistics import RunAnswers
from benchmarks.distillation.table import headline, table_of
from benchmarks.machine import RESULTS
from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError

QUESTIONS = 80


def row(corpus="corpus_now", commit="abc", **more):
    return {"corpus": corpus, "commit": commit, **more}


def test_runs_of_another_corpus_are_named_and_not_compared(tmp_path):
    write_json(tmp_path / "runs" / "sft-0.json", row())
    write_json(tmp_path / "runs" / "p4d-0.json", row(corpus="corpus_then"))
    with pytest.raises(ContractError, match="p4d-0 did not learn from corpus_now"):
        runs_of(tmp_path, "corpus_now")
    (tmp_path / "runs" / "p4d-0.json").unlink()
    assert list(runs_of(tmp_path, "corpus_now")) == ["sft-0"]


def test_runs_of_two_commits_make_no_table(tmp_path):
    write_json(tmp_path / "runs" / "sft-0.json", row())
    write_json(tmp_path / "runs" / "p4d-0.json", row(commit="def"))
    with pytest.raises(ContractError, match="commits abc, def; one table has one commit"):
        runs_of(tmp_path, "corpus_now")


def test_candidates_are_in_no_table(tmp_path):
    write_json(tmp_path / "runs" / "sft-0.json", row(split="test"))
    write_json(tmp_path / "runs" / "choose_sft-100.json", row(split="val", commit="def"))
    assert list(runs_of(tmp_path, "corpus_now")) == ["sft-0"]


def test_recorded_runs_are_restored_for_the_same_corpus_only(tmp_path):
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    write_json(work / INFERENCE, {})
    write_json(work / "runs" / "sft-0.json", row(answers="103"))
    record(work, tmp_path, runs_of(work, "corpus_now"))
    with pytest.raises(ContractError, match="sft-0 did not learn from corpus_then"):
        restore(elsewhere, tmp_path, "corpus_then")
    assert not elsewhere.exists()
    restore(elsewhere, tmp_path, "corpus_now")
    assert runs_of(elsewhere, "corpus_now") == runs_of(work, "corpus_now")


def asked():
    return pl.DataFrame(
        {
            "qa_id": [f"qa_{k:02d}" for k in range(QUESTIONS)],
            "video_id": [f"video_{k // 4}" for k in range(QUESTIONS)],
            "category": [("Counting", "Rotational")[k % 2] for k in range(QUESTIONS)],
            "options": [["a", "b", "c", "d"]] * QUESTIONS,
            "answer_index": [1] * QUESTIONS,
        }
    )


def run(arm, seed, right, *, role="arm", cpu_s=100.0):
    """A run that answers the first `right` questions correctly."""
    answers = {f"qa_{k:02d}": 1 if k < right else 0 for k in range(QUESTIONS)}
    return f"{arm}-{seed}", {
        "run": {
            "arm": arm, "seed": seed, "role": role, "stage": "student_sft", "base": "base_student",
            "training": {}, "distillation": {},
        },
        "commit": "abc", "student_code": "student_code_1", "steps": 1200, "cpu_s": cpu_s,
        "wall_s": cpu_s, "data_wait": None, "answers": as_digits(answers), "r4d_world": "",
        "chosen": answers,
    }  # fmt: skip


def report_of(tmp_path, *runs):
    results = dict(runs)
    answers = RunAnswers(asked(), {name: found["chosen"] for name, found in results.items()})
    found = figures(tmp_path, results, answers, seeds=5)
    return found | {"commit": "abc", "left_out": ["teacher_cues-0"]}, answers.names


def test_the_report_has_every_figure_with_its_cost(tmp_path):
    report, names = report_of(
        tmp_path,
        *(run("sft", seed, 30 + seed) for seed in range(3)),
        *(run("p4d", seed, 50 + seed, cpu_s=115.0) for seed in range(3)),
        *(run("p4d_equal_time", seed, 46, cpu_s=101.0) for seed in range(3)),
        run("sft_longer", 0, 32, cpu_s=120.0),
        run("first_frame", 0, 28, role="control"),
    )
    steps = report["gain"]["equal_steps"]
    assert steps["mean"] == pytest.approx(20 / QUESTIONS)
    assert (steps["seeds"], steps["n"]) == (3, QUESTIONS)
    assert steps["ci95_seeds"] == [pytest.approx(0.25), pytest.approx(0.25)]  # no seed differs
    assert steps["per_category"]["Counting"]["p_holm"] >= steps["per_category"]["Counting"]["p"]
    assert report["gain"]["equal_time"]["processor_s_over_sft"] == pytest.approx(1.01)
    assert report["gain"]["over_longer_sft"]["seeds"] == 1
    assert report["cost"]["p4d-1"] == {"cpu_s": 115.0, "wall_s": 115.0, "steps": 1200}
    assert [entry["name"] for entry in report["controls"]] == ["first_frame"]
    assert {entry["student_code"] for entry in report["arms"]} == {"student_code_1"}
    text = table_of(report, names)
    assert "at 1.010 of SFT's processor seconds" in text
    assert "Left out for lack of time: teacher_cues-0." in text


def test_the_ratio_of_costs_is_that_of_whole_runs_over_common_seeds():
    results = dict(
        [run("sft", 0, 1, cpu_s=100), run("sft", 1, 1, cpu_s=300), run("p4d", 1, 1, cpu_s=360)]
    )
    assert measured_ratio(results, "p4d") == pytest.approx(1.2)
    assert measured_ratio(results, "p4d_equal_time") is None


def test_a_category_that_is_below_is_in_the_headline():
    def gain(mean, p_holm):
        return {"mean": mean, "ci95": [mean - 0.05, mean + 0.05], "p": 0.0, "p_holm": p_holm}

    steps = gain(0.1, 0.0) | {
        "per_category": {"Counting": gain(-0.06, 0.01), "Rotational": gain(-0.06, 0.3)}
    }
    lines = headline({"gain": {"equal_steps": steps, "all_families": gain(0.04, 0)}, **EMPTY})
    assert any("all families" in line and "+4.0" in line for line in lines)
    (below,) = (line for line in lines if "below SFT" in line)
    assert "Counting" in below
    assert "Rotational" not in below


EMPTY = {"r4d_world": None}


def test_the_recorded_report_of_an_earlier_version_is_still_read():
    report = read_json(RESULTS / "distillation.json")
    names = sorted(report["questions"]["chance"])
    text = table_of(report, names)
    assert "P4D over SFT" in text
    assert any("trained families" in line for line in headline(report))


def test_the_demo_is_reported_from_its_summary():
    summary = {
        "accuracy": {"p4d": {"overall": {"accuracy": 0.5, "low": 0.4, "high": 0.6}}, "sft": {}},
        "gain": {"sft": {"overall": {"value": 0.02, "low": 0.01, "high": 0.03}, "static": {}}},
        "promotion": {"decision": "promoted", "reasons": ["no champion yet"]},
    }
    found = demo_figures(summary, commit="abc", wall_s=412.0)
    assert found["accuracy"] == {"p4d": {"accuracy": 0.5, "low": 0.4, "high": 0.6}}
    assert found["gain"] == {"sft": {"value": 0.02, "low": 0.01, "high": 0.03}}
    assert found["promoted"] is True
    with pytest.raises(ContractError, match="run `make demo` in it"):
        demo_figures({**summary, "promotion": None}, commit="abc", wall_s=1.0)
