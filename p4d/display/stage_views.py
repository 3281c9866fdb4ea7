"""The picture and the table of each stage on its page in the Dagster UI: the one list of them.

A stage without an entry shows numbers only. Both are drawn from published folders; neither is an
artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import polars as pl

from p4d.display import charts, label_maps, previews, question_sheet, tables
from p4d.drawing import webp

Folders = Mapping[str, Path]
Table: TypeAlias = pl.DataFrame

PICTURES: Mapping[str, Callable[[Folders], bytes]] = {
    "clips": partial(previews.clips_sheet, encode=webp),
    "expert": charts.training_curve,
    "labels": partial(label_maps.labels_sheet, encode=webp),
    "regions": partial(previews.regions_sheet, encode=webp),
    "questions": partial(question_sheet.question_sheet, encode=webp),
    "student_sft": charts.training_curve,
    "student_p4d": charts.student_probes,
    "student_blind": charts.training_curve,
    "evaluation": charts.accuracy_by_category,
    "champion": charts.accuracy_by_category,
}
"""Draws a picture from `{stage name: folder}` of a stage and its inputs, the stage itself last: a
PNG, of a shard a WebP."""

TABLES: Mapping[str, Callable[[Folders], Table]] = {
    "videos": tables.landed_files,
    "expert": tables.expert_card,
    "labels": tables.label_quality,
    "questions": tables.question_counts,
    "release": tables.release_counts,
    "evaluation": tables.accuracies,
    "champion": tables.decision,
}
"""Makes a small table from the same folders."""
