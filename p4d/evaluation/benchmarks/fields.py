"""Reads the loosely typed fields of benchmark records.

In published files an answer may be the integer 0, options a mixture of texts, numbers and null, ids
numbers or texts, and trims absent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from pyarrow import ArrowException

from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.item import ItemError, Record
from p4d.students.model.chat import LETTERS

_LETTERED = re.compile(r"^\(?([A-E])[.):]\s+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
MAX_FILE_BYTES = 1 << 30
MAX_ROWS = 1_000_000
"""Of a Parquet file; the largest published test set that is read here has some 5,000."""
_ROWS_AT_ONCE = 128
MAX_TIME_S = 1e8
"""Three years: a longer video is a mistake of the record."""


_UNREADABLE = (OSError, ValueError, RecursionError, pl.exceptions.PolarsError, ArrowException)


def records_of(path: Path) -> list[Any]:
    """Read the records of a JSON, JSON lines or Parquet file.

    Raises:
        ContractError: the file does not have the format of its suffix.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ContractError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        if path.suffix == ".parquet":
            _check_unpacked(path)
            return read_table(path).to_dicts()
        content = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            # A text may hold U+2028 and its like, which end a line for `splitlines`.
            return [json.loads(line) for line in content.split("\n") if line.strip()]
        found = json.loads(content)
    except (
        OSError,
        ValueError,
        RecursionError,
        pl.exceptions.PolarsError,
        ArrowException,
    ) as error:
        raise ContractError(f"{path}: cannot be read ({error}); fetch the file again") from error
    if not isinstance(found, list):
        raise ContractError(f"{path}: expected a list of records, got {type(found).__name__}")
    return found


def files_with(folder: Path, names: Collection[str]) -> list[Path]:
    """Return the files of a folder and its `data/` whose records have all the named fields.

    If some of them are named after the test split, only those.
    """
    found = []
    for pattern in ("*.parquet", "data/*.parquet", "*.jsonl", "*.json"):
        for path in sorted(folder.glob(pattern)):
            try:
                records = records_of(path)
            except ContractError:
                continue
            if records and isinstance(records[0], dict) and set(names) <= set(records[0]):
                found.append(path)
    return [path for path in found if path.name.startswith("test")] or found


def distinct_records(files: Sequence[Path], identify: Callable[[Record], str]) -> list[Any]:
    """Return the records of all files.

    Raises:
        ContractError: two files hold the same id, for example one benchmark in two formats.
    """
    records: list[Any] = []
    holder: dict[str, Path] = {}
    for path in files:
        here = records_of(path)
        ids = set()
        for record in here:
            try:
                ids.add(identify(record) if isinstance(record, dict) else "")
            except ItemError:
                continue  # read_items rejects it with the reason
        for item_id in sorted(ids - {""}):
            if holder.setdefault(item_id, path) != path:
                raise ContractError(
                    f"{path} and {holder[item_id]} both hold id {item_id}; keep one of the files"
                )
        records += here
    return records


def _check_unpacked(path: Path) -> None:
    """Unpack a Parquet file in small parts: a few bytes of it can stand for gigabytes of rows.

    Raises:
        ContractError: it has more than `MAX_ROWS` rows or `MAX_FILE_BYTES` unpacked.
    """
    with pq.ParquetFile(path) as file:
        if file.metadata.num_rows > MAX_ROWS:
            raise ContractError(f"{path} has more than {MAX_ROWS} rows")
        nbytes = 0
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
            # As values: a column of a dictionary is small only as long as it stays one.
            nbytes += _size(batch.to_pylist())
            if nbytes > MAX_FILE_BYTES:
                raise ContractError(f"{path} has more than {MAX_FILE_BYTES} bytes unpacked")


def _size(value: object) -> int:
    """About the bytes of a value of lists, mappings and texts."""
    size, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        size += 8
        if isinstance(part, str | bytes):
            size += len(part)
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
    return size


def first(record: Record, *names: str) -> Any:  # noqa: ANN401 - as the file has it
    """Return the first of the named fields that is not null; 0, false and "" are values.

    Raises:
        ItemError: the record has none of them.
    """
    for name in names:
        if record.get(name) is not None:
            return record[name]
    raise ItemError(f"the record has no {' or '.join(names)}; it has {sorted(record)}")


def text(value: object) -> str:
    """Return an id, option or answer as text: 0 is "0", null is "None"."""
    return str(value).strip()


