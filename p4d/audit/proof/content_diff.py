"""Compares two files of one name by content: rows by key, arrays by value, JSON by path."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from p4d.artifacts import read_table

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MOST_LINES = 10
"""Differences listed per file; the number of the others is given."""


def differences(old: Path, new: Path) -> list[str]:
    """Lines that describe how `new` differs from `old`; at least one if the bytes differ.

    Either may be missing. A file that its reader cannot parse is compared as bytes.
    """
    if not old.exists():
        return [f"only in the new version, {new.stat().st_size} bytes"]
    if not new.exists():
        return [f"only in the old version, {old.stat().st_size} bytes"]
    readers = {
        ".parquet": _tables,
        ".safetensors": _arrays,
        ".json": _json,
        ".jsonl": _lines_of_text,
        ".csv": _lines_of_text,
        ".md": _lines_of_text,
        ".txt": _lines_of_text,
    }
    reader = readers.get(old.suffix)
    found: list[str] = []
    if reader is not None:
        try:
            found = list(reader(old, new))
        except Exception as error:  # noqa: BLE001 - a damaged file is a difference, not a crash
            found = [f"cannot be compared as {old.suffix} ({error})"]
    found = found or list(_bytes(old, new))
    rest = len(found) - MOST_LINES
    return [*found[:MOST_LINES], *([f"and {rest} more"] if rest > 0 else [])]


def _tables(old: Path, new: Path) -> Iterator[str]:
    import polars as pl

    was, now = read_table(old), read_table(new)
    for name in [n for n in was.columns if n not in now.columns]:
        yield f"column {name} is gone"
    for name in [n for n in now.columns if n not in was.columns]:
        yield f"column {name} is new"
    shared = [name for name in was.columns if name in now.columns]
    for name in shared:
        if was.schema[name] != now.schema[name]:
            yield f"column {name} was {was.schema[name]}, is {now.schema[name]}"
    key = _key(was, now, shared)
    if key is None:
        yield f"rows: {was.height} and {now.height}, without a key to pair them by"
        return
    gone = was.join(now, on=key, how="anti", nulls_equal=True)
    come = now.join(was, on=key, how="anti", nulls_equal=True)
    if gone.height:
        yield f"{gone.height} rows are gone, first {_first(gone, key)}"
    if come.height:
        yield f"{come.height} rows are new, first {_first(come, key)}"
    both = was.join(now, on=key, how="inner", nulls_equal=True, suffix="__now").sort(key)
    for name in (n for n in shared if n not in key):
        differing = both.filter(~pl.col(name).eq_missing(pl.col(f"{name}__now")))
        if differing.height:
            row = differing.row(0, named=True)
            text = f"{name} differs in {differing.height} of {both.height} rows"
            if was.schema[name].is_numeric():
                gaps = (differing[name].cast(pl.Float64) - differing[f"{name}__now"]).abs()
                text += f", by {gaps.to_numpy().max():g} at most"
            change = f"{row[name]!r} -> {row[f'{name}__now']!r}"
            yield f"{text}; first {_first(differing, key)}: {change}"
    if was.columns == now.columns and was.sort(key).equals(now.sort(key)):
        yield "equal rows, written differently (order of row groups, encoding or library)"


def _key(was: pl.DataFrame, now: pl.DataFrame, shared: list[str]) -> list[str] | None:
    """The first columns that identify every row of both tables; ids come first in our tables."""
    plain = [n for n in shared if not was.schema[n].is_nested() and not was.schema[n].is_float()]
    ids = [n for n in plain if n.endswith("_id")]
    for size in range(1, min(len(plain), 5) + 1):
        for columns in ([*ids, *(n for n in plain if n not in ids)][:size], plain[:size]):
            if not any(frame.select(columns).is_duplicated().any() for frame in (was, now)):
                return columns
    return None


def _first(frame: pl.DataFrame, key: list[str]) -> str:
    row = frame.sort(key).row(0, named=True)
    return ", ".join(str(row[name]) for name in key)


def _arrays(old: Path, new: Path) -> Iterator[str]:
    import numpy as np

    from p4d.artifacts import Arrays

    was, now = Arrays(old), Arrays(new)
    for name in sorted(set(was) - set(now)):
        yield f"array {name} is gone"
    for name in sorted(set(now) - set(was)):
        yield f"array {name} is new"
    for name in sorted(set(was) & set(now)):
        a, b = was[name], now[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            yield f"array {name} was {a.dtype}{list(a.shape)}, is {b.dtype}{list(b.shape)}"
        elif not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            yield f"array {name} differs {_gap(a, b)}"
    if was.meta != now.meta:
        yield from (f"metadata {line}" for line in _values(was.meta, now.meta, ""))


def _gap(a: np.ndarray, b: np.ndarray) -> str:
    import numpy as np

    unequal = a != b
    if a.dtype.kind == "f":
        unequal &= ~(np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        gap = np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64)))
    place = tuple(int(k) for k in np.argwhere(unequal)[0])
    return (
        f"in {int(unequal.sum())} of {a.size} numbers, by {gap:g} at most; "
        f"first at {list(place)}: {a[place]} -> {b[place]}"
    )


def _json(old: Path, new: Path) -> Iterator[str]:
    yield from _values(
        json.loads(old.read_text(encoding="utf-8")), json.loads(new.read_text(encoding="utf-8")), ""
    )


def _values(was: object, now: object, path: str) -> Iterator[str]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted({*was, *now}):
            below = f"{path}/{key}"
            if key not in now:
                yield f"{below} is gone, was {_short(was[key])}"
            elif key not in was:
                yield f"{below} is new: {_short(now[key])}"
            else:
                yield from _values(was[key], now[key], below)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for place, (a, b) in enumerate(zip(was, now, strict=True)):
            yield from _values(a, b, f"{path}/{place}")
    elif was != now:
        yield f"{path or '/'}: {_short(was)} -> {_short(now)}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lines_of_text(old: Path, new: Path) -> Iterator[str]:
    was, now = (
        old.read_text(encoding="utf-8").splitlines(),
        new.read_text(encoding="utf-8").splitlines(),
    )
    for line in islice(difflib.unified_diff(was, now, n=0, lineterm=""), 2, None):
        yield line[:200]


def _bytes(old: Path, new: Path) -> Iterator[str]:
    place = 0
    with old.open("rb") as a, new.open("rb") as b:
        while True:
            one, other = a.read(1 << 20), b.read(1 << 20)
            if one != other:
                shared = next(
                    (k for k, (x, y) in enumerate(zip(one, other, strict=False)) if x != y),
                    min(len(one), len(other)),
                )
                sizes = f"{old.stat().st_size} and {new.stat().st_size} bytes"
                yield f"{sizes}, first different at byte {place + shared}"
                return
            if not one:
                return
            place += len(one)
