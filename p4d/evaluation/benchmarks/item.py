"""The types that all benchmarks are read into.

A reader turns each record into a `BenchmarkItem` or raises `ItemError`. A record that cannot be
used becomes a `RejectedItem` with the reason and never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from p4d.errors import ContractError
from p4d.foreign_json import check_foreign

Record = Mapping[str, Any]
Sampling = Literal["ends", "grid"]


class ItemError(ValueError):
    """A record cannot be asked; the message gives the reason and the remedy."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkItem:
    """One question of a benchmark.

    Attributes:
        item_id: unique in its benchmark.
        category: the benchmark's own name of the task.
        dynamic: whether it needs more than one frame; None if the benchmark does not say.
        kind: `mcq` has options and `answer_index`, `numeric` has `answer_value`.
        question: text without options and instructions; regions are `<obj_k>`.
        video: the video file, or a folder of its frames.
        group: source video; questions about one source are not independent.
        start_ns: start of the visible span, counted from the first frame; None: the first frame.
        end_ns: end of the visible span; None: the end of the video.
        marks: picture of the first frame with marked regions.
        family: kind of question within the category, if known.
        subset: part of the benchmark that is reported on its own, if it has parts.
        clip: shard and clip id, if the benchmark carries its clips in this pipeline's layout.
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
    subset: str | None = None
    clip: tuple[str, str] | None = None


@dataclass(frozen=True)
class RejectedItem:
    """A record that cannot be asked, and the reason."""

    item_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PublishedRules:
    """How the benchmark's own evaluation asks, reads and scores.

    Attributes:
        script: whose rules these are, for people.
        prompt: the prompt of an item.
        frames: how many frames a model is shown.
        max_new_tokens: the longest reply.
        score: the score of a reply to an item, in [0, 1].
        overall: the figures that the script reports, from items with their scores; `overall` is the
            headline.
        of_types: the headline from the means of the categories; None if it is the mean over items.
        remarks: what of the published evaluation is not reproduced.
    """

    script: str
    prompt: Callable[[BenchmarkItem], str]
    frames: int
    max_new_tokens: int
    score: Callable[[BenchmarkItem, str], float]
    overall: Callable[[Sequence[ScoredItem]], dict[str, float]]
    of_types: Callable[[Mapping[str, Any]], Any] | None = None
    remarks: str = ""


@dataclass(frozen=True)
class ScoredItem:
    """An item that was answered, and the score of its reply."""

    item: BenchmarkItem
    score: float


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark read from a folder.

    Attributes:
        name: one of `registry.READERS`.
        rules: of the published evaluation.
        sampling: `ends`: frames at equal steps from the first to the last; `grid`: each at the
            start of one of T equal parts.
        stages: folder with `clips/` and `regions/` in this pipeline's layout, if there is one.
    """

    name: str
    folder: Path
    items: tuple[BenchmarkItem, ...]
    rejected: tuple[RejectedItem, ...]
    rules: PublishedRules
    sampling: Sampling = "ends"
    stages: Path | None = None


def read_items(
    records: Iterable[Record],
    identify: Callable[[Record], str],
    read: Callable[[str, Record], BenchmarkItem],
) -> tuple[tuple[BenchmarkItem, ...], tuple[RejectedItem, ...]]:
    """Read items, and reject the records that `identify` or `read` raise `ItemError` for.

    Returns:
        Items and rejected records, each in order of their ids.
    """
    items: dict[str, BenchmarkItem] = {}
    rejected: dict[str, RejectedItem] = {}
    for number, record in enumerate(records):
        item_id = f"record {number}"
        try:
            if not isinstance(record, Mapping):
                raise ItemError(f"expected an object with fields, got {type(record).__name__}")
            check_foreign(record, "the record")
            item_id = identify(record)
            if item_id in items or item_id in rejected:
                item_id, earlier = f"{item_id} (record {number})", item_id
                raise ItemError(f"id {earlier} is taken by an earlier record")
            items[item_id] = read(item_id, record)
        except (ItemError, ContractError) as error:
            rejected[item_id] = RejectedItem(item_id, str(error))
    return (
        tuple(items[name] for name in sorted(items)),
        tuple(rejected[name] for name in sorted(rejected)),
    )
