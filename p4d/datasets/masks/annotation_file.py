"""Annotations of many videos in one JSON file, which is parsed once for all of them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from p4d.datasets.shown import shown
from p4d.errors import ContractError, DatasetError
from p4d.foreign_json import read_foreign_json

MAX_JSON_BYTES = 1 << 30
"""Largest file. Parsed it takes about six times as much memory; YouTube-VIS has 0.3 GB."""


def read_annotations(path: Path) -> Any:  # noqa: ANN401 - as the file has it
    """The parsed file; callers leave it as it is.

    Raises:
        DatasetError: it is missing, too large or no JSON.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    return _parsed(path, status.st_size, status.st_mtime_ns)


# The reader of a sequence keeps no state, and a file of 200 MB has thousands of videos. The result
# depends on nothing but the file of this size and time.
@functools.lru_cache(maxsize=1)
def _parsed(path: Path, size: int, mtime_ns: int) -> Any:  # noqa: ANN401
    del size, mtime_ns
    try:
        return read_foreign_json(path, max_bytes=MAX_JSON_BYTES, name=path.name)
    except ContractError as error:
        raise DatasetError(str(error)) from error
