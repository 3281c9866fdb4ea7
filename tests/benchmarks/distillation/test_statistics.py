"""Gains are paired by question and by seed."""

import polars as pl
import pytest

from benchmarks.distillation.statistics import RunAnswers, gain_over_seeds

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


def chosen(counting, rotational):
    """Options that are correct for the first so many questions of each category."""
    wanted = {0: counting, 1: rotational}
    return {f"qa_{k:02d}": RIGHT if k // 2 < wanted[k % 2] else 0 for k in range(QUESTIONS)}


def test_accuracy_is_a_mean_of_categories():
    answers = RunAnswers(asked(), {"sft-0": chosen(10, 5)})
    assert answers.accuracy("sft-0") == {"Counting": 0.5, "Rotational": 0.25, "mean": 0.375}
    assert answers.chance == {"Counting": 0.25, "Rotational": 0.25}


def test_a_gain_pairs_the_seeds_that_both_arms_have():
    runs = {
        "sft-0": chosen(4, 4),
        "p4d-0": chosen(12, 4),
        "sft-1": chosen(6, 4),
        "p4d-2": chosen(20, 20),
    }
    gain = gain_over_seeds(RunAnswers(asked(), runs), "p4d", "sft", seeds=3)
    assert gain["mean"] == pytest.approx((8 / 20 + 0) / 2)
    assert gain["per_category"]["Rotational"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    low, high = gain["ci95"]
    assert 0 < low < gain["mean"] < high < 0.5


def test_without_a_common_seed_there_is_no_gain():
    runs = {"sft-0": chosen(4, 4), "p4d-1": chosen(12, 4)}
    assert gain_over_seeds(RunAnswers(asked(), runs), "p4d", "sft", seeds=3) is None
