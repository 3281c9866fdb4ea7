"""What the page of an asset shows before any run: owner, kinds, files, columns, code.

Columns come from the headers of sql/staging, which tests/sql compares with the rows that each view
returns. What a run adds is in `dagster_project.metadata`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from p4d.explore.links import page_of_artifact
from p4d.pipeline import Stage
from p4d.sql_files import SqlFile, sql_files
from p4d.versioning.files.artifact_key import ArtifactKey

_MAIN_VIEW: Mapping[str, str] = {
    "videos": "stg_videos",
    "clips": "stg_clips",
    "labels": "stg_labels",
    "regions": "stg_regions",
    "facts": "stg_facts",
    "questions": "stg_questions",
    "release": "stg_release_questions",
    "external": "stg_external_rows",
    "mixture": "stg_mixture_rows",
    "evaluation": "stg_predictions",
    "champion": "stg_decisions",
}
"""By stage, the view of the table that stands for the asset: its columns and its row count."""

# At most three are shown, and DVC is one of them.
_KINDS: Mapping[str, tuple[str, str]] = {
    "videos": ("ffmpeg", "parquet"),
    "clips": ("numpy", "parquet"),
    "expert_worlds": ("mujoco", "parquet"),
    "expert": ("pytorch", "safetensors"),
    "labels": ("pytorch", "parquet"),
    "regions": ("numpy", "parquet"),
    "facts": ("numpy", "parquet"),
    "questions": ("polars", "parquet"),
    "release": ("polars", "parquet"),
    "external": ("ffmpeg", "parquet"),
    "mixture": ("polars", "parquet"),
    "base_student": ("huggingface", "safetensors"),
    "student_sft": ("huggingface", "pytorch"),
    "student_p4d": ("huggingface", "pytorch"),
    "student_blind": ("huggingface", "pytorch"),
    "evaluation": ("pytorch", "parquet"),
    "champion": ("python", "json"),
}


_GROUPS: Mapping[str, str] = {
    "ingest": "1_videos",
    "teacher": "2_labels",
    "labels": "2_labels",
    "questions": "3_questions",
    "release": "3_questions",
    "students": "4_models",
    "evaluation": "4_models",
}
"""By part of the pipeline, the group in the UI.

