"""Exports questions to Label Studio and imports verdicts, in its JSON formats (tested with 1.x).

An export is `tasks.json` (one task per question, its answer prefilled as a prediction),
`config.xml` (the labeling interface) and `media/`. An import reads the server's JSON export, which
holds each task with its annotations.

A task carries what the annotator saw and a hash of it. An id that no table has is therefore either
a question of a superseded version, as the hash proves, or no question of this project.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from p4d.artifacts import read_table, write_bytes, write_json
from p4d.drawing import png
from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json
from p4d.foreign_text import one_line
from p4d.ids import content_id
from p4d.paths import BATCH_ID, QUESTION_ID, checked_id
from p4d.project import Project
from p4d.questions.regions.marks import MAX_MARKS
from p4d.review.items import (
    Item,
    clip_mp4,
    fact_text,
    read_items,
    release_id,
    sample_questions,
    without_bound,
)
from p4d.review.verdicts import LETTERS, Verdict, add_verdicts, latest, letter_index, marks_named

EXPORT_BYTES = 512 << 20
"""Largest export that is read: a task takes about 4 kB."""

CONFIG = """\
<View>
  <View style="display: flex; gap: 16px; flex-wrap: wrap">
    <View style="flex: 1 1 400px">
      <Header value="Marked first frame" size="6"/>
      <Image name="marks" value="$marks"/>
    </View>
    <View style="flex: 1 1 400px">
      <Header value="Clip" size="6"/>
      <Video name="clip" value="$clip" framerate="4"/>
    </View>
  </View>
  <Header value="Question" size="6"/>
  <Text name="question" value="$question"/>
  <Choices name="answer" toName="question" value="$options" choice="single-radio"/>
  <Header value="Derived from" size="6"/>
  <Text name="facts" value="$facts"/>
  <Header value="Verdict" size="6"/>
  <Choices name="verdict" toName="question" choice="single-radio" required="true"
           requiredMessage="Choose accept, fix or drop." showInline="true">
    <Choice value="accept" hint="The text is clear, marks are right, and so is the answer."/>
    <Choice value="fix" hint="Choose the right answer above, or write a better question below."/>
    <Choice value="drop" hint="Ambiguous, not visible, or wrong beyond repair."/>
  </Choices>
  <View visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="fix">
    <TextArea name="new_question" toName="question" maxSubmissions="1" editable="true"
              placeholder="Better question text; leave empty to keep it"/>
  </View>
  <View visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="fix,drop">
    <TextArea name="reason" toName="question" maxSubmissions="1" editable="true" required="true"
              requiredMessage="Give a reason." placeholder="Reason"/>
  </View>
</View>
"""

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
    write_bytes(folder / "config.xml", CONFIG.encode())
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
        "seen": _seen(seen),
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


def _seen(data: Mapping[str, Any]) -> str:
    return content_id("seen", *(data[key] for key in ("qa_id", "question", "options", "answer")))


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
            if data.get("seen") != _seen(data):
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
