"""Great Expectations suites: what passes, what fails, and what must never pass silently."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest

from p4d.quality.great_expectations import validate
from p4d.quality.suites import LABELS, QUESTIONS, Expectation, Suite
from p4d.warehouse import Warehouse
from tests.quality.checks import blocks
from tests.sql import example_project as example

SHARD = example.SHARDS[0]


def label_frame(tmp_path, made) -> pl.DataFrame:
    root = example.write(tmp_path, made)
    return Warehouse.over(example.folders(root, "labels", ())).query(LABELS.query)


def verdicts(suite, frame) -> dict[str, bool]:
    return {result.name: result.passed for result in validate(suite, frame)}


def one(name: str, kind: str, **more) -> Suite:
    expectation = Expectation(name=name, kind=kind, description="d", **more)
    return Suite(name="s", query="", key=("k",), expectations=(expectation,))


def test_consistent_labels_pass_all_checks_in_suite_order(tmp_path, tables):
    results = validate(LABELS, label_frame(tmp_path, tables))
    assert [r.name for r in results] == [e.name for e in LABELS.expectations]
    assert [r.name for r in results if not r.passed] == []
    json.dumps([dict(r.details) for r in results], allow_nan=False)


# Independent breakages are checked together, as each run takes a second.
BREAKAGES = {
    "ranges": [
        ("n_nan", 3, {"modality": "rays"}, "no_nan"),
        ("n_inf", 1, {"modality": "rays"}, "no_infinity"),
        ("min", 0.0, {"modality": "depth"}, "depth_is_positive"),
        ("max", 5000.0, {"modality": "depth"}, "depth_is_below_a_kilometre"),
        ("max", 90.0, {"modality": "flow"}, "flow_is_within_two_map_sides"),
        ("max", 1.2, {"modality": "motion"}, "motion_is_not_above_1"),
        ("coverage", 0.1, {"modality": "depth"}, "depth_is_mostly_valid"),
    ],
    "errors": [
        ("depth_absrel", 0.6, {"teacher": "exact"}, "exact_depth_is_exact"),
        ("depth_absrel", 0.6, {"teacher": "expert4d"}, "expert_depth_is_useful"),
        ("flow_epe_px", 0.9, {"teacher": "exact"}, "exact_flow_is_exact"),
        ("flow_epe_px", 0.9, {"teacher": "expert4d"}, "expert_flow_beats_zero"),
        ("motion_iou", 0.1, {"teacher": "exact"}, "exact_motion_is_exact"),
        ("ray_angle_rad", 0.1, {"teacher": "exact"}, "exact_rays_are_exact"),
    ],
    "absent": [
        ("min", math.nan, {"modality": "depth"}, "depth_is_positive"),
        ("coverage", None, {"modality": "rays"}, "coverage_is_a_share"),
        ("modality", "sound", {"modality": "motion"}, "modalities_are_known"),
    ],
}


@pytest.mark.parametrize("group", BREAKAGES)
def test_bad_label_statistics_fail_their_checks_alone(group, tmp_path, tables):
    name = f"labels/{SHARD}/label_stats.parquet"
    for column, value, where, _ in BREAKAGES[group]:
        here = pl.all_horizontal(*(pl.col(k) == v for k, v in where.items()))
        here = here & (pl.col(column).is_not_null())
        tables[name] = tables[name].with_columns(
            pl.when(here).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
        )
    found = verdicts(LABELS, label_frame(tmp_path, tables))
    failed = {check for check, passed in found.items() if not passed}
    assert failed == {check for *_, check in BREAKAGES[group]}


def test_offending_rows_are_named_by_their_key(tmp_path, tables):
    name = f"labels/{SHARD}/label_stats.parquet"
    first = pl.int_range(pl.len()) == 0
    tables[name] = tables[name].with_columns(
        n_nan=pl.when(first).then(7).otherwise(pl.col("n_nan"))
    )
    results = {r.name: r for r in validate(LABELS, label_frame(tmp_path, tables))}
    assert blocks(results["no_nan"])
    assert results["no_nan"].metrics["unexpected"] == 1
    assert results["no_nan"].sample == (
        {"clip_id": "clip_red0", "teacher": "exact", "modality": "depth", "n_nan": 7},
    )


def test_empty_labels_warn_about_rows_and_stop_nobody(tmp_path, tables):
    results = validate(LABELS, label_frame(tmp_path, tables).clear())
    assert [r.name for r in results if not r.passed] == ["has_rows"]
    assert not any(blocks(r) for r in results)


def test_unknown_letter_and_repeated_id_stop(tables):
    frame = tables[f"questions/{SHARD}/questions.parquet"].with_columns(n_options=4)
    frame = frame.with_columns(answer=pl.lit("F"), qa_id=pl.lit("qa_1"))
    stopped = {r.name for r in validate(QUESTIONS, frame) if blocks(r)}
    assert stopped == {"letters_are_a_to_e", "qa_ids_are_unique"}


def test_question_without_a_margin_stops(tables):
    frame = tables[f"questions/{SHARD}/questions.parquet"].with_columns(n_options=4)
    frame = frame.with_columns(margin_sigma=pl.lit(None, pl.Float64))
    assert {r.name for r in validate(QUESTIONS, frame) if blocks(r)} == {
        "margin_is_at_least_one_sigma"
    }


def test_missing_column_fails_with_its_name():
    suite = one("c", "ExpectColumnValuesToBeInSet", arguments={"column": "x", "value_set": []})
    (result,) = validate(suite, pl.DataFrame({"k": [1]}))
    assert blocks(result)
    assert "x" in str(result.metrics["error"])


def test_error_hidden_by_great_expectations_fails_with_its_message():
    # A range over texts raises inside; Great Expectations keeps it to itself.
    suite = one("c", "ExpectColumnValuesToBeBetween", arguments={"column": "x", "min_value": 1})
    (result,) = validate(suite, pl.DataFrame({"k": [1], "x": ["a"]}))
    assert blocks(result)
    assert result.metrics["error"]
