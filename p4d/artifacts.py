"""Byte-stable files: equal values give equal bytes, so that hashes identify content.

Parquet has fixed compression, level and row groups, and no time in its metadata; safetensors has
one metadata key (several would be written in random order); JSON has sorted keys. The caller should
round floats that come from parallel sums. All writers replace files atomically (p4d/atomic.py).
All readers take paths literally: to polars alone, `[` in the path of a checkout is a pattern.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as safetensors_bytes

from p4d.atomic import replacing
from p4d.errors import ContractError

if TYPE_CHECKING:  # `p4d status` must not wait for the import
    import polars as pl


def write_bytes(path: Path, payload: bytes) -> None:
    """Write a file at once (p4d/atomic.py), with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(payload)


def write_json(path: Path, value: object) -> None:
    """Write JSON with indentation, sorted keys and a final newline.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Parse one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, frame: pl.DataFrame, *, sort_by: Sequence[str]) -> None:
    """Write `frame` as Parquet, sorted by the columns `sort_by`, which must be unique.

    Raises:
        ContractError: a key repeats, so the order of rows would be undefined.
    """
    if not _is_in_order(frame, sort_by):
        keys = frame.select(sort_by)
        if keys.is_duplicated().any():
            repeated = keys.filter(keys.is_duplicated()).head(3).rows()
            raise ContractError(f"{path.name}: key {list(sort_by)} repeats, for example {repeated}")
        frame = frame.sort(sort_by)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        frame.write_parquet(
            temporary,
            compression="zstd",
            compression_level=3,
            row_group_size=65536,
            statistics=True,
        )


def _is_in_order(frame: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Whether each row's keys come after those of the row before."""
    import polars as pl

    if frame.n_chunks() > 1:  # the bytes of a file depend on chunks
        return False
    rises, equal = pl.lit(False), pl.lit(True)
    for key in keys:
        rises = rises | (equal & (pl.col(key) > pl.col(key).shift()))
        equal = equal & pl.col(key).eq_missing(pl.col(key).shift())
    return bool(frame.select(rises.fill_null(value=False).slice(1).all()).item())


def read_table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read one Parquet file, or some of its columns."""
    import polars as pl

    return pl.read_parquet(path, columns=list(columns) if columns else None, glob=False)


def scan_table(*paths: Path) -> pl.LazyFrame:
    """Query Parquet files of one schema without reading them whole."""
    import polars as pl

    return pl.scan_parquet(list(paths), glob=False)


def read_csv(path: Path) -> pl.DataFrame:
    """Read one CSV file with a header."""
    import polars as pl

    return pl.read_csv(path, glob=False)


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], *, meta: Mapping[str, object] | None = None
) -> None:
    """Write named arrays as safetensors; `meta` becomes one JSON metadata entry named `meta`."""
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    text = json.dumps(dict(meta or {}), sort_keys=True)
    write_bytes(path, safetensors_bytes(ordered, metadata={"meta": text}))


class Arrays(Mapping[str, np.ndarray]):
    """Named arrays of one safetensors file, read lazily, one at a time."""

    def __init__(self, path: Path) -> None:
        """Open `path` and read its header."""
        self._file = safe_open(str(path), framework="numpy")
        self._names = frozenset(self._file.keys())
        self.meta: dict[str, Any] = json.loads((self._file.metadata() or {}).get("meta", "{}"))

    def __getitem__(self, name: str) -> np.ndarray:
        """The array called `name`; raises KeyError if there is none."""
        if name not in self._names:
            raise KeyError(name)
        return self._file.get_tensor(name)

    def __iter__(self) -> Any:  # noqa: ANN401
        """Names in sorted order."""
        return iter(sorted(self._names))

    def __len__(self) -> int:
        """Number of arrays in the file."""
        return len(self._names)
