"""The gate on released questions lets people's corrections pass, and nothing else of them."""

import polars as pl
import pytest

from p4d.quality.gates import check_folders, needed_upstreams
from tests.quality.checks import blocks
from tests.sql import example_project as example

NAME = "release/questions.parquet"


def _stopped(root):
    folders = {n: root / "data" / n for n in ("release", *needed_upstreams("release"))}
    return {r.name for r in check_folders("release", folders) if blocks(r)}


def _fix(tables, **change):
    first = pl.col("qa_id") == pl.col("qa_id").first()
    columns = {"fixed_from": pl.col("qa_id"), "review": pl.lit("fix"), "qa_id": pl.lit("qa_fixed")}
    columns |= {name: pl.lit(value) for name, value in change.items()}
    # Names are resolved against the table as it was, so that `first` stays the same row.
    return tables[NAME].with_columns(
        **{
            name: pl.when(first).then(value).otherwise(pl.col(name)).cast(
                pl.String if name in ("fixed_from", "review") else tables[NAME].schema[name]
            )
            for name, value in columns.items()
        }
    )  # fmt: skip


def test_a_corrected_text_and_answer_pass(tmp_path):
    tables = example.tables()
    row = tables[NAME].row(0, named=True)
    index = (row["answer_index"] + 1) % len(row["options"])
    tables[NAME] = _fix(
        tables, question="Better?", answer_index=index, answer="ABCDE"[index],
        answer_text=row["options"][index],
    )  # fmt: skip
    assert _stopped(example.write(tmp_path, tables)) == set()


@pytest.mark.parametrize("change", [{"clip_id": "clip_red1"}, {"fixed_from": "qa_of_nobody"}])
def test_another_clip_or_origin_does_not(tmp_path, change):
    tables = example.tables()
    tables[NAME] = _fix(tables, **change)
    assert "questions_are_unchanged" in _stopped(example.write(tmp_path, tables))
