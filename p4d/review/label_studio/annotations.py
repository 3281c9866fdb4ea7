"""Reads annotations out of Label Studio's JSON export as verdicts."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json
from p4d.foreign_text import one_line
from p4d.paths import BATCH_ID, QUESTION_ID, checked_id
from p4d.project import Project
from p4d.questions.regions.marks import MAX_MARKS
from p4d.review.label_studio.tasks import seen_id
from p4d.review.verdicts import Verdict, add_verdicts, latest, letter_index, marks_named

EXPORT_BYTES = 512 << 20
"""Largest export that is read: a task takes about 4 kB."""


@dataclass(frozen=True, kw_only=True)
class InvalidAnnotation:
    """An annotation that gives no verdict, with the reason."""

    qa_id: str
    annotator: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import found.

    Attributes:
        new: verdicts that are added.
        known: how many verdicts were imported before.
        skipped: annotations that the annotator skipped.
        invalid: annotations that give no verdict.
        superseded: reviewed ids of superseded questions; their verdicts are kept.
    """

    new: tuple[Verdict, ...]
    known: int
    skipped: int
    invalid: tuple[InvalidAnnotation, ...]
    superseded: tuple[str, ...]

    def summary(self) -> str:
        """A few lines for the terminal."""
        lines = [f"{len(self.new)} new verdicts, {self.known} known before, {self.skipped} skipped"]
        lines += [
            f"invalid: {r.qa_id} by {one_line(r.annotator)}: {one_line(r.reason)}"
            for r in self.invalid
        ]
        lines += [
            f"not applicable: {qa_id} is a superseded version; its verdict is kept"
            for qa_id in self.superseded
        ]
        return "\n".join(lines)


def import_verdicts(export: Path, reviews: Path, known: Mapping[str, int | None]) -> Imported:
    """Read Label Studio's JSON export into `reviews/<batch>.jsonl`. Safe to repeat.

    Args:
        export: the file from Export, JSON.
        reviews: the folder of verdicts.
        known: ids of all questions that exist now, each with its number of options; None for a
            rejected question, whose options nobody keeps.

    Raises:
        ContractError: the file is no such export, a task names no batch, or a task is about no
            question of this project; nothing is written.
    """
    verdicts: list[Verdict] = []
    invalid: list[InvalidAnnotation] = []
    superseded: set[str] = set()
    skipped = 0
    for task in _tasks(export):
        data = task["data"]
        if data["qa_id"] not in known:
            if data.get("seen") != seen_id(data):
                raise ContractError(_unknown(data["qa_id"], export, known))
            superseded.add(data["qa_id"])
        options = known.get(data["qa_id"]) or len(data["options"])
        for annotation in task["annotations"]:
            if annotation.get("was_cancelled"):
                skipped += 1
                continue
            try:
                verdicts.append(_verdict(data, annotation, options))
            except ContractError as error:
                invalid.append(
                    InvalidAnnotation(
                        qa_id=data["qa_id"], annotator=_annotator(annotation), reason=str(error)
                    )
                )
    new = add_verdicts(reviews, verdicts)
    return Imported(
        new=tuple(new),
        known=len({v.verdict_id for v in verdicts}) - len(new),
        skipped=skipped,
        invalid=tuple(invalid),
        superseded=tuple(sorted(superseded & {v.qa_id for v in latest(verdicts)})),
    )


def import_into(project: Project, export: Path) -> Imported:
    """Call `import_verdicts` for the project's `reviews/`, its shards and its release.

    Raises:
        ContractError: see `import_verdicts`.
    """
    tables = [
        project.data / "questions" / shard / "questions.parquet" for shard in project.shards()
    ]
    tables += [project.data / "release" / f"{name}.parquet" for name in ("questions", "rejected")]
    known: dict[str, int | None] = {}
    for table in (read_table(path) for path in tables if path.is_file()):
        options = table["options"].list.len() if "options" in table.columns else [None] * len(table)
        for qa_id, count in zip(table["qa_id"], options, strict=True):
            known[qa_id] = count or known.get(qa_id)
    return import_verdicts(export, project.root / "reviews", known)


