"""Dyn-Bench: dynamics between objects, scene and camera in videos; its questions with options.

A Parquet, JSON lines or JSON file, recognised by its fields: records with `question`, `options`
(texts that start with their letter), `answer` (the letter), `category` (Camera-Object, Inter-Object
or Object-Scene), `scene_name` and `video` (a file) or `frames` (a folder of pictures in the order
of their names, shown as one per second). The benchmark's tasks of segmentation are not asked: its
script scores them for models that draw masks.
"""

from __future__ import annotations

from pathlib import Path

from p4d.errors import ContractError
from p4d.evaluation.benchmarks import fields
from p4d.evaluation.benchmarks.item import (
    Benchmark,
    BenchmarkItem,
    ItemError,
    PublishedRules,
    Record,
    read_items,
)
from p4d.evaluation.benchmarks.published_rules import (
    LETTER_PLEASE,
    lettered,
    mean_of_types,
    right_letter,
    types_overall,
)

CATEGORIES = ("Camera-Object", "Inter-Object", "Object-Scene")


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return any(fields.records_of(path)[0].get("category") in CATEGORIES for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return fields.files_with(folder, {"question", "options", "answer", "category", "scene_name"})


def read(folder: Path) -> Benchmark:
    """Read the questions and find the videos or folders of frames.

    Raises:
        ContractError: no file in the folder has the benchmark's fields.
    """
    files = _files(folder)
    if not files:
        raise ContractError(f"{folder} holds no Dyn-Bench: expected category and scene_name")
    records = [
        {**record, "number": f"{path.stem}/{number}"} if isinstance(record, dict) else record
        for path in files
        for number, record in enumerate(fields.records_of(path))
    ]

    def identify(record: Record) -> str:
        return fields.text(fields.first(record, "id", "number"))

    def item(item_id: str, record: Record) -> BenchmarkItem:
        category = fields.text(fields.first(record, "category"))
        if category not in CATEGORIES:
            raise ItemError(f"category {category!r} is none of {list(CATEGORIES)}")
        options = fields.lettered_options(fields.first(record, "options"))
        return BenchmarkItem(
            item_id=item_id,
            category=category,
            dynamic=True,
            kind="mcq",
            question=fields.text(fields.first(record, "question")),
            options=options,
            answer_index=fields.answer_index(options, fields.first(record, "answer")),
            video=_media(folder, record),
            group=fields.text(fields.first(record, "scene_name")),
        )

    items, rejected = read_items(records, identify, item)
    return Benchmark(name="dyn-bench", folder=folder, items=items, rejected=rejected, rules=RULES)


def _media(folder: Path, record: Record) -> Path:
    if record.get("frames") is not None:
        return fields.media_folder(folder, fields.text(record["frames"]))
    name = fields.text(fields.first(record, "video"))
    return fields.media(folder, name, f"videos/{name}")


def prompt(item: BenchmarkItem) -> str:
    """Return the prompt of the benchmark's own evaluation."""
    return "\n".join([item.question, *lettered(item.options, "{letter}. {text}"), LETTER_PLEASE])


def score(item: BenchmarkItem, text: str) -> float:
    """Return 1 if the first word, without closing punctuation and in any case, is the letter."""
    words = text.split()
    return float(bool(words) and words[0].rstrip(".,;:!?").upper() == right_letter(item))


RULES = PublishedRules(
    script="Dyn-Bench, main.py and utils/cal_metrics.py, questions only",
    prompt=prompt,
    frames=16,
    max_new_tokens=512,
    score=score,
    overall=types_overall,
    of_types=mean_of_types,
    remarks="segmentation is not scored, which the published overall score includes for models "
    "that draw masks; its number of frames is a setting there without a stated value",
)
