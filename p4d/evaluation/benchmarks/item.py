"""One question of any benchmark, and what the readers of their files share.

Files of benchmarks are loosely typed: an answer may be the integer 0, options a mixture of texts,
numbers and null, ids numbers or texts, trims absent. Every reader turns a record into a
`BenchmarkItem` or raises `ItemError`; a record that cannot be used becomes a `BadItem` with its
reason and never stops the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from p4d.errors import ContractError
from p4d.students.model.chat import LETTERS

Record = Mapping[str, Any]
Sampling = Literal["ends", "grid"]


class ItemError(ValueError):
    """A record that cannot be asked; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkItem:
    """One question.

    Attributes:
        item_id: unique in its benchmark, as text.
        category: the benchmark's own name of the task.
        dynamic: whether it needs more than one frame; None where the benchmark does not say.
        kind: `mcq` has options and `answer_index`, `numeric` has `answer_value`.
        question: text alone, without options and instructions; regions are `<obj_k>`.
        video: the file to look at.
        group: source video; questions of one are not independent.
        start_ns: first instant to be seen, counted from the video's first frame; None: its start.
        end_ns: where to stop; None: its end.
        marks: picture of the first frame with marked regions.
        family: kind of question within the category, where known.
        clip: shard and clip id, for a benchmark that carries its clips in our own layout.
    """

    item_id: str
    category: str
    dynamic: bool | None
    kind: Literal["mcq", "numeric"]
    question: str
    options: tuple[str, ...] = ()
    answer_index: int | None = None
    answer_value: float | None = None
    video: Path
    group: str
    start_ns: int | None = None
    end_ns: int | None = None
    marks: Path | None = None
    family: str | None = None
    clip: tuple[str, str] | None = None


@dataclass(frozen=True)
class BadItem:
    """A record that cannot be asked, and why."""

    item_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark as found in a folder.

    Attributes:
        name: r4d-bench | sti-bench | vlm4d | vsti-bench | r4d-world.
        body: the prompt of an item as the benchmark's own evaluation words it.
        letter_of: its own parser of a letter, given a text and the number of options.
        unparsed: what its own evaluation makes of a text without a letter.
        sampling: `ends`: frames at equal steps from the first to the last; `grid`: each at the
            start of one of T equal parts.
        stages: folder with `clips/` and `regions/` in our own layout, where it has one.
    """

    name: str
    folder: Path
    items: tuple[BenchmarkItem, ...]
    bad: tuple[BadItem, ...]
    body: Callable[[BenchmarkItem], str]
    letter_of: Callable[[str, int], int | None]
    unparsed: Literal["wrong", "random"]
    sampling: Sampling = "ends"
    stages: Path | None = None


def read_items(
    records: Iterable[Record],
    identify: Callable[[Record], str],
    read: Callable[[str, Record], BenchmarkItem],
) -> tuple[tuple[BenchmarkItem, ...], tuple[BadItem, ...]]:
    """Items in order of their ids, and the records that are none."""
    items: dict[str, BenchmarkItem] = {}
    bad: dict[str, BadItem] = {}
    for number, record in enumerate(records):
        item_id = f"record {number}"
        try:
            if not isinstance(record, Mapping):
                raise ItemError(f"expected an object with fields, got {type(record).__name__}")
            item_id = identify(record)
            if item_id in items or item_id in bad:
                item_id, earlier = f"{item_id} (record {number})", item_id
                raise ItemError(f"id {earlier} is taken by an earlier record")
            items[item_id] = read(item_id, record)
        except ItemError as error:
            bad[item_id] = BadItem(item_id, str(error))
    return (
        tuple(items[name] for name in sorted(items)),
        tuple(bad[name] for name in sorted(bad)),
    )


def read_records(path: Path) -> list[Any]:
    """Records of a JSON, JSON lines or Parquet file.

    Raises:
        ContractError: the file is not readable as what its name says.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path).to_dicts()
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        found = json.loads(text)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise ContractError(f"{path}: cannot be read ({error}); fetch the file again") from error
    if not isinstance(found, list):
        raise ContractError(f"{path}: expected a list of records, got {type(found).__name__}")
    return found


def field(record: Record, *names: str) -> Any:  # noqa: ANN401 - as the file has it
    """The first of `names` that the record has; 0, false and "" count as there, null does not."""
    for name in names:
        if record.get(name) is not None:
            return record[name]
    raise ItemError(f"the record has no {' or '.join(names)}; it has {sorted(record)}")


def plain(value: object) -> str:
    """A value of an id, option or answer as text: 0 is "0", null is "None"."""
    return str(value).strip()


def options_of(values: object) -> tuple[str, ...]:
    """Options as texts.

    Raises:
        ItemError: not a list, or not between 2 and as many as there are letters.
    """
    if not isinstance(values, list | tuple):
        raise ItemError(f"options are no list: {values!r}")
    options = tuple(plain(value) for value in values)
    if not 2 <= len(options) <= len(LETTERS):
        raise ItemError(f"{len(options)} options; a letter of {LETTERS} must name each, 2 at least")
    return options


def answer_among(options: Sequence[str], answer: object) -> int:
    """Index of the answer: the option that reads like it, else the option its letter names.

    Of options that read alike the first counts, as in the public evaluations.

    Raises:
        ItemError: it is neither.
    """
    said = plain(answer)
    if said in options:
        return options.index(said)
    folded = [option.casefold() for option in options]
    if said.casefold() in folded:
        return folded.index(said.casefold())
    letter = said.strip("().: ").upper()
    if len(letter) == 1 and letter in LETTERS[: len(options)]:
        return LETTERS.index(letter)
    raise ItemError(f"answer {answer!r} is not among the options {list(options)}")


def number(value: object) -> float:
    """A finite number from a number or its text.

    Raises:
        ItemError: it is none.
    """
    try:
        found = float(plain(value))
    except ValueError as error:
        raise ItemError(f"expected a number, got {value!r}") from error
    if not math.isfinite(found):
        raise ItemError(f"expected a finite number, got {value!r}")
    return found


def trim_ns(record: Record) -> tuple[int | None, int | None]:
    """`time_start` and `time_end` in nanoseconds; None where the record has none.

    Raises:
        ItemError: no numbers, or an end that is not after the start.
    """
    found = [
        None if record.get(name) in (None, "") else round(number(record[name]) * 1e9)
        for name in ("time_start", "time_end")
    ]
    start, end = found
    if (start is not None and start < 0) or (end is not None and end <= (start or 0)):
        raise ItemError(
            f"the trim from {record.get('time_start')} s to {record.get('time_end')} s is no span"
        )
    return start, end


def media(folder: Path, *candidates: str) -> Path:
    """The first of the relative paths that is a file inside `folder`.

    Raises:
        ItemError: none is; the message names where it was looked for.
    """
    root = folder.resolve()
    for candidate in candidates:
        path = (root / candidate).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path
    raise ItemError(f"missing file; put it at {' or '.join(candidates)} under {folder}")