def name(value: object) -> str:
    """Return an id that names a folder or an array: letters, digits, `-` and `_`.

    Raises:
        ItemError: the value is anything else, for example a path.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ItemError(f"expected a name of letters, digits, - and _, got {ascii(value)[:80]}")
    return value


def options(values: object) -> tuple[str, ...]:
    """Return a list of options as texts.

    Raises:
        ItemError: not a list, or fewer than 2 or more options than letters.
    """
    if not isinstance(values, list | tuple):
        raise ItemError(f"options must be a list, got {values!r}")
    if not 2 <= len(values) <= len(LETTERS):
        raise ItemError(f"{len(values)} options; between 2 and {len(LETTERS)} can be asked")
    return tuple(text(value) for value in values)


def lettered_options(values: object) -> tuple[str, ...]:
    """Return a list of options as texts without their leading letters.

    Raises:
        ItemError: as `options`.
    """
    return tuple(map(without_letter, options(values)))


def by_letter(values: object) -> object:
    """Return the values of a mapping from the letters A, B, ... as a list; others unchanged.

    Raises:
        ItemError: the keys of the mapping are not the first letters.
    """
    if not isinstance(values, dict):
        return values
    if sorted(values) != list(LETTERS[: len(values)]):
        raise ItemError(f"options must have the letters A, B, ..., got {sorted(values)}")
    return [values[letter] for letter in sorted(values)]


def answer_index(options: Sequence[str], answer: object) -> int:
    """Return the index of the option that equals the answer, else of the one its letter names.

    Of equal options the first counts, as in the public evaluations.

    Raises:
        ItemError: the answer is neither an option nor a letter.
    """
    given = text(answer)
    if given in options:
        return options.index(given)
    folded = [option.casefold() for option in options]
    if given.casefold() in folded:
        return folded.index(given.casefold())
    letter = given.strip("().: ").upper()
    if len(letter) == 1 and letter in LETTERS[: len(options)]:
        return LETTERS.index(letter)
    raise ItemError(f"answer {answer!r} is not among the options {list(options)}")


def number(value: object) -> float:
    """Return a finite number from a number or its text.

    Raises:
        ItemError: the value is not a finite number.
    """
    try:
        found = float(text(value))
    except ValueError as error:
        raise ItemError(f"expected a number, got {value!r}") from error
    if not math.isfinite(found):
        raise ItemError(f"expected a finite number, got {value!r}")
    return found


def positive(value: object) -> float:
    """Return a positive number, of which a relative accuracy can be computed.

    Raises:
        ItemError: as `number`, or the number is not positive.
    """
    found = number(value)
    if found <= 0:
        raise ItemError(f"relative accuracy needs a positive answer, got {found:g}")
    return found


def trim_ns(record: Record) -> tuple[int | None, int | None]:
    """Return `time_start` and `time_end` in nanoseconds; None for an absent one.

    Raises:
        ItemError: a time is not a number, or the end is not after the start.
    """
    start, end = (
        None if record.get(name) in (None, "") else round(_time_s(record[name]) * 1e9)
        for name in ("time_start", "time_end")
    )
    if (start is not None and start < 0) or (end is not None and end <= (start or 0)):
        raise ItemError(
            f"the trim from {record.get('time_start')} s to {record.get('time_end')} s is empty"
        )
    return start, end


def _time_s(value: object) -> float:
    found = number(value)
    if abs(found) > MAX_TIME_S:
        raise ItemError(f"{found:g} s is no time of a video")
    return found


def media(folder: Path, *candidates: str) -> Path:
    """Return the first of the relative paths that is a file inside `folder`.

    Raises:
        ItemError: no candidate is a file; the message lists where it was expected.
    """
    root = folder.resolve()
    for candidate in candidates:
        try:
            path = (root / candidate).resolve()
            if path.is_relative_to(root) and path.is_file():
                return path
        except (OSError, ValueError, RuntimeError):  # too long, NUL, or a loop of links
            continue
    named = " or ".join(_shown(candidate) for candidate in candidates)
    raise ItemError(f"missing file; put it at {named} under {folder}")


def media_folder(folder: Path, *candidates: str) -> Path:
    """Return the first of the relative paths that is a folder inside `folder`.

    Raises:
        ItemError: no candidate is a folder.
    """
    root = folder.resolve()
    for candidate in candidates:
        try:
            path = (root / candidate).resolve()
            if path.is_relative_to(root) and path != root and path.is_dir():
                return path
        except (OSError, ValueError, RuntimeError):
            continue
    named = " or ".join(_shown(candidate) for candidate in candidates)
    raise ItemError(f"missing folder of frames; put it at {named} under {folder}")


def without_letter(option: str) -> str:
    """Return an option without its leading letter, such as `A. `."""
    return _LETTERED.sub("", option)


def _shown(name: str) -> str:
    """A name of at most 200 characters for a message."""
    return name if len(name) <= 200 else f"{name[:200]}..."