def _tasks(export: Path) -> list[dict[str, Any]]:
    tasks = read_foreign_json(export, max_bytes=EXPORT_BYTES)
    if not (isinstance(tasks, list) and all(map(_is_task, tasks))):
        raise ContractError(
            f"{export}: not Label Studio's JSON export of tasks from `p4d review export` "
            "(choose JSON, not JSON-MIN or CSV)"
        )
    for number, task in enumerate(tasks, start=1):
        where = f"{export.name}, task {number}:"
        checked_id(BATCH_ID, task["data"]["batch"], f"{where} review batch")
        checked_id(QUESTION_ID, task["data"]["qa_id"], f"{where} question")
    return tasks


def _is_task(task: object) -> bool:
    """Whether a task has the fields that an import reads, of the right types."""
    if not isinstance(task, dict):
        return False
    data, annotations = task.get("data"), task.get("annotations")
    return (
        isinstance(annotations, list)
        and all(isinstance(annotation, dict) for annotation in annotations)
        and isinstance(data, dict)
        and {"qa_id", "batch"} <= set(data)
        and isinstance(data.get("question"), str)
        and isinstance(data.get("answer"), str)
        and isinstance(data.get("options"), list)
    )


def _unknown(qa_id: str, export: Path, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(qa_id, sorted(known), cutoff=0.7)
    hint = f"; similar: {', '.join(near)}" if near else ""
    return f"{export.name}: {qa_id} is no question of this project, now or before{hint}"


def _verdict(data: Mapping[str, Any], annotation: Mapping[str, Any], options: int) -> Verdict:
    said = _said(annotation)
    decision = said("verdict", "choices")
    if decision is None:
        raise ContractError("no verdict chosen")
    chosen = said("answer", "choices")
    answer = chosen.partition(".")[0] if chosen else data["answer"]
    text = (said("new_question", "text") or "").strip()
    other_answer = None if answer == data["answer"] else answer
    other_text = None if text in ("", data["question"]) else text
    if decision == "accept" and other_answer:
        raise ContractError(f"accepts the question, but answers {answer}, not {data['answer']}")
    fixes = decision == "fix"
    if fixes and other_answer is not None:
        letter_index(data["qa_id"], other_answer, options)
    if fixes and other_text is not None:
        _check_marks(data, other_text)
    return Verdict(
        batch=data["batch"],
        qa_id=data["qa_id"],
        decision=decision,  # type: ignore[arg-type]
        reason=(said("reason", "text") or "").strip(),
        annotator=_annotator(annotation),
        at=_utc(str(annotation.get("updated_at") or annotation.get("created_at"))),
        question=other_text if fixes else None,
        answer=other_answer if fixes else None,
    )


def _check_marks(data: Mapping[str, Any], text: str) -> None:
    """Raise for a text that names a mark that the clip does not show.

    Tasks of earlier versions do not say how many it shows; then at most `MAX_MARKS` can be.
    """
    shown = data.get("marks_shown")
    most = shown if isinstance(shown, int) else MAX_MARKS
    absent = {mark for mark in marks_named(text) if not 1 <= mark <= most}
    if absent:
        names = ", ".join(f"<obj_{mark}>" for mark in sorted(absent))
        raise ContractError(f"the new text names {names}, which the clip does not show")


def _said(annotation: Mapping[str, Any]) -> Callable[[str, str], str | None]:
    """The first text of a control of the interface, by the control's name and the value's key.

    Raises:
        ContractError: the results, or a value that is asked for, do not have the form of an export.
    """
    results = annotation.get("result") or []
    if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
        raise ContractError("the results are no list of objects")
    values = {str(result.get("from_name")): result.get("value") for result in results}

    def first(control: str, key: str) -> str | None:
        value = values.get(control, {})
        found = value.get(key) if isinstance(value, dict) else value
        if isinstance(found, list):
            found = found[0] if found else None
        if found is not None and not isinstance(found, str):
            raise ContractError(f"{control} is no text")
        return found

    return first


def _annotator(annotation: Mapping[str, Any]) -> str:
    """Exports give the annotator as a number, or with an address, depending on their settings."""
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        return str(by.get("email") or f"user-{by.get('id')}")
    return f"user-{by}"


def _utc(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise ContractError(f"{text!r} is no ISO 8601 time") from error
