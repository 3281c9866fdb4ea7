import polars as pl
import pytest

from p4d.evaluation.answering.replies import Reply
from p4d.evaluation.benchmarks import sti_bench, vsti_bench
from p4d.evaluation.scoring.benchmark_metrics import (
    COLUMNS,
    benchmark_metrics,
    over_types,
    scores_by_method,
    twelve_columns,
)
from p4d.evaluation.scoring.predictions import mean_relative_accuracy, predictions
from p4d.evaluation.scoring.statistics import Bootstrap
from tests.evaluation.benchmarks import files

BOOTSTRAP = Bootstrap(100, 0.95)


@pytest.mark.parametrize(
    ("predicted", "truth", "score"),
    [(2.0, 2.0, 1.0), (2.1, 2.0, 1.0), (2.2, 2.0, 0.9), (3.0, 2.0, 0.1), (3.1, 2.0, 0.0)],
)
def test_relative_accuracy_is_the_share_of_tolerances_kept(predicted, truth, score):
    assert mean_relative_accuracy(predicted, truth) == pytest.approx(score)


def scored(benchmark, replies):
    items = list(benchmark.items)
    return predictions(benchmark, items, replies, {item.item_id: "view" for item in items})


def test_the_twelve_columns_and_the_scoring_methods(tmp_path):
    benchmark = sti_bench.read(files.sti_bench(tmp_path))
    replies = {"0": Reply("0", (-3.0, -0.1, -2.0, -5.0, -5.0), "14.97"), "1": Reply("1", (), "??")}
    table = scored(benchmark, replies)
    first, second, bad = table.sort("qa_id").to_dicts()
    assert (first["likelihood"], first["text_wrong"], first["parsed_index"]) == (1.0, 0.0, 3)
    assert first["published_rule"] == 0.0  # a letter only: the last character is no letter
    assert (second["likelihood"], second["text_wrong"]) == (None, 0.0)
    assert second["text_excluded"] is None
    assert bad["outcome"] == "rejected"
    found = scores_by_method(table, BOOTSTRAP)
    columns = twelve_columns(found["text_wrong"])
    assert list(columns) == list(COLUMNS) and len(columns) == 12
    assert (columns["Avg"], columns["Dyn"], columns["Sta"], columns["SA"]) == (0, 0, None, 0)
    assert found["text_wrong"]["Dynamic"].n == 2  # orientation is dynamic, too
    assert benchmark_metrics(benchmark, table, BOOTSTRAP)["unparsed"] == 1


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
    found = benchmark_metrics(benchmark, table, BOOTSTRAP)
    assert found["mean_relative_accuracy"] == pytest.approx(0.9)
    assert found["primary_metric"] == "text_wrong"
    assert found["headline"]["mean_over"] == "types"
    assert found["accuracy"] == found["headline"]["text_wrong"]["value"]
    assert found["accuracy"] == pytest.approx((0.9 + 1 + 0) / 3, abs=1e-6)
    assert found["low"] <= found["accuracy"] <= found["high"]
