"""R4D-Bench (arXiv 2512.17012): region-level questions about STI-Bench and VLM4D videos.

`test.json`: a list of records with `id` (number or text), `benchmark` (stibench | vlm4d), `task`,
`video` (`clipped/...` where it was trimmed, else `videos/...`), `source` (the untrimmed file),
`som_image`, `question` with `<obj_k>`, `question_raw`, `options` (texts, numbers and nulls mixed)
and `answer` (the text of an option, perhaps a number). Older files say `question_new`.
Static and dynamic go by category, not by source benchmark.

R4D-World, our own benchmark, has this layout and three fields more: `family`, `shard`, `clip_id`.
"""

from __future__ import annotations

from pathlib import Path

from p4d.categories import CATEGORIES, STATIC
from p4d.evaluation.benchmarks.item import (
    Benchmark,
    BenchmarkItem,
    ItemError,
    Record,
    answer_among,
    field,
    media,
    options_of,
    plain,
    read_items,
    read_records,
    trim_ns,
)
from p4d.evaluation.benchmarks.wording import lettered
from p4d.evaluation.scoring.answers import first_letter

FILE = "test.json"
STAGES = "stages"


def found_in(folder: Path) -> bool:
    """Whether the folder holds this benchmark."""
    return (folder / FILE).is_file()


def read(folder: Path) -> Benchmark:
    """Read `test.json` and find the media beside it.

    Raises:
        ContractError: the file is no list of records.
    """

    def identify(record: Record) -> str:
        # The same number may be an id of both source benchmarks.
        return f"{plain(record.get('benchmark', 'r4d'))}/{plain(field(record, 'id'))}"

    def item(item_id: str, record: Record) -> BenchmarkItem:
        category = plain(field(record, "task"))
        if category not in CATEGORIES:
            raise ItemError(f"task {category!r} is none of {list(CATEGORIES)}")
        options = options_of(field(record, "options"))
        video, start_ns, end_ns = _video(folder, record)
        marks = record.get("som_image")
        shard, clip_id = record.get("shard"), record.get("clip_id")
        return BenchmarkItem(
            item_id=item_id,
            category=category,
            dynamic=category not in STATIC,
            kind="mcq",
            question=plain(field(record, "question", "question_new")),
            options=options,
            answer_index=answer_among(options, field(record, "answer")),
            video=video,
            group=plain(record.get("source") or field(record, "video")),
            start_ns=start_ns,
            end_ns=end_ns,
            marks=media(folder, plain(marks)) if marks else None,
            family=record.get("family"),
            clip=(shard, clip_id) if shard and clip_id else None,
        )

    items, bad = read_items(read_records(folder / FILE), identify, item)
    ours = any(found.clip for found in items)
    return Benchmark(
        name="r4d-world" if ours else "r4d-bench",
        folder=folder,
        items=items,
        bad=bad,
        body=body,
        letter_of=first_letter,
        unparsed="random",
        sampling="grid" if ours else "ends",
        stages=folder / STAGES if (folder / STAGES).is_dir() else None,
    )


def _video(folder: Path, record: Record) -> tuple[Path, int | None, int | None]:
    """The trimmed file if it is there, else the source with the trim."""
    name = plain(field(record, "video"))
    if name.startswith("clipped/"):
        try:
            return media(folder, name), None, None
        except ItemError:
            source = record.get("source")
            start_ns, end_ns = trim_ns(record)
            if source is None or (start_ns is None and end_ns is None):
                raise
            return media(folder, plain(source)), start_ns, end_ns
    return media(folder, name), *trim_ns(record)


def body(item: BenchmarkItem) -> str:
    """What precedes and follows the question in the published evaluation, in our words."""
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
