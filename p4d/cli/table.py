"""Result tables on a terminal: side by side if they fit, else one value to a line."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ROWS = 200
"""Rows that are shown of a longer table."""
_TEXT = 60
"""Characters that are shown of a longer text, in a table."""
_UNLIMITED = 10_000


def terminal_width() -> int:
    """Columns of the terminal; unlimited where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED


def rendered(frame: pl.DataFrame, width: int) -> str:
    """A table whose lines have at most `width` characters, else one value to a line."""
    import polars as pl

    shown = frame.head(ROWS)
    counted = f"{len(frame)} row{'s' if len(frame) != 1 else ''}"
    if len(frame) > ROWS:
        counted += f"; the first {ROWS} are shown, --json prints all"
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=_UNLIMITED,
        fmt_str_lengths=_TEXT,
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
    ):
        table = str(shown)
    if max(map(len, table.splitlines())) <= width:
        return f"{table}\n{counted}{_note_of_cuts(shown, _TEXT)}"
    longest = max(map(len, frame.columns))
    room = max(_TEXT, width - longest - 2)
    rows = [
        "\n".join(f"{name:<{longest}}  {_text(value, room)}" for name, value in row.items())
        for row in shown.to_dicts()
    ]
    return "\n\n".join([*rows, counted + _note_of_cuts(shown, room)])


def _note_of_cuts(shown: pl.DataFrame, room: int) -> str:
    import polars as pl

    texts = [column for column in shown.iter_columns() if column.dtype == pl.String]
    if not any((column.str.len_chars() > room).any() for column in texts):
        return ""
    return f"; texts end after {room} characters, --json prints them whole"


def _text(value: object, room: int) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= room else f"{text[: room - 1]}…"
