import polars as pl
import pytest

from p4d.cli.table import ROWS, rendered

FRAME = pl.DataFrame({"clip_id": ["clip_1", "clip_2"], "seconds": [1.5, None]})


def test_a_table_that_fits_is_printed_side_by_side():
    lines = rendered(FRAME, 40).splitlines()
    assert lines[1].split() == ["│", "clip_id", "┆", "seconds", "│"]
    assert "clip_1  ┆ 1.5" in lines[3]
    assert lines[-1] == "2 rows"


def test_a_wider_one_has_a_value_to_a_line_and_no_name_is_broken():
    assert rendered(FRAME, 15).splitlines() == [
        "clip_id  clip_1", "seconds  1.5", "",
        "clip_id  clip_2", "seconds  null", "",
        "2 rows",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [10, 1000])
def test_of_many_rows_the_first_are_shown_and_all_are_counted(width):
    many = pl.DataFrame({"a_long_name": list(range(ROWS + 1))})
    shown = rendered(many, width)
    assert shown.endswith(f"{ROWS + 1} rows; the first {ROWS} are shown, --json prints all")
    assert str(ROWS - 1) in shown.splitlines()[-3]
    assert rendered(many.clear(), width).endswith("0 rows")


@pytest.mark.parametrize("width", [10, 1000])
def test_a_cut_text_is_named_with_the_command_that_prints_it_whole(width):
    long = pl.DataFrame({"reason": ["x" * 61, None]})
    shown = rendered(long, width)
    assert "x" * 61 not in shown
    assert shown.endswith("2 rows; texts end after 60 characters, --json prints them whole")
    assert rendered(long.head(0), width).endswith("0 rows")
    assert rendered(pl.DataFrame({"reason": ["x" * 60]}), width).endswith("1 row")
