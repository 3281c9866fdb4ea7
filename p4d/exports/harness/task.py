"""Writes the folder of one lmms-eval task: YAML, questions, and the functions that it calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p4d.artifacts import write_bytes, write_json
from p4d.exports.harness import lmms_utils

QUESTIONS, ANSWERS = "questions.jsonl", "answers.json"
COLUMNS = ("id", "category", "prompt", "options", "images", "videos")
METRICS = {
    "p4d_accuracy": "accuracy",
    "p4d_categories": "category_mean",
    "p4d_exchange": "exchange_groups",
}


def write_task(
    folder: Path,
    name: str,
    questions: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]] | None,
    *,
    version: str,
) -> None:
    """Write `folder`/lmms_eval/`name`.

    Args:
        folder: media of the questions are relative to it.
        name: of the task; ids of one lmms-eval are unique.
        questions: rows with the columns of `COLUMNS`.
        answers: `answer` and `exchange_group` by id; None: they are kept elsewhere.
        version: of the data, for lmms-eval's own report.
    """
    task = folder / "lmms_eval" / name
    lines = [json.dumps({c: row[c] for c in COLUMNS}, ensure_ascii=False) for row in questions]
    write_bytes(task / QUESTIONS, "".join(f"{line}\n" for line in lines).encode())
    if answers is not None:
        write_json(task / ANSWERS, dict(answers))
    write_bytes(task / f"{name}.yaml", _yaml(name, version).encode())
    shutil.copyfile(lmms_utils.__file__, task / "utils.py")


def _yaml(name: str, version: str) -> str:
    """The task's YAML; written as text, because `!function` is a tag of lmms-eval alone."""
    metrics = "".join(
        f"  - metric: {metric}\n"
        f"    aggregation: !function utils.{function}\n"
        "    higher_is_better: true\n"
        for metric, function in METRICS.items()
    )
    return f"""dataset_path: json
dataset_kwargs:
  data_files:
    test: {QUESTIONS}
task: {name}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_messages: !function utils.doc_to_messages
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: 16
  temperature: 0
  do_sample: false
metric_list:
{metrics}lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: ""
metadata:
  version: {version}
"""
