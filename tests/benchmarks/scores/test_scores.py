import json

from benchmarks.machine import merge_results
from benchmarks.scores import golden
from benchmarks.scores.__main__ import parser_figures
from p4d.artifacts import read_json, write_json


def test_the_reader_misreads_nothing_and_every_form_is_counted():
    found = parser_figures()
    assert found["total"]["texts"] > 6000
    assert found["total"]["misread"] == 0
    assert sum(row["texts"] for row in found["forms"].values()) == found["total"]["texts"]


def test_another_score_is_seen(tmp_path, monkeypatch):
    changed = read_json(golden.FILE)
    changed["sti-bench"]["rows"][0]["score"] = 1 - changed["sti-bench"]["rows"][0]["score"]
    changed["vlm4d"]["figures"]["overall"] += 1e-6
    write_json(tmp_path / "golden.json", changed)
    monkeypatch.setattr(golden, "FILE", tmp_path / "golden.json")
    found = dict(golden.comparisons())
    assert (found["sti-bench"].equal, found["sti-bench"].items) == (294, 295)
    assert found["vlm4d"].equal_figures == found["vlm4d"].figures - 1
    assert {name for name, one in found.items() if not one.all_equal} == {"sti-bench", "vlm4d"}


def test_results_are_merged_by_key(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"families": {"kept": 1}, "parser": {"old": 1}}))
    merge_results(path, {"parser": {"new": 1}})
    assert read_json(path) == {"families": {"kept": 1}, "parser": {"new": 1}}
