"""Which teacher counts for which modality of a clip: `labels.sources`, as the labels recorded it.

`teachers.json` beside the labels holds the order of the teachers by modality, and settings, digests
and sigmas of each. It is written if a shard was labelled by anything but the expert and exact
truth, or with other sources than the expert; without it the expert counts for everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from p4d.artifacts import read_json, read_table, write_json
from p4d.config import LabelsParams
from p4d.errors import LabelError
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.protocol import Teacher

RECORD = "teachers.json"
ARRAY_OF: Mapping[str, str] = {
    "depth": "depth_thw",
    "flow": "flow_px_thw2",
    "motion": "motion_thw",
    "camera": "world_T_cam_t44",
}
"""The array that shows whether a label has a modality."""

_EXPERT_ALONE = {modality: ["expert4d"] for modality in ARRAY_OF}


def write_record(folder: Path, params: LabelsParams, teachers: Sequence[Teacher]) -> None:
    """Write `teachers.json`, unless it would say what its absence says."""
    sources = {modality: list(params.sources[modality]) for modality in ARRAY_OF}
    if sources == _EXPERT_ALONE and not set(params.teachers) & set(params.settings):
        return
    described = {
        teacher.name: {
            "digest": teacher.digest,
            "gives": sorted(params.gives(teacher.name)),
            "settings": asdict(params.settings[teacher.name])
            if teacher.name in params.settings
            else {},
            "files": dict(sorted(getattr(teacher, "file_digests", {}).items())),
            "sigma": dict(sorted(getattr(teacher, "sigma", {}).items())),
        }
        for teacher in teachers
    }
    write_json(folder / RECORD, {"sources": sources, "teachers": described})


class LabelSources:
    """The labels of one shard, by modality."""

    def __init__(self, folder: Path) -> None:
        """Open the record of the labels in `folder`; tables and arrays are read when asked for."""
        self._folder = folder
        record = read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
        self._order: Mapping[str, Sequence[str]] = record.get("sources", _EXPERT_ALONE)
        self._described: Mapping[str, Mapping[str, Any]] = record.get("teachers", {})

    @cached_property
    def store(self) -> LabelStore:
        """The arrays."""
        return LabelStore(self._folder)

    @cached_property
    def _rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        index = self._folder / "index.parquet"
        rows = read_table(index).to_dicts() if index.is_file() else []
        return {(row["clip_id"], row["teacher"]): row for row in rows}

    def order(self, modality: str) -> tuple[str, ...]:
        """Teachers of a modality, the one that counts first."""
        return tuple(self._order[modality])

    def teacher_of(self, clip_id: str, modality: str) -> str | None:
        """The first teacher that has the modality of a clip; None if there is none."""
        return next(
            (
                teacher
                for teacher in self._order[modality]
                if self._rows.get((clip_id, teacher), {}).get("outcome") == "ok"
                and self.store.has(clip_id, teacher, ARRAY_OF[modality])
            ),
            None,
        )

    def needed(self, clip_id: str, modality: str) -> str:
        """As `teacher_of`.

        Raises:
            LabelError: no teacher has it.
        """
        found = self.teacher_of(clip_id, modality)
        if found is None:
            names = " or ".join(self._order[modality])
            raise LabelError(f"{clip_id}: no {names} label of {modality}; see labels/index.parquet")
        return found

    def row(self, clip_id: str, teacher: str) -> dict[str, Any]:
        """The row of `index.parquet`."""
        return self._rows[(clip_id, teacher)]

    def is_planar(self, clip_id: str, teacher: str) -> bool:
        """Whether a teacher's depth is depth, and not inverse depth up to an unknown scale."""
        row = self._rows.get((clip_id, teacher), {})
        return str(row.get("depth_kind", "z")) == "z"

    def map_px(self, clip_id: str, teacher: str) -> int:
        """Side of the maps of a label."""
        if self.store.has(clip_id, teacher, "depth_thw"):
            return int(self.store.shape(clip_id, teacher, "depth_thw")[1])
        return int(self._rows[(clip_id, teacher)]["map_px"])

    def settings(self, teacher: str) -> Mapping[str, Any]:
        """The settings of a teacher, as they were when it labelled; empty for the built-in ones."""
        found: Mapping[str, Any] = self._described.get(teacher, {}).get("settings", {})
        return found

    def files(self, teacher: str) -> Mapping[str, str]:
        """SHA-256 by name of the files that a teacher was loaded from."""
        found: Mapping[str, str] = self._described.get(teacher, {}).get("files", {})
        return found

    def sigma(self, teacher: str, modality: str) -> float | None:
        """The error of a teacher's modality that was recorded; None: see the reader's own."""
        found = self._described.get(teacher, {}).get("sigma", {}).get(modality)
        return None if found is None else float(found)
