"""Differences are shown as content."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import write_arrays, write_json, write_table
from p4d.audit.proof.content_diff import MOST_LINES, differences


@pytest.fixture
def pair(tmp_path):
    return lambda name: (tmp_path / f"old_{name}", tmp_path / f"new_{name}")


def test_rows_are_paired_by_their_key(pair):
    old, new = pair("t.parquet")
    was = pl.DataFrame(
        {"qa_id": ["a", "b", "c"], "value": [1.0, 2.0, 3.0], "text": ["x", "y", "z"]}
    )
    now = pl.DataFrame(
        {"qa_id": ["b", "c", "d"], "value": [2.0, 3.5, 4.0], "text": ["y", "w", "z"]}
    )
    write_table(old, was, sort_by=["qa_id"])
    write_table(new, now, sort_by=["qa_id"])
    assert differences(old, new) == [
        "1 rows are gone, first a",
        "1 rows are new, first d",
        "value differs in 1 of 2 rows, by 0.5 at most; first c: 3.0 -> 3.5",
        "text differs in 1 of 2 rows; first c: 'z' -> 'w'",
    ]
    write_table(new, was.with_columns(more=pl.lit(1)).drop("text"), sort_by=["qa_id"])
    assert differences(old, new) == ["column text is gone", "column more is new"]
    was.write_parquet(new, compression="uncompressed")
    assert differences(old, new)[0].startswith("equal rows, written differently")


def test_arrays_differ_by_number(pair):
    old, new = pair("a.safetensors")
    array = np.zeros((2, 3), np.float32)
    other = array.copy()
    other[1, 2] = 0.25
    write_arrays(old, {"same": array, "off": array, "gone": array}, meta={"v": 1})
    write_arrays(new, {"same": array, "off": other, "come": array}, meta={"v": 2})
    assert differences(old, new) == [
        "array gone is gone",
        "array come is new",
        "array off differs in 1 of 6 numbers, by 0.25 at most; first at [1, 2]: 0.0 -> 0.25",
        "metadata /v: 1 -> 2",
    ]


def test_json_differs_by_path_and_long_lists_are_cut(pair):
    old, new = pair("m.json")
    write_json(old, {"a": {"b": 1, "c": [1, 2]}, "gone": "x"})
    write_json(new, {"a": {"b": 2, "c": [1, 3]}, "come": None})
    assert differences(old, new) == [
        "/a/b: 1 -> 2",
        "/a/c/1: 2 -> 3",
        "/come is new: null",
        '/gone is gone, was "x"',
    ]
    write_json(old, {str(k): 0 for k in range(50)})
    write_json(new, {str(k): 1 for k in range(50)})
    found = differences(old, new)
    assert len(found) == MOST_LINES + 1
    assert found[-1] == "and 40 more"


def test_texts_other_bytes_and_damaged_files(pair, tmp_path):
    old, new = pair("c.csv")
    old.write_text("a\n1\n")
    new.write_text("a\n2\n")
    assert differences(old, new) == ["@@ -2 +2 @@", "-1", "+2"]
    old, new = pair("x.bin")
    old.write_bytes(b"abcd")
    new.write_bytes(b"abXd!")
    assert differences(old, new) == ["4 and 5 bytes, first different at byte 2"]
    old, new = pair("d.parquet")
    old.write_bytes(b"one")
    new.write_bytes(b"two")
    assert differences(old, new)[0].startswith("cannot be compared as .parquet")
    assert differences(tmp_path / "none", new) == ["only in the new version, 3 bytes"]
    assert differences(old, tmp_path / "none") == ["only in the old version, 3 bytes"]
