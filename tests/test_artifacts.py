"""Byte-stable tables, arrays and JSON."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays, write_arrays, write_json, write_table
from p4d.errors import ContractError


def test_equal_tables_give_equal_bytes_whatever_their_row_order(tmp_path):
    frame = pl.DataFrame({"key": ["b", "a", "c"], "value": [1.5, None, 3.0]})
    write_table(tmp_path / "one.parquet", frame, sort_by=["key"])
    write_table(tmp_path / "two.parquet", frame.reverse(), sort_by=["key"])
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_table_whose_key_repeats_is_rejected(tmp_path):
    frame = pl.DataFrame({"key": ["a", "a"]})
    with pytest.raises(ContractError, match=r"key \['key'\] repeats.*'a'"):
        write_table(tmp_path / "x.parquet", frame, sort_by=["key"])
    assert list(tmp_path.iterdir()) == []


def test_equal_arrays_give_equal_bytes_and_come_back(tmp_path):
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.zeros((0, 4), np.uint8)}
    meta = {"scale": 64, "codec": "raw", "more": [1, 2]}
    write_arrays(tmp_path / "one", arrays, meta=meta)
    write_arrays(
        tmp_path / "two", dict(reversed(arrays.items())), meta=dict(reversed(meta.items()))
    )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    back = Arrays(tmp_path / "one")
    assert list(back) == ["a", "b"]
    assert back.meta == meta
    np.testing.assert_array_equal(back["b"], arrays["b"])
    assert back["a"].shape == (0, 4)
    with pytest.raises(KeyError):
        back["c"]


def test_json_rejects_values_that_json_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    write_json(tmp_path / "x.json", {"b": 1, "a": "\u00e9"})
    assert (tmp_path / "x.json").read_text() == '{\n  "a": "\u00e9",\n  "b": 1\n}\n'
