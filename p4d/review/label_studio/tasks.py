"""Writes questions as tasks of Label Studio, with the labeling interface and the media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from p4d.artifacts import read_table, write_bytes, write_json
from p4d.drawing import png
from p4d.errors import ContractError
from p4d.ids import content_id
from p4d.review.items import (
    Item,
    clip_mp4,
    fact_text,
    read_items,
    release_id,
    sample_questions,
    without_bound,
)
from p4d.review.verdicts import LETTERS

INTERFACE = Path(__file__).with_name("interface.xml")

STEPS = """\
# Review batch {batch}

{count} questions of {release}. To review them in Label Studio (`pip install label-studio`, in an
environment of its own):

    export LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
    export LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}
    label-studio start

1. Create a project; under Labeling Setup, Custom template, paste `config.xml`.
2. Settings, Cloud Storage, Add Source Storage, Local files: the path of `media/` here. Save; do not
   sync. This only allows the server to show these files.
3. Import `tasks.json`. Under Settings, Annotation, let predictions be used to prelabel tasks.
4. When done: Export, JSON. Then `p4d review import EXPORT.json`.
"""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One export.

    Attributes:
        batch: its id; the file of its verdicts is named after it.
        questions: how many tasks.
        folder: where the export is.
        left_out: questions about videos whose terms bind their pictures to this project.
    """

    batch: str
    questions: int
    folder: Path
    left_out: int


def export_tasks(
    release: Path,
    folder: Path,
    *,
    sample: int | None = None,
    media_url: str | None = None,
    bound: bool = False,
) -> Exported:
    """Write a review batch to `folder`.

    Args:
        release: folder of a release, beside the folders of the stages it was made from.
        folder: new or empty.
        sample: how many questions, families in turn; None for all.
        media_url: prefix of the file names of media in tasks; the default fits Label Studio's
            local file serving with the parent of `folder` as document root.
        bound: also questions about videos whose terms forbid that others get their pictures.

    Raises:
        ContractError: there is no release, no question may be shown, or `folder` is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ContractError(f"{folder} is not empty; name a new folder for the batch")
    release_name = release_id(release)
    asked = read_table(release / "questions.parquet")
    free = asked if bound else without_bound(asked, release)
    questions = sample_questions(free, sample)
    batch = content_id("review", release_name, questions["qa_id"].sort().to_list())
    # The name stands in a query: "#", "&" and "+" would end or change it.
    name = quote(folder.resolve().name, safe="")
    url = media_url or f"/data/local-files/?d={name}/media/"
    tasks, drawn = [], set[str]()
    for item in read_items(release, questions):
        clip_id = item.row["clip_id"]
        if clip_id not in drawn:
            drawn.add(clip_id)
            write_bytes(folder / "media" / f"{clip_id}.png", png(item.marks_hw3))
            write_bytes(folder / "media" / f"{clip_id}.mp4", clip_mp4(item.rgb_thw3, item.length_s))
        tasks.append(_task(item, batch, release_name, url))
    write_json(folder / "tasks.json", tasks)
    write_bytes(folder / "config.xml", INTERFACE.read_bytes())
    steps = STEPS.format(
        batch=batch, count=len(tasks), release=release_name, root=folder.resolve().parent
    )
    write_bytes(folder / "README.md", steps.encode())
    left_out = len(asked) - len(free)
    return Exported(batch=batch, questions=len(tasks), folder=folder, left_out=left_out)


def _task(item: Item, batch: str, release: str, url: str) -> dict[str, Any]:
    row = item.row
    options = [f"{letter}. {text}" for letter, text in zip(LETTERS, row["options"], strict=False)]
    seen = {
        "qa_id": row["qa_id"],
        "question": row["question"],
        "options": [{"value": option} for option in options],
        "answer": row["answer"],
    }
    data = {
        **seen,
        "seen": seen_id(seen),
        "batch": batch,
        "release": release,
        "clip_id": row["clip_id"],
        "category": row["category"],
        "family": row["family"],
        "facts": "\n".join(str(fact_text(fact, item.marks)) for fact in item.facts),
        "marks_shown": item.marks_shown,
        "marks": f"{url}{row['clip_id']}.png",
        "clip": f"{url}{row['clip_id']}.mp4",
    }
    prefilled = {
        "from_name": "answer",
        "to_name": "question",
        "type": "choices",
        "value": {"choices": [options[row["answer_index"]]]},
    }
    return {"data": data, "predictions": [{"model_version": release, "result": [prefilled]}]}


def seen_id(data: Mapping[str, Any]) -> str:
    """Hash of what an annotator saw of a question."""
    return content_id("seen", *(data[key] for key in ("qa_id", "question", "options", "answer")))
