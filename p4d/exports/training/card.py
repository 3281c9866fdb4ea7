"""The card of an exported folder: Hugging Face's YAML header, then the card of the release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from p4d.splits import SPLITS

HUB_SPLIT = {"train": "train", "val": "validation", "test": "test"}
_HUB_LICENCES = frozenset(
    {"apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
    | {"cc-by-nc-sa-4.0", "cc-by-nd-4.0", "bsd-3-clause", "odc-by"}
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What the card of an export states.

    Attributes:
        export_id, release_id: of the export and of its release.
        rows: number of rows per split that has any.
        licences: of the source videos of the rows, as stated when they landed.
        held_out_answers: whether rows of the test split have their answers.
        size_px: longer side of pictures; 0: that of the source.
        fps: pictures per second of the clips, if it is one for all.
        recipes: number of rows that went out as recipes.
        release_card: `card.md` of the release.
    """

    export_id: str
    release_id: str
    rows: Mapping[str, int]
    licences: Counter[str]
    held_out_answers: bool
    size_px: int
    fps: float | None
    recipes: int
    release_card: str


def card(facts: CardFacts) -> str:
    """The text of `README.md`."""
    header = yaml.safe_dump(_header(facts), sort_keys=False, allow_unicode=True)
    body = facts.release_card.replace("# Release ", "# p4d release ", 1)
    return f"---\n{header}---\n\n{body}\n{_about(facts)}"


def _header(facts: CardFacts) -> dict[str, Any]:
    licences = sorted(facts.licences)
    known = len(licences) == 1 and licences[0].lower() in _HUB_LICENCES
    licence: dict[str, Any] = (
        {"license": licences[0].lower()}
        if known
        else {"license": "other", "license_name": "see-licences-of-the-sources"}
    )
    total = sum(facts.rows.values())
    sizes = next((name for limit, name in _SIZES if total < limit), "1M<n<10M")
    questions = [
        {"split": HUB_SPLIT[split], "path": f"{split}.jsonl"}
        for split in SPLITS
        if facts.rows.get(split)
    ]
    return {
        **licence,
        "pretty_name": f"p4d {facts.release_id}",
        "language": ["en"],
        "task_categories": ["visual-question-answering", "video-text-to-text"],
        "size_categories": [sizes],
        "tags": ["video", "4d", "region-level", "multiple-choice", "croissant", "p4d"],
        "configs": [{"config_name": "questions", "default": True, "data_files": questions}],
    }


def _about(facts: CardFacts) -> str:
    stated = ", ".join(f"{name} ({count} videos)" for name, count in sorted(facts.licences.items()))
    size = f"{facts.size_px} px on the longer side" if facts.size_px else "the source's size"
    rate = f"at {facts.fps:g} pictures per second" if facts.fps else "at its own constant rate"
    lines = [
        "## This folder",
        "",
        f"Export `{facts.export_id}` of release `{facts.release_id}`. Every clip is written "
        f"{rate}, at {size}, from frames of the source; `frames_pts_s` holds their true times. "
        "The marked picture comes first, then the video. `facts` lists what an answer follows "
        "from, with unit and sigma; `regions` and `regions.parquet` hold masks as COCO run "
        "lengths.",
        "",
        _held_out(facts),
        "",
        f"Licences of the source videos, as stated when they landed: {stated or 'none'}.",
    ]
    if facts.recipes:
        lines += [
            "",
            f"The terms of some sources forbid copies of their pictures: {facts.recipes} questions "
            "about them are in `recipes/` with ids, source and frame numbers alone.",
        ]
    return "\n".join([*lines, ""])


def _held_out(facts: CardFacts) -> str:
    if facts.held_out_answers:
        return (
            "The test split is held out, and its answers are in this folder. Do not train on it, "
            "and do not publish this folder beside the benchmark."
        )
    return (
        "The test split is held out: its rows have neither answers, nor facts, nor tracks of "
        "regions. The owner of the project has them."
    )
