"""The statistics of `make bench-distillation`: gains are paired by question and by seed."""

from xml.etree import ElementTree

import polars as pl
import pytest

from benchmarks.answering import as_digits, from_digits
from benchmarks.distillation_report import (
    COST,
    INFERENCE,
    Answers,
    gain_over_seeds,
    picture_of,
    record,
    restore,
    runs_of,
)
from p4d.artifacts import write_json
from p4d.errors import ContractError

QUESTIONS, RIGHT = 40, 1


def asked():
    return pl.DataFrame(
        {
            "qa_id": [f"qa_{k:02d}" for k in range(QUESTIONS)],
            "video_id": [f"video_{k // 4}" for k in range(QUESTIONS)],
            "category": [("Counting", "Rotational")[k % 2] for k in range(QUESTIONS)],
            "options": [["a", "b", "c", "d"]] * QUESTIONS,
            "answer_index": [RIGHT] * QUESTIONS,
        }
    )


def said(counting, rotational):
    """Right in so many questions of each category, the first ones."""
    wanted = {0: counting, 1: rotational}
    return {f"qa_{k:02d}": RIGHT if k // 2 < wanted[k % 2] else 0 for k in range(QUESTIONS)}


def test_accuracy_is_a_mean_of_categories():
    answers = Answers(asked(), {"sft-0": said(10, 5)})
    assert answers.accuracy("sft-0") == {"Counting": 0.5, "Rotational": 0.25, "mean": 0.375}
    assert answers.chance == {"Counting": 0.25, "Rotational": 0.25}


def test_a_gain_pairs_the_seeds_that_both_arms_have():
    runs = {"sft-0": said(4, 4), "p4d-0": said(12, 4), "sft-1": said(6, 4), "p4d-2": said(20, 20)}
    gain = gain_over_seeds(Answers(asked(), runs), "p4d", "sft", seeds=3)
    assert gain["mean"] == pytest.approx((8 / 20 + 0) / 2)
    assert gain["per_category"]["Rotational"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    low, high = gain["ci95"]
    assert 0 < low < gain["mean"] < high < 0.5


def test_without_a_common_seed_there_is_no_gain():
    runs = {"sft-0": said(4, 4), "p4d-1": said(12, 4)}
    assert gain_over_seeds(Answers(asked(), runs), "p4d", "sft", seeds=3) is None


def test_the_picture_shows_the_interval_of_a_gain_around_its_bar():
    accuracies = {"sft": 0.25, "p4d": 0.5}
    gain = {"mean": 0.25, "ci95": [0.15, 0.30]}
    steps = {**gain, "per_category": {"Counting": gain}}
    report = {
        "controls": [],
        "ablations": [],
        "arms": [
            {"name": arm, "accuracy": {"Counting": value, "mean": value}}
            for arm, value in accuracies.items()
        ],
        "gain": {"equal_steps": steps, "exact_teacher": None},
    }
    drawn = list(ElementTree.fromstring(picture_of(report, ["Counting"])))
    bars = [each for each in drawn if each.get("fill") == "#e45756"][:2]
    whiskers = [each for each in drawn if each.get("stroke") == "#333"]
    assert len(whiskers) == len(bars) == 2
    for bar, whisker in zip(bars, whiskers, strict=True):
        top_px, per_unit = float(bar.get("y")), float(bar.get("height")) / accuracies["p4d"]
        assert float(whisker.get("y1")) == pytest.approx(top_px + 0.10 * per_unit, abs=0.1)
        assert float(whisker.get("y2")) == pytest.approx(top_px - 0.05 * per_unit, abs=0.1)


def test_runs_of_another_corpus_are_named_and_not_compared(tmp_path):
    for name, corpus in (("sft-0", "corpus_now"), ("p4d-0", "corpus_then")):
        write_json(tmp_path / "runs" / f"{name}.json", {"corpus": corpus})
    with pytest.raises(ContractError, match="p4d-0 did not learn from corpus_now"):
        runs_of(tmp_path, "corpus_now")
    (tmp_path / "runs" / "p4d-0.json").unlink()
    assert list(runs_of(tmp_path, "corpus_now")) == ["sft-0"]


def test_answers_are_kept_as_digits_in_the_order_of_ids():
    answers = {"qa_02": 3, "qa_00": 1, "qa_01": 0}
    table = pl.DataFrame({"qa_id": ["qa_01", "qa_02", "qa_00"]})
    assert as_digits(answers) == "103"
    assert from_digits("103", table) == answers
    with pytest.raises(ContractError, match="4 answers to 3 questions"):
        from_digits("1030", table)


def test_recorded_runs_go_on_elsewhere_with_the_same_corpus_only(tmp_path):
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for name in (COST, INFERENCE):
        write_json(work / name, {})
    write_json(work / "runs" / "sft-0.json", {"corpus": "corpus_now", "answers": "103"})
    record(work, tmp_path, runs_of(work, "corpus_now"))
    with pytest.raises(ContractError, match="sft-0 did not learn from corpus_then"):
        restore(elsewhere, tmp_path, "corpus_then")
    assert not elsewhere.exists()
    restore(elsewhere, tmp_path, "corpus_now")
    assert runs_of(elsewhere, "corpus_now") == runs_of(work, "corpus_now")
