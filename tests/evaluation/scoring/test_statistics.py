import numpy as np
import polars as pl
import pytest

from p4d.errors import ContractError
from p4d.evaluation.scoring.statistics import (
    Bootstrap,
    accuracy_by_slice,
    cluster_bootstrap,
    paired_gain,
    prior_accuracies,
)

BOOTSTRAP = Bootstrap(samples=2000, confidence=0.95)


def rows(correct, groups=None, categories=None):
    count = len(correct)
    return pl.DataFrame(
        {
            "qa_id": [f"qa_{i:03d}" for i in range(count)],
            "category": categories or ["Counting"] * count,
            "group": groups or [f"vid_{i}" for i in range(count)],
            "correct": [bool(value) for value in correct],
        }
    )


def test_interval_of_independent_answers_is_the_binomial_one():
    values = np.array([1.0] * 60 + [0.0] * 40)
    found = cluster_bootstrap(
        values, [str(i) for i in range(100)], BOOTSTRAP, seed=1, bounds=(0, 1)
    )
    half = 1.96 * np.sqrt(0.6 * 0.4 / 100)
    assert found.value == 0.6
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half), abs=0.015)
    assert (found.n, found.clusters) == (100, 100)


def test_questions_of_one_video_widen_the_interval():
    values = [1.0] * 50 + [0.0] * 50
    alone = cluster_bootstrap(
        values, [str(i) for i in range(100)], BOOTSTRAP, seed=1, bounds=(0, 1)
    )
    together = cluster_bootstrap(
        values, [str(i // 10) for i in range(100)], BOOTSTRAP, seed=1, bounds=(0, 1)
    )
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)


def test_equal_seeds_give_equal_intervals():
    values, groups = [1.0, 0.0, 1.0, 1.0], list("abcd")
    first = cluster_bootstrap(values, groups, BOOTSTRAP, seed=3, bounds=(0, 1))
    assert first == cluster_bootstrap(values, groups, BOOTSTRAP, seed=3, bounds=(0, 1))


def test_a_single_video_says_nothing_about_others():
    one = ["vid_0"] * 3
    right, wrong = rows([1, 1, 1], groups=one), rows([0, 0, 0], groups=one)
    accuracy = accuracy_by_slice(right, BOOTSTRAP)["Average"]
    assert (accuracy.value, accuracy.low, accuracy.high) == (1, 0, 1)
    gain = paired_gain(right, wrong, BOOTSTRAP)["Average"]
    assert (gain.value, gain.low, gain.high, gain.clusters) == (1, -1, 1, 1)


def test_nothing_to_average_is_an_error():
    with pytest.raises(ContractError, match="0 values"):
        cluster_bootstrap([], [], BOOTSTRAP, seed=0, bounds=(0, 1))


def test_slices_follow_the_benchmark():
    table = rows(
        [1, 0, 1, 1],
        categories=["Counting", "Spatial Relation", "Rotational", "Spatial Relation"],
    )
    found = accuracy_by_slice(table, BOOTSTRAP)
    assert {name: interval.value for name, interval in found.items()} == {
        "Average": 0.75,
        "Static": 0.5,
        "Dynamic": 1.0,
        "Counting": 1.0,
        "Rotational": 1.0,
        "Spatial Relation": 0.5,
    }


def test_pairing_removes_what_both_arms_share():
    """Both arms find the same questions hard; one is better on a few, which pairing can see."""
    hard = [i % 2 for i in range(200)]
    better = [1 if i % 20 == 0 else value for i, value in enumerate(hard)]
    gain = paired_gain(rows(better), rows(hard), BOOTSTRAP)["Average"]
    assert gain.value == pytest.approx(0.05)
    assert gain.low > 0
    unpaired = accuracy_by_slice(rows(better), BOOTSTRAP)["Average"]
    assert unpaired.low < 0.5


def test_only_questions_both_answered_are_compared():
    gain = paired_gain(rows([1, 1, 0]), rows([0, 1]), BOOTSTRAP)["Average"]
    assert (gain.n, gain.value) == (2, 0.5)
    other = rows([1]).with_columns(pl.lit("elsewhere").alias("qa_id"))
    with pytest.raises(ContractError, match="share no question"):
        paired_gain(rows([1]), other, BOOTSTRAP)


def test_priors_count_letters_and_texts_of_the_train_split():
    def table(*asked):
        return pl.DataFrame(
            [
                {"category": "Counting", "family": "f", "options": list(o), "answer_index": i}
                for o, i in asked
            ]
        )

    train = table(("xy", 1), ("yx", 0), ("xy", 1), ("zy", 1))
    test = table(("yx", 0), ("xy", 0), ("zx", 1), ("xyzw", 1))
    found = prior_accuracies(train, test)
    assert found["majority_letter"] == 0.5
    assert found["majority_text"] == 0.5
    assert found["chance"] == pytest.approx((0.5 * 3 + 0.25) / 4)
