"""R4D-Bench (arXiv 2512.17012): region-level questions about STI-Bench and VLM4D videos.

`test.json`: a list of records with `id` (number or text), `benchmark` (stibench | vlm4d), `task`,
`video` (`clipped/...` if it was trimmed, else `videos/...`), `source` (the untrimmed file),
`som_image`, `question` with `<obj_k>`, `question_raw`, `options` (texts, numbers and nulls mixed)
and `answer` (the text of an option, perhaps a number). Older files have `question_new`. The
category, not the source benchmark, decides between static and dynamic.

R4D-World, the benchmark of this repository, has this layout and three more fields: `family`,
`shard`, `clip_id`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from p4d.categories import CATEGORIES, STATIC
from p4d.evaluation.benchmarks import fields
from p4d.evaluation.benchmarks.item import (
    Benchmark,
    BenchmarkItem,
    ItemError,
    PublishedRules,
    Record,
    ScoredItem,
    read_items,
)
from p4d.evaluation.benchmarks.published_rules import (
    by_category,
    drawn_option,
    lettered,
    mean,
)
from p4d.students.model.chat import LETTERS

FILE = "test.json"
STAGES = "stages"
_ANSWER_PHRASE = re.compile(
    r"^(?:(?:the|my)\s+)?(?:(?:best|correct|right|final)\s+)?(?:answer|option|choice)"
    r"(?:\s+is)?\s*[:=]?\s*",
    re.IGNORECASE,
)


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return (folder / FILE).is_file()


TIMED = "r4d-world-time"
"""R4D-World-Time in the field `benchmark`: the videos have eight frames each, at any times."""


def read(folder: Path) -> Benchmark:
    """Read `test.json` and find the media beside it.

    Raises:
        ContractError: the file is not a list of records.
    """

    def identify(record: Record) -> str:
        # The same number may be an id of both source benchmarks.
        source = fields.text(record.get("benchmark", "r4d"))
        return f"{source}/{fields.text(fields.first(record, 'id'))}"

    def item(item_id: str, record: Record) -> BenchmarkItem:
        category = fields.text(fields.first(record, "task"))
        if category not in CATEGORIES:
            raise ItemError(f"task {category!r} is none of {list(CATEGORIES)}")
        options = fields.options(fields.first(record, "options"))
        video, start_ns, end_ns = _video(folder, record)
        marks = record.get("som_image")
        shard, clip_id, family = (record.get(key) for key in ("shard", "clip_id", "family"))
        return BenchmarkItem(
            item_id=item_id,
            category=category,
            dynamic=category not in STATIC,
            kind="mcq",
            question=fields.text(fields.first(record, "question", "question_new")),
            options=options,
            answer_index=fields.answer_index(options, fields.first(record, "answer")),
            video=video,
            group=fields.text(record.get("source") or fields.first(record, "video")),
            start_ns=start_ns,
            end_ns=end_ns,
            marks=fields.media(folder, fields.text(marks)) if marks else None,
            family=fields.text(family) if family is not None else None,
            clip=(fields.name(shard), fields.name(clip_id)) if shard and clip_id else None,
        )

    items, rejected = read_items(fields.records_of(folder / FILE), identify, item)
    ours = any(found.clip for found in items)
    timed = any(found.item_id.startswith(f"{TIMED}/") for found in items)
    return Benchmark(
        name=TIMED if timed else "r4d-world" if ours else "r4d-bench",
        folder=folder,
        items=items,
        rejected=rejected,
        rules=RULES,
        sampling="grid" if ours and not timed else "ends",  # equal frames at any times: all of them
        stages=folder / STAGES if (folder / STAGES).is_dir() else None,
    )


def _video(folder: Path, record: Record) -> tuple[Path, int | None, int | None]:
    """Return the trimmed file if it exists, else the source and its trim."""
    name = fields.text(fields.first(record, "video"))
    if name.startswith("clipped/"):
        try:
            return fields.media(folder, name), None, None
        except ItemError:
            source = record.get("source")
            start_ns, end_ns = fields.trim_ns(record)
            if source is None or (start_ns is None and end_ns is None):
                raise
            return fields.media(folder, fields.text(source)), start_ns, end_ns
    return fields.media(folder, name), *fields.trim_ns(record)


def prompt(item: BenchmarkItem) -> str:
    """Return the prompt of the published evaluation; its sentence about marks is ours."""
    marks = (
        "The first image marks regions of the video's first frame: each box is labelled with the "
        "<obj_k> that the question uses. The video follows it."
    )
    return "\n".join(
        [
            *([marks] if item.marks else []),
            item.question,
            "Options:",
            *lettered(item.options, "({letter}) {text}"),
            "Answer with the letter of the right option only.",
        ]
    )


def first_letter(text: str, options: int) -> int | None:
    """After a phrase like "the answer is", take the first "(X)", else the first X."""
    answer = _ANSWER_PHRASE.sub("", text.strip())
    letters = LETTERS[:options]
    found = re.search(rf"\(([{letters}])\)", answer) or re.search(rf"\b([{letters}])\b", answer)
    return LETTERS.index(found.group(1)) if found else None


def score(item: BenchmarkItem, text: str) -> float:
    """Return 1 if the first letter is correct, else 0; without a letter, one is drawn."""
    index = first_letter(text, len(item.options))
    return float((drawn_option(item) if index is None else index) == item.answer_index)


def overall(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the mean over items, over static and dynamic ones, and over each category."""
    found = {"overall": mean([row.score for row in rows])}
    for name, dynamic in (("static", False), ("dynamic", True)):
        scores = [row.score for row in rows if row.item.dynamic is dynamic]
        if scores:
            found[name] = mean(scores)
    return found | by_category(rows)


RULES = PublishedRules(
    script="R4D-Bench, the task of the 4D-RGPT release (June 2026)",
    prompt=prompt,
    frames=16,
    max_new_tokens=24,
    score=score,
    overall=overall,
    remarks="written from a description of the script; its token budget and its sentence about "
    "marks are not published",
)
