"""VSI-Bench (arXiv 2412.14171): spaces seen in videos of indoor scans, some questions numeric.

`test.jsonl` (or a parquet or JSON file with its fields): records with `id`, `dataset`,
`scene_name`, `question_type`, `question`, `options` (texts that start with their letter, or null)
and `ground_truth` (the letter, or the number). Videos are at `DATASET/SCENE_NAME.mp4`.

The debiased benchmark is the part of the questions that is left when those that can be guessed are
removed. A record is outside of it if its field `pruned` is true, or if `pruned_ids.txt` lists its
id; if neither is there, only the full benchmark is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from p4d.evaluation.benchmarks.published_rules import (
    by_category,
    first_word_score,
    frames_prompt,
    mean,
)

DIRECTIONS = tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard"))
CHOICE_TYPES = (*DIRECTIONS, "object_rel_distance", "route_planning", "obj_appearance_order")
NUMERIC_TYPES = (
    "object_abs_distance",
    "object_counting",
    "object_size_estimation",
    "room_size_estimation",
)
PRUNED_IDS = "pruned_ids.txt"
DEBIASED, PRUNED = "debiased", "pruned"
_FIELDS = {"dataset", "scene_name", "question_type", "ground_truth"}


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark; VSTI-Bench has `video_path` besides."""
    return bool(_files(folder))


def _files(folder: Path) -> list[Path]:
    found = fields.files_with(folder, _FIELDS)
    plain = [path for path in found if "video_path" not in fields.records_of(path)[0]]
    # The debiased questions are also published as a file of their own: the full file holds them.
    whole = [path for path in plain if DEBIASED not in path.name and PRUNED not in path.name]
    return whole or plain


def read(folder: Path) -> Benchmark:
    """Read the questions and find the videos.

    Raises:
        ContractError: no file in the folder has the benchmark's fields, or two files hold the same
            id.
    """
    files = _files(folder)
    if not files:
        raise ContractError(f"{folder} holds no VSI-Bench: expected test.jsonl")
    pruned = _pruned_ids(folder)

    def identify(record: Record) -> str:
        return fields.text(fields.first(record, "id"))

    def item(item_id: str, record: Record) -> BenchmarkItem:
        kind = fields.text(fields.first(record, "question_type"))
        scene = fields.text(fields.first(record, "scene_name"))
        name = f"{fields.text(fields.first(record, 'dataset'))}/{scene}.mp4"
        base = BenchmarkItem(
            item_id=item_id,
            category=kind,
            dynamic=None,
            kind="numeric",
            question=fields.text(fields.first(record, "question")),
            video=fields.media(folder, name, f"videos/{name}"),
            group=scene,
            subset=_subset(record, item_id, pruned),
        )
        if kind in NUMERIC_TYPES:
            answer_value = fields.positive(fields.first(record, "ground_truth"))
            return replace(base, answer_value=answer_value)
        if kind not in CHOICE_TYPES:
            raise ItemError(f"question_type {kind!r} is none of {[*CHOICE_TYPES, *NUMERIC_TYPES]}")
        options = fields.lettered_options(fields.first(record, "options"))
        index = fields.answer_index(options, fields.first(record, "ground_truth"))
        return replace(base, kind="mcq", options=options, answer_index=index)

    items, rejected = read_items(fields.distinct_records(files, identify), identify, item)
    return Benchmark(name="vsi-bench", folder=folder, items=items, rejected=rejected, rules=RULES)


def _pruned_ids(folder: Path) -> frozenset[str] | None:
    path = folder / PRUNED_IDS
    return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else None


def _subset(record: Record, item_id: str, pruned: frozenset[str] | None) -> str | None:
    if isinstance(record.get("pruned"), bool):
        return PRUNED if record["pruned"] else DEBIASED
    if pruned is None:
        return None
    return PRUNED if item_id in pruned else DEBIASED


def of_types(means: Mapping[str, Any]) -> Any:  # noqa: ANN401 - numbers, or arrays of a bootstrap
    """Return the mean over types, with the three levels of direction as one type."""
    return mean(list(_merged(means).values()))


def _merged(means: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in means.items() if name not in DIRECTIONS}
    levels = [means[name] for name in DIRECTIONS if name in means]
    if levels:
        # The script divides by three even if a level does not occur.
        merged["object_rel_direction"] = sum(levels) / len(DIRECTIONS)
    return merged


def overall(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the mean over types and each type; `debiased` is that of the debiased part."""
    means = by_category(rows)
    kept = [row for row in rows if row.item.subset == DEBIASED]
    debiased = {DEBIASED: of_types(by_category(kept))} if kept else {}
    return {"overall": of_types(means), **debiased, **_merged(means)}


RULES = PublishedRules(
    script="VSI-Bench, lmms_eval/tasks/vsibench of thinking-in-space",
    prompt=frames_prompt,
    frames=32,
    max_new_tokens=16,
    score=first_word_score,
    overall=overall,
    of_types=of_types,
)
