"""STI-Bench: eight tasks about desktop, indoor and outdoor videos, five options.

`qa.parquet` (any `*.parquet` of the folder): `ID`, `Video`, `Source`, `Scene`, `Task`, `Question`,
`Candidates` (letter to text, as JSON text or object), `Answer` (a letter), `time_start`,
`time_end` (seconds). The processed `qa_processed.json` has `id`, `video`, `task`, `question`,
`options` (a list), `answer`. Videos are in `video/`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import scan_table
from p4d.categories import STATIC
from p4d.errors import ContractError
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
from p4d.evaluation.benchmarks.published_rules import lettered, mean, mean_of_items, right_letter
from p4d.foreign_json import parse_foreign_json

JSON_FILE = "qa_processed.json"
TASKS = (
    "Dimensional Measurement",
    "Spatial Relation",
    "3D Video Grounding",
    "Displacement & Path Length",
    "Speed & Acceleration",
    "Ego-Centric Orientation",
    "Trajectory Description",
    "Pose Estimation",
)
_COLUMNS = {"Video", "Task", "Question", "Candidates", "Answer"}
_NAMED_LETTERS = (
    r"\(([A-E])\)",
    r"Ans\s*=\s*['\"]?([A-E])",
    r"Answer\s*[:=]\s*([A-E])",
    r"Option\s+([A-E])",
    r"\b([A-E])\s*(?:is|was)\s*correct",
    r"\b([A-E])[.)]\s*$",
)


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return (folder / JSON_FILE).is_file() or _parquet(folder) is not None


def _parquet(folder: Path) -> Path | None:
    for path in sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")]):
        try:
            # A pipe of that name would wait for its writer.
            if path.is_file() and set(scan_table(path).collect_schema()) >= _COLUMNS:
                return path
        except (OSError, pl.exceptions.PolarsError):
            continue
    return None


def read(folder: Path) -> Benchmark:
    """Read the questions and find the videos.

    Raises:
        ContractError: the folder holds no file of the benchmark.
    """
    path = _parquet(folder) or folder / JSON_FILE
    if not path.is_file():
        raise ContractError(f"{folder} holds no STI-Bench: expected a parquet file or {JSON_FILE}")
    records: list[Record] = [
        {**record, "number": number} if isinstance(record, dict) else record
        for number, record in enumerate(fields.records_of(path))
    ]

    def identify(record: Record) -> str:
        return fields.text(fields.first(record, "ID", "id", "number"))

    def item(item_id: str, record: Record) -> BenchmarkItem:
        task = _known(fields.text(fields.first(record, "Task", "task")))
        name = fields.text(fields.first(record, "Video", "video"))
        options = _options(record)
        start_ns, end_ns = fields.trim_ns(record)
        return BenchmarkItem(
            item_id=item_id,
            category=task,
            dynamic=task not in STATIC,
            kind="mcq",
            question=fields.text(fields.first(record, "Question", "question")),
            options=options,
            answer_index=fields.answer_index(options, fields.first(record, "Answer", "answer")),
            video=fields.media(folder, f"video/{name}", name, f"videos/{name}"),
            group=name,
            start_ns=start_ns,
            end_ns=end_ns,
            subset=_scene(record, name),
        )

    items, rejected = read_items(records, identify, item)
    return Benchmark(name="sti-bench", folder=folder, items=items, rejected=rejected, rules=RULES)


def _scene(record: Record, video: str) -> str:
    """Return the scene, by the name of the video if the record does not name it."""
    named = record.get("Scene") or record.get("scene")
    if named:
        return fields.text(named)
    stem = video.split(".")[0]
    if "camera" in video:
        return "outdoor"
    if video.startswith("scene"):
        return "indoor"
    return "desktop" if stem.isdigit() and len(stem) == 6 else "unknown"


def _known(task: str) -> str:
    """Return the task's canonical name; the files differ in capitals and blanks."""
    for name in TASKS:
        if _folded(name) == _folded(task):
            return name
    raise ItemError(f"task {task!r} is none of {list(TASKS)}")


def _folded(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _options(record: Record) -> tuple[str, ...]:
    candidates: Any = fields.first(record, "Candidates", "options")
    if isinstance(candidates, str):
        try:
            candidates = parse_foreign_json(candidates, "Candidates")
        except ContractError as error:
            raise ItemError(f"Candidates are not JSON: {candidates[:200]!r}") from error
    if isinstance(candidates, dict):
        # Columns of a struct hold null for letters that a question does not offer.
        candidates = {letter: text for letter, text in candidates.items() if text is not None}
    return fields.options(fields.by_letter(candidates))


def prompt(item: BenchmarkItem) -> str:
    """Return the prompt of the benchmark's own script: span, question, lettered options."""
    span = ""
    if item.start_ns is not None and item.end_ns is not None:
        span = f"From {item.start_ns / 1e9} s to {item.end_ns / 1e9} s. "
    return "\n".join(
        [
            span + item.question,
            *lettered(item.options, "({letter}) {text}"),
            "Please output only the option letter!",
        ]
    )


def score(item: BenchmarkItem, text: str) -> float:
    """Return 1 if the reply is read as the correct letter, else 0.

    Six patterns that name a letter are tried in turn, in any case, anywhere in the text; without
    one, the last character of the reply counts, in capitals only.
    """
    for pattern in _NAMED_LETTERS:
        found = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
        if found:
            return float(found.group(1).upper() == right_letter(item))
    return float(text.strip()[-1:] == right_letter(item))


def overall(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the mean over items, over the items of each task, and of each scene."""
    scenes: dict[str, list[float]] = {}
    for row in rows:
        scenes.setdefault(row.item.subset or "unknown", []).append(row.score)
    return {
        **mean_of_items(rows),
        **{f"scene {name}": mean(scenes[name]) for name in sorted(scenes)},
    }


RULES = PublishedRules(
    script="STI-Bench, opensource_test.py",
    prompt=prompt,
    frames=30,
    max_new_tokens=512,
    score=score,
    overall=overall,
    remarks="frames are sampled at equal steps, not at the rate that yields at most 30 of them",
)
