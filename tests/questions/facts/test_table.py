"""Facts as rows: their ids, and the table that holds them."""

import polars as pl
import pytest

from p4d.artifacts import read_table
from p4d.ids import content_id
from p4d.questions.facts.table import SCHEMA, Source, quantity, read_facts, word, write_facts

SOURCE = Source(clip_id='clip_"ä"', scale_kind="metric", teacher="a+b", teacher_digest="d\\1")


def measured(kind="distance", regions=("reg_1", 'reg_\n"2"'), span_ns=(0, 5), frame="world"):
    return quantity(
        SOURCE, kind, 1.25, 0.5, unit="m", frame=frame, method="m", region_ids=regions,
        span_ns=span_ns,
    )  # fmt: skip


@pytest.mark.parametrize("regions", [(), ("reg_1",), ("reg_1", 'reg_\n"2"', "ü")])
def test_an_id_is_the_content_id_of_what_the_fact_is_about(regions):
    fact = measured(regions=regions, span_ns=(-3, 10**12), frame='"')
    about = "distance", list(regions), -3, 10**12, '"', "a+b"
    assert fact.fact_id == content_id("fact", 'clip_"ä"', *about)


def test_rows_come_back_as_they_were_written(tmp_path):
    facts = [
        measured(),
        measured(regions=()),
        measured(regions=("reg_1",), span_ns=(2, 2)),
        word(SOURCE, "side", "left", 4.0, ("left", "right"), frame="f", method="m", span_ns=(0, 0)),
    ]
    write_facts(tmp_path / "facts.parquet", facts)
    table = read_table(tmp_path / "facts.parquet")
    assert list(table.schema) == list(SCHEMA)
    assert table.schema["region_ids"] == pl.List(pl.String)
    assert read_facts(tmp_path / "facts.parquet") == {
        SOURCE.clip_id: sorted(facts, key=lambda fact: fact.fact_id)
    }


def test_no_facts_give_an_empty_table_of_the_same_schema(tmp_path):
    write_facts(tmp_path / "none.parquet", [])
    write_facts(tmp_path / "one.parquet", [measured()])
    none, one = (read_table(tmp_path / name) for name in ("none.parquet", "one.parquet"))
    assert none.schema == one.schema
    assert none.is_empty()
