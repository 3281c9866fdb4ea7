"""VSTI-Bench (VLM-3R): camera and object questions about indoor scans, some numeric.

One Parquet, JSON lines or JSON file, recognised by its fields: records with `id`, `dataset`,
`scene_name`, `question_type`, `question`, `options` (texts that start with their letter, or null),
`ground_truth` (the text or number), `mc_answer` (the letter, for choices) and `video_path`.
Numeric types are scored by mean relative accuracy.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from p4d.errors import ContractError
from p4d.evaluation.benchmarks import fields
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem, ItemError, Record, read_items
from p4d.evaluation.benchmarks.published_rules import LMMS_EVAL

NUMERIC_TYPES = ("camera_obj_abs_dist", "camera_displacement")
CHOICE_TYPES = (
    "camera_movement_direction",
    "camera_obj_rel_dist_v1",
    "camera_obj_rel_dist_v2",
    "camera_obj_rel_dist_v3",
    "obj_obj_relative_pos_lr",
    "obj_obj_relative_pos_nf",
    "obj_obj_relative_pos_ud",
)
# One frame decides these; the others need the camera's trajectory.
_STATIC_TYPES = ("obj_obj_relative_pos_lr", "obj_obj_relative_pos_nf", "obj_obj_relative_pos_ud")
SUBTASKS = ("camera_obj_rel_dist", "obj_obj_relative_pos")
"""Prefixes of types whose variants are averaged before the mean over types."""

_LETTERED = re.compile(r"^\(?([A-E])[.):]\s+")


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return _path(folder) is not None


def _path(folder: Path) -> Path | None:
    patterns = ("*.parquet", "data/*.parquet", "*.jsonl", "*.json")
    for path in [found for pattern in patterns for found in sorted(folder.glob(pattern))]:
        try:
            records = fields.records_of(path)
        except ContractError:
            continue
        first = records[0] if records else None
        if isinstance(first, dict) and {"question_type", "video_path"} <= set(first):
            return path
    return None


def read(folder: Path) -> Benchmark:
    """Read the questions and find the videos.

    Raises:
        ContractError: no file in the folder has the benchmark's fields.
    """
    path = _path(folder)
    if path is None:
        raise ContractError(
            f"{folder} holds no VSTI-Bench: expected a parquet or JSON file with question_type and "
            "video_path"
        )

    def identify(record: Record) -> str:
        return fields.text(fields.first(record, "id"))

    def item(item_id: str, record: Record) -> BenchmarkItem:
        kind = fields.text(fields.first(record, "question_type"))
        name = fields.text(fields.first(record, "video_path"))
        base = BenchmarkItem(
            item_id=item_id,
            category=kind,
            dynamic=kind not in _STATIC_TYPES,
            kind="numeric",
            question=fields.text(fields.first(record, "question")),
            video=fields.media(folder, name, f"videos/{name}", Path(name).name),
            group=fields.text(record.get("scene_name") or name),
        )
        if kind in NUMERIC_TYPES:
            value = fields.number(fields.first(record, "ground_truth"))
            if value <= 0:
                raise ItemError(f"relative accuracy needs a positive answer, got {value:g}")
            return replace(base, answer_value=value)
        if kind not in CHOICE_TYPES:
            raise ItemError(f"question_type {kind!r} is none of {[*CHOICE_TYPES, *NUMERIC_TYPES]}")
        options = fields.options(fields.first(record, "options"))
        bare = tuple(_LETTERED.sub("", option) for option in options)
        answer = record.get("mc_answer")
        if answer is None:
            answer = _LETTERED.sub("", fields.text(fields.first(record, "ground_truth")))
        index = fields.answer_index(bare, answer)
        return replace(base, kind="mcq", options=bare, answer_index=index)

    items, rejected = read_items(fields.records_of(path), identify, item)
    return Benchmark(
        name="vsti-bench", folder=folder, items=items, rejected=rejected, rules=LMMS_EVAL
    )
