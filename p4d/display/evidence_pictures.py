"""Pictures for the audit page, drawn from the recorded bytes of the versions that it is about.

Nothing of the current state is read: a page about a superseded version shows what that version was.
Versions whose bytes are gone have no picture.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from p4d.artifacts import Arrays
from p4d.audit.evidence import AuditEvidence, VersionEvidence
from p4d.audit.page.report import Picture
from p4d.display.charts import accuracy_by_category
from p4d.drawing import png

_ENLARGED_PX = 320
"""The least side of a marked frame on the page."""

_OF_ACCURACY = ("by_category.csv", "metrics.json")
_MARKS = "marks.safetensors"


def evidence_pictures(evidence: AuditEvidence) -> list[Picture]:
    """The accuracies of the evaluations, and the marked frame of the clip that a row is about."""
    return [*_accuracies(evidence), *_marked_frame(evidence)]


def _accuracies(evidence: AuditEvidence) -> Iterator[Picture]:
    for entry in evidence.entries:
        if entry.stage != "evaluation":
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "evaluation"
            found = [_restored(entry, name, folder) for name in _OF_ACCURACY]
            if found[0] is not None:
                caption = f"Accuracy of the arms, {entry.key} md5:{entry.md5[:12]}"
                yield Picture(caption, accuracy_by_category({"evaluation": folder}))


def _marked_frame(evidence: AuditEvidence) -> Iterator[Picture]:
    clip_id = evidence.tree.detail.get("clip_id")
    for entry in evidence.entries if clip_id else ():
        if entry.stage != "regions":
            continue
        with tempfile.TemporaryDirectory() as scratch:
            path = _restored(entry, _MARKS, Path(scratch))
            name = f"{clip_id}.marks_hw3"
            if path is None or name not in (arrays := Arrays(path)):
                continue
            frame = np.array(arrays[name])
        times = max(1, -(-_ENLARGED_PX // frame.shape[0]))
        enlarged = frame.repeat(times, axis=0).repeat(times, axis=1)
        caption = f"First frame of {clip_id} with its marks, {entry.key} md5:{entry.md5[:12]}"
        yield Picture(caption, png(enlarged))


def _restored(entry: VersionEvidence, name: str, folder: Path) -> Path | None:
    """A file of a version under its name, from the cache; None if it is not there."""
    place = next((file.object for file in entry.files if file.path == name), None)
    if place is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(place, folder / name))
