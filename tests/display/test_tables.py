import polars as pl

from p4d.artifacts import write_bytes, write_json
from p4d.display.tables import accuracies

ROWS = """arm,category,n,accuracy,low,high
p4d,Counting,4,0.5,0.25,0.75
sft,Counting,4,0.25,0.0,0.5
p4d,Average,8,0.62549,0.5,0.7
sft,Average,8,0.5,0.4,0.6
"""


def test_accuracies_come_with_the_paired_gain_and_the_average_first(tmp_path):
    write_bytes(tmp_path / "by_category.csv", ROWS.encode())
    gains = {
        "Average": {"value": 0.12549, "low": -0.01, "high": 0.2, "n": 8},
        "Counting": {"value": 0.25, "low": 0.0, "high": 0.5, "n": 4},
    }
    write_json(tmp_path / "comparisons.json", {"p4d_over_sft": gains})
    found = accuracies({"evaluation": tmp_path})
    assert found.rows() == [
        ("Average", 8, 0.625, 0.5, "+0.125 [-0.010, +0.200]"),
        ("Counting", 4, 0.5, 0.25, "+0.250 [+0.000, +0.500]"),
    ]
    assert found.columns == ["category", "questions", "p4d", "sft", "p4d over sft"]
    assert found.schema["p4d"] == pl.Float64
