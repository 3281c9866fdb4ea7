"""Charts show what they should: arms have colours, chance and champion have lines."""

from __future__ import annotations

import io
import json

import numpy as np
import polars as pl
from PIL import Image

from p4d.display import charts

CHANCE, CHAMPION = [170, 0, 0], [0, 119, 68]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def near(drawn, colour, within=12):
    return (np.abs(drawn - colour).sum(-1) < within).sum()


def test_curve_is_drawn_where_terms_have_gaps_and_zeros(tmp_path):
    curve = pl.DataFrame({"step": [1, 2, 3], "total": [3.0, 2.0, 1.0], "holdout": [None, 0.0, 1.0]})
    curve.write_csv(tmp_path / "curve.csv")
    drawn = pixels(charts.training_curve({"clips": tmp_path / "x", "student_p4d": tmp_path}))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 10


def write_accuracies(folder):
    folder.mkdir(exist_ok=True)
    table = pl.DataFrame(
        {
            "arm": ["p4d", "sft"],
            "category": "Average",
            "n": 10,
            "accuracy": [0.8, 0.5],
            "low": [0.7, 0.4],
            "high": [0.9, 0.6],
        }
    )
    table.write_csv(folder / "by_category.csv")
    return {"evaluation": folder}


def test_accuracy_bars_have_the_colours_of_their_arms(tmp_path):
    drawn = pixels(charts.accuracy_by_category(write_accuracies(tmp_path)))
    blue, orange = near(drawn, [0, 114, 178]), near(drawn, [230, 159, 0])
    assert blue > 1.3 * orange > 1000
    assert near(drawn, CHANCE, 150) == near(drawn, CHAMPION, 100) == 0


def test_lines_show_chance_and_what_the_champion_had_when_it_was_promoted(tmp_path):
    folders = write_accuracies(tmp_path / "evaluation")
    (tmp_path / "evaluation/metrics.json").write_text('{"chance": 0.25}')
    (tmp_path / "champion").mkdir()
    ledger = tmp_path / "champion/champions.jsonl"
    refused = {"decision": "refused", "evidence": {"accuracy": 0.5}}
    ledger.write_text(json.dumps(refused) + "\n")
    drawn = pixels(charts.accuracy_by_category(folders))
    assert near(drawn, CHANCE, 150) > 30
    assert near(drawn, CHAMPION, 100) == 0
    promoted = {"decision": "promoted", "evidence": {"accuracy": 0.75}}
    ledger.write_text("".join(json.dumps(each) + "\n" for each in (refused, promoted, refused)))
    assert near(pixels(charts.accuracy_by_category(folders)), CHAMPION, 100) > 20
