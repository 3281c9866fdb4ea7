"""VSTI-Bench (VLM-3R): camera and object questions about indoor scans, some numeric.

Parquet, JSON lines or JSON files, recognised by their fields: records with `id`, `dataset`,
`scene_name`, `question_type`, `question`, `options` (texts that start with their letter, or null),
`ground_truth` (the text or number), `mc_answer` (the letter, for choices) and `video_path`. All
files of the folder are read; if some are named after the test split, only those.

The published score is the mean over the types that occur, choices by accuracy and numbers by mean
relative accuracy.
"""

from __future__ import annotations

from dataclasses import replace
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
    first_word_score,
    frames_prompt,
    mean_of_types,
    types_overall,
)

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


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return bool(_files(folder))


def _files(folder: Path) -> list[Path]:
    return fields.files_with(folder, {"question_type", "video_path"})


def read(folder: Path) -> Benchmark:
    """Read the questions and find the videos.

    Raises:
        ContractError: no file in the folder has the benchmark's fields, or two files hold the
            same id.
    """
    files = _files(folder)
    if not files:
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
            answer_value = fields.positive(fields.first(record, "ground_truth"))
            return replace(base, answer_value=answer_value)
        if kind not in CHOICE_TYPES:
            raise ItemError(f"question_type {kind!r} is none of {[*CHOICE_TYPES, *NUMERIC_TYPES]}")
        options = fields.lettered_options(fields.first(record, "options"))
        answer = record.get("mc_answer")
        if answer is None:
            answer = fields.without_letter(fields.text(fields.first(record, "ground_truth")))
        index = fields.answer_index(options, answer)
        return replace(base, kind="mcq", options=options, answer_index=index)

    records = fields.distinct_records(files, identify)
    items, rejected = read_items(records, identify, item)
    return Benchmark(name="vsti-bench", folder=folder, items=items, rejected=rejected, rules=RULES)


RULES = PublishedRules(
    script="VSTI-Bench, lmms_eval/tasks/vstibench of VLM-3R",
    prompt=frames_prompt,
    frames=32,
    max_new_tokens=16,
    score=first_word_score,
    overall=types_overall,
    of_types=mean_of_types,
)