Dagster sorts groups by name. It opens the graph with closed groups, fitted to the width, and draws
their states only above a scale of 0.6: on a screen of 1600 px that is four groups in a row.
"""

_DOCS: Mapping[str, str] = {
    "ingest": "docs/states.md",
    "teacher": "p4d/geometry/CONVENTIONS.md",
    "labels": "p4d/geometry/CONVENTIONS.md",
    "questions": "docs/questions.md",
    "release": "docs/questions.md",
    "students": "docs/training.md",
    "evaluation": "docs/audit.md",
}
"""By part of the pipeline, the document to read first."""

_DOCS_OF_STAGE: Mapping[str, str] = {
    "external": "docs/external_questions.md",
    "mixture": "docs/external_questions.md",
}
"""The same by stage, where its part has another subject."""

_LOOK: Mapping[str, str] = {
    "videos": "`p4d explore` plays them; `p4d sql rejects` lists what was left out",
    "clips": "`p4d explore` plays each clip",
    "labels": "`p4d explore` plays depth, flow and motion beside the video; "
    "`p4d sql label_quality`",
    "regions": "`p4d explore` shows the marks of each clip",
    "facts": "`p4d explore` draws the facts of each clip over time",
    "questions": "`p4d explore` has all of them, with the refused ones; "
    "`p4d review gallery questions.html` writes 60 of a release into one page",
    "external": "`p4d why external`; `p4d sql external_sets`; `sets.json` in its folder",
    "mixture": "`p4d why mixture`; `mixture.json` in its folder",
    "release": "`p4d why release`; `p4d review gallery questions.html`; card.md in its folder",
    "student_sft": "`p4d why student_sft`; `dvc plots show`",
    "student_p4d": "`p4d why student_p4d`; `dvc plots show`",
    "student_blind": "`p4d why student_blind`; `dvc plots show`",
    "evaluation": "`p4d audit report evaluation -o evaluation.html`; `dvc plots show`",
    "champion": "`p4d champion`; `p4d why champion`",
}
"""By stage, where to see all of what the page of the asset shows a part of."""


def group_of(part: str) -> str:
    """The group in the UI of a part of the pipeline (`Stage.group`)."""
    return _GROUPS.get(part, part)


def tags(stage: Stage) -> dict[str, str]:
    """What to select assets by: `tag:p4d/unit=shard`, `tag:p4d/job=retrain`."""
    if stage.per_shard:
        return {"p4d/unit": "shard", "p4d/job": "label_backfill"}
    return {
        "p4d/unit": "project",
        "p4d/job": "train_expert" if stage.group == "teacher" else "retrain",
    }


def kinds(stage: Stage) -> set[str]:
    """With what the stage is computed, in what form it is stored, and that DVC versions it."""
    return {*_KINDS.get(stage.name, ("python",)), "dvc"}


def owners(stage: Stage) -> list[str]:
    """The team that answers for the asset."""
    return ["team:models" if stage.group in _MODEL_GROUPS else "team:data"]


_MODEL_GROUPS = ("teacher", "students", "evaluation")


def main_table(stage: Stage) -> SqlFile | None:
    """The staging view of the table that stands for the asset; None for weights."""
    name = _MAIN_VIEW.get(stage.name)
    return None if name is None else sql_files("staging")[name]


def file_of(view: SqlFile) -> str:
    """Name of the file that a staging view reads, in the folder of its stage."""
    return (view.source or "").partition("/")[2]


def tables(stage: Stage) -> list[SqlFile]:
    """The staging views over files of the stage, the main one first."""
    found = [
        view
        for view in sql_files("staging").values()
        if (view.source or "").partition("/")[0] == stage.name
    ]
    return sorted(found, key=lambda view: (view.name != _MAIN_VIEW.get(stage.name), view.name))


def description(stage: Stage, does: str | None) -> str:
    """What is stored, what a run does, and the tables in its folder with what a row is."""
    parts = [stage.description, does]
    if listed := tables(stage):
        lines = [
            f"- `{file_of(view)}`: {view.grain}; key {', '.join(view.key)}; SQL view `{view.name}`"
            for view in listed
        ]
        parts.append("Tables:\n\n" + "\n".join(lines))
    if look := _LOOK.get(stage.name):
        parts.append(f"Look closer: {look}.")
    return "\n\n".join(part for part in parts if part)


def definition_metadata(stage: Stage, root: Path) -> dict[str, Any]:
    """Columns of the stage's tables, its folder, its function and the document to read first.

    Args:
        stage: of the asset.
        root: of the project; the code reference opens an editor at the file.
    """
    metadata: dict[str, Any] = {"explorer": explorer_link(ArtifactKey(stage.name))}
    main = main_table(stage)
    if main is not None:
        metadata["dagster/column_schema"] = _schema(main)
    for view in tables(stage):
        if main is None or view.name != main.name:
            metadata[f"columns of {file_of(view)}"] = dg.MetadataValue.table_schema(_schema(view))
    references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
        each for each in (_code_reference(stage, root), _document(stage, root)) if each
    ]
    if references:
        metadata["dagster/code_references"] = dg.CodeReferencesMetadataValue(
            code_references=references
        )
    home = root / "data" / stage.name
    metadata["path"] = dg.MetadataValue.path(str(home))
    metadata["dagster/uri"] = home.as_uri()
    return metadata


def explorer_link(key: ArtifactKey) -> dg.MarkdownMetadataValue:
    """A link to the rows of an artifact in the explorer, and the command that it needs."""
    return dg.MetadataValue.md(f"[open]({page_of_artifact(key)}) while `p4d explore` runs")


def _schema(view: SqlFile) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=each.name, type=each.type, description=each.text)
            for each in view.columns
            if not each.from_folder
        ],
        constraints=dg.TableConstraints(other=[view.grain, f"key: {', '.join(view.key)}"]),
    )


def _document(stage: Stage, root: Path) -> dg.LocalFileCodeReference | None:
    name = _DOCS_OF_STAGE.get(stage.name, _DOCS.get(stage.group))
    if name is None or not (root / name).is_file():
        return None
    return dg.LocalFileCodeReference(file_path=str(root / name), line_number=1, label=name)


def _code_reference(stage: Stage, root: Path) -> dg.LocalFileCodeReference | None:
    module, _, function = stage.entry.partition(":")
    path = root / (module.replace(".", "/") + ".py")
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"^def {function}\b", text, re.MULTILINE)
    line = text.count("\n", 0, found.start()) + 1 if found else 1
    return dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=stage.entry)
