"""Gains are paired by question and by seed."""

import numpy as np
import polars as pl
import pytest

from benchmarks.distillation.statistics import RunAnswers, gain_over_seeds, holm, t_interval

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
    assert gain["per_category"]["Rotational"] == {
        "mean": 0.0, "ci95": [0.0, 0.0], "p": 1.0, "p_holm": 1.0,
    }  # fmt: skip
    assert (gain["seeds"], gain["n"], gain["ci95_seeds"]) == (1, QUESTIONS, None)
    low, high = gain["ci95"]
    assert 0 < low < gain["mean"] < high < 0.5


def test_without_a_common_seed_there_is_no_gain():
    runs = {"sft-0": chosen(4, 4), "p4d-1": chosen(12, 4)}
    assert gain_over_seeds(RunAnswers(asked(), runs), "p4d", "sft", seeds=3) is None


def test_the_interval_over_seeds_is_that_of_student():
    low, high = t_interval(np.array([0.10, 0.12, 0.14, 0.12, 0.12]))
    assert (low + high) / 2 == pytest.approx(0.12)
    assert (high - low) / 2 == pytest.approx(2.776445 * 0.0141421 / 5**0.5, abs=1e-4)
    assert t_interval(np.array([0.1])) is None


def test_seeds_that_differ_widen_the_interval_over_seeds():
    runs = {f"sft-{seed}": chosen(4, 4) for seed in range(4)}
    runs |= {f"p4d-{seed}": chosen(6 + 3 * seed, 4) for seed in range(4)}
    gain = gain_over_seeds(RunAnswers(asked(), runs), "p4d", "sft", seeds=4)
    low, high = gain["ci95_seeds"]
    assert low < gain["mean"] < high
    assert gain["seeds"] == 4


def test_holm_corrects_for_all_looks():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_category_that_clearly_gains_keeps_its_p_after_the_correction():
    runs = {"sft-0": chosen(2, 10), "p4d-0": chosen(19, 10)}
    categories = gain_over_seeds(RunAnswers(asked(), runs), "p4d", "sft", seeds=1)["per_category"]
    assert categories["Counting"]["p_holm"] < 0.01
    assert categories["Rotational"]["p_holm"] == 1.0
