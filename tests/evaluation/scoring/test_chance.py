import numpy as np
import polars as pl
import pytest

from p4d.errors import ContractError
from p4d.evaluation.scoring.chance import chance_interval, chance_report


def answers_of_a_control(rng, *, leak=0.0, families=12, per=60):
    rows = []
    for family in range(families):
        right = rng.random(per) < (0.25 if family else 0.25 + leak)
        rows += [
            {"family": f"f{family:02d}", "options": ["a", "b", "c", "d"], "correct": bool(hit)}
            for hit in right
        ]
    return pl.DataFrame(rows)


def test_a_reader_at_chance_is_inside_and_a_leaking_family_is_named():
    quiet = [chance_report(answers_of_a_control(np.random.default_rng(seed))) for seed in range(40)]
    assert sum(bool(report["named"]) for report in quiet) <= 5
    assert sum(report["inside"] for report in quiet) >= 34
    loud = chance_report(answers_of_a_control(np.random.default_rng(1), leak=0.4))
    assert loud["named"] == ["f00"]
    assert loud["families"]["f00"]["accuracy"] > loud["families"]["f00"]["high"]


def test_chance_of_mixed_numbers_of_options_is_exact():
    low, high = chance_interval(np.array([0.5] * 10 + [0.25] * 20), 0.95)
    drawn = np.random.default_rng(0).random((200_000, 30)) < np.array([0.5] * 10 + [0.25] * 20)
    hits = drawn.sum(axis=1)
    assert ((hits >= low) & (hits <= high)).mean() >= 0.95
    assert ((hits > low) & (hits <= high)).mean() < 0.975
    assert chance_interval(np.array([1.0, 1.0]), 0.95) == (2, 2)


def test_a_table_without_families_is_an_error():
    with pytest.raises(ContractError, match="family"):
        chance_report(pl.DataFrame({"options": [["a"]], "correct": [True]}))


def test_a_run_without_likelihoods_is_tested_by_its_text():
    table = answers_of_a_control(np.random.default_rng(2), families=2).rename(
        {"correct": "text_wrong"}
    )
    table = table.with_columns(likelihood=pl.lit(None, pl.Float64))
    assert chance_report(table)["n"] == 120
