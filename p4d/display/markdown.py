"""Renders tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from p4d.foreign_text import markdown


def markdown_table(frame: pl.DataFrame, rows: int = 20) -> str:
    """The first rows as a Markdown table, and the number of rows left out."""
    lines = [
        _markdown_line(map(markdown, frame.columns)),
        _markdown_line("---" for _ in frame.columns),
    ]
    lines += [_markdown_line(map(_cell, row)) for row in frame.head(rows).iter_rows()]
    if len(frame) > rows:
        lines.append(f"\n{len(frame) - rows} more rows")
    return "\n".join(lines)


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return markdown(text)
