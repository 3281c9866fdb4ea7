import numpy as np
import polars as pl
import pytest

from p4d.errors import ContractError
from p4d.evaluation.benchmarks import sti_bench, vsti_bench
from p4d.evaluation.scoring.answering import Reply
from p4d.evaluation.scoring.chance import chance_interval, chance_report
from p4d.evaluation.scoring.methods import (
    COLUMNS,
    by_way,
    mean_relative_accuracy,
    metrics,
    over_types,
    predictions,
    twelve_columns,
)
from p4d.evaluation.scoring.metrics import Bootstrap
from tests.evaluation.benchmarks import files

HOW = Bootstrap(100, 0.95)


@pytest.mark.parametrize(
    ("said", "truth", "score"),
    [(2.0, 2.0, 1.0), (2.1, 2.0, 1.0), (2.2, 2.0, 0.9), (3.0, 2.0, 0.1), (3.1, 2.0, 0.0)],
)
def test_relative_accuracy_is_the_share_of_tolerances_kept(said, truth, score):
    assert mean_relative_accuracy(said, truth) == pytest.approx(score)


def scored(benchmark, replies):
    items = list(benchmark.items)
    return predictions(benchmark, items, replies, {item.item_id: "view" for item in items})


def test_the_twelve_columns_and_the_ways(tmp_path):
    benchmark = sti_bench.read(files.sti_bench(tmp_path))
    replies = {"0": Reply("0", (-3.0, -0.1, -2.0, -5.0, -5.0), "14.97"), "1": Reply("1", (), "??")}
    table = scored(benchmark, replies)
    first, second, bad = table.sort("qa_id").to_dicts()
    assert (first["likelihood"], first["text_wrong"], first["parsed_index"]) == (1.0, 0.0, 3)
    assert first["published_rule"] == 0.0  # a letter only: the last character is no letter
    assert (second["likelihood"], second["text_wrong"]) == (None, 0.0)
    assert second["text_excluded"] is None
    assert bad["outcome"] == "rejected"
    found = by_way(table, HOW)
    columns = twelve_columns(found["text_wrong"])
    assert list(columns) == list(COLUMNS) and len(columns) == 12
    assert (columns["Avg"], columns["Dyn"], columns["Sta"], columns["SA"]) == (0, 0, None, 0)
    assert found["text_wrong"]["Dynamic"].n == 2  # orientation is dynamic, too
    assert metrics(benchmark, table, HOW)["unparsed"] == 1


def test_vsti_types_weigh_equally_and_variants_share_a_subtask(tmp_path):
    benchmark = vsti_bench.read(files.vsti_bench(tmp_path))
    replies = {
        "0": Reply("0", text="about 2.2 meters"),
        "1": Reply("1", (-1.0, -0.5), "B"),
        "2": Reply("2", (-1.0,) * 4, "A"),
    }
    table = scored(benchmark, replies)
    distance = table.filter(pl.col("qa_id") == "0").to_dicts()[0]
    assert distance["parsed_value"] == 2.2
    assert distance["text_wrong"] == pytest.approx(0.9)
    assert distance["published_rule"] == 0.0  # its first word is no number
    ok = table.filter(pl.col("outcome") == "ok")
    assert over_types(ok, "text_wrong")["mean_of_types"] == pytest.approx((0.9 + 1 + 0) / 3)
    found = metrics(benchmark, table, HOW)
    assert found["mean_relative_accuracy"] == pytest.approx(0.9)
    assert found["way_of_record"] == "text_wrong"


def controls(rng, *, leak=0.0, families=12, per=60):
    rows = []
    for family in range(families):
        right = rng.random(per) < (0.25 if family else 0.25 + leak)
        rows += [
            {"family": f"f{family:02d}", "options": ["a", "b", "c", "d"], "correct": bool(hit)}
            for hit in right
        ]
    return pl.DataFrame(rows)


def test_a_reader_at_chance_is_inside_and_a_leaking_family_is_named():
    quiet = [chance_report(controls(np.random.default_rng(seed))) for seed in range(40)]
    assert sum(bool(report["named"]) for report in quiet) <= 5
    assert sum(report["inside"] for report in quiet) >= 34
    loud = chance_report(controls(np.random.default_rng(1), leak=0.4))
    assert loud["named"] == ["f00"]
    assert loud["families"]["f00"]["accuracy"] > loud["families"]["f00"]["high"]


def test_chance_of_mixed_numbers_of_options_is_exact():
    low, high = chance_interval(np.array([0.5] * 10 + [0.25] * 20), 0.95)
    drawn = np.random.default_rng(0).random((200_000, 30)) < np.array([0.5] * 10 + [0.25] * 20)
    hits = drawn.sum(axis=1)
    assert ((hits >= low) & (hits <= high)).mean() >= 0.95
    assert ((hits > low) & (hits <= high)).mean() < 0.975
    assert chance_interval(np.array([1.0, 1.0]), 0.95) == (2, 2)


def test_a_table_without_families_cannot_be_judged():
    with pytest.raises(ContractError, match="family"):
        chance_report(pl.DataFrame({"options": [["a"]], "correct": [True]}))


def test_a_run_without_likelihoods_is_judged_by_its_text():
    table = controls(np.random.default_rng(2), families=2).rename({"correct": "text_wrong"})
    table = table.with_columns(likelihood=pl.lit(None, pl.Float64))
    assert chance_report(table)["n"] == 120
