"""Columns of integers: hashes, sorting and ranking, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.ids import seed_for

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def mix(*parts: NDArray | int | str) -> Hashes:
    """Hash columns and constants to 64 bits (splitmix64), the same on every machine."""
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            column = part.astype(np.uint64) if isinstance(part, np.ndarray) else _constant(part)
            state = state * np.uint64(0x9E3779B97F4A7C15) + column + np.uint64(0x632BE59BD9B4E019)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


@lru_cache(maxsize=4096)
def _constant(part: int | str) -> Hashes:
    return np.array([seed_for(part)], dtype=np.uint64)


def radix_order(*keys: NDArray) -> Ints:
    """Order rows by integer columns, the last one first, as `np.lexsort` does.

    It sorts sixteen bits at a time, from the lowest of the first column, because NumPy sorts those
    by counting. A few rows are sorted faster by comparing.
    """
    if len(keys[0]) < _FEW:
        return np.lexsort(keys)
    order = np.arange(len(keys[0]))
    for key in keys:
        rest = (key - key.min()).astype(np.uint64)
        for shift in range(0, int(rest.max()).bit_length(), 16):
            digit = (rest >> np.uint64(shift)).astype(np.uint16)
            order = order[np.argsort(digit[order], kind="stable")]
    return order


_FEW = 1000


def run_starts(*columns: NDArray) -> Ints:
    """Return where the runs of equal rows start in sorted columns."""
    if not len(columns[0]):
        return np.zeros(0, dtype=np.int64)
    changes = np.ones(len(columns[0]), dtype=bool)
    changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(changes)


def ranks(*columns: NDArray) -> Ints:
    """Return the place of each row within its run of equal rows in sorted columns."""
    starts = run_starts(*columns)
    lengths = np.diff(np.append(starts, len(columns[0])))
    return np.arange(len(columns[0])) - np.repeat(starts, lengths)


def hashes_of(ids: pl.Series) -> Hashes:
    """Return one number per id: its 16 hex digits, or a hash of any other string."""
    if not len(ids):
        return np.zeros(0, dtype=np.uint64)
    digits = ids.str.extract(r"_([0-9a-f]{16})$")
    if digits.null_count():
        return np.array([seed_for(one) for one in ids.to_list()], dtype=np.uint64)
    joined = bytes.fromhex(digits.str.join("").item())
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


def gather(texts: Sequence[str], places: NDArray) -> pl.Series:
    """Return the texts at some places."""
    return pl.Series(texts, dtype=pl.String).gather(places.astype(np.int64, copy=False))
