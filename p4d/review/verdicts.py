"""Stores and applies reviewers' verdicts: one JSON row per annotation in `reviews/<batch>.jsonl`.

A verdict names a question by `qa_id`, which is a hash of its content. A question that is composed
differently later has another id, so a verdict never applies to a question that its annotator did
not see.

Of several annotations by one person, the latest counts. Between people, a fault that one of them
saw counts: drop wins over fix, and fix over accept. If fixes differ, the question is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
from filelock import FileLock, Timeout

from p4d.artifacts import write_bytes
from p4d.errors import ContractError, PublishError
from p4d.ids import canonical_json, content_id
from p4d.paths import BATCH_ID, checked_id

Decision = Literal["accept", "fix", "drop"]
DECISIONS: tuple[Decision, ...] = ("accept", "fix", "drop")
LETTERS = "ABCDEFGHIJ"

REJECTED_SCHEMA: dict[str, Any] = {
    "qa_id": pl.String,
    "clip_id": pl.String,
    "shard": pl.String,
    "category": pl.String,
    "family": pl.String,
    "question": pl.String,
    "answer_text": pl.String,
    "reason": pl.String,
    "annotators": pl.List(pl.String),
    "at": pl.String,
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One person's verdict on one question.

    Attributes:
        batch: the export it belongs to.
        qa_id: the question as the annotator saw it.
        decision: accept, fix or drop.
        reason: why; required unless it is accepted.
        annotator: number, name or address, as the tool exports it.
        at: ISO 8601 in UTC.
        question: the corrected text of a fix, or None.
        answer: the corrected letter of a fix, or None.
        verdict_id: content id of all of the above.
    """

    batch: str
    qa_id: str
    decision: Decision
    reason: str
    annotator: str
    at: str
    question: str | None = None
    answer: str | None = None
    verdict_id: str = ""

    def __post_init__(self) -> None:
        where = f"verdict of {self.annotator} on {self.qa_id}"
        for name, value in asdict(self).items():
            if value is not None and not _is_text(value):
                raise ContractError(f"verdict on {self.qa_id!a}: {name} is no text: {value!a}")
        if self.decision not in DECISIONS:
            raise ContractError(f"{where}: {self.decision!r} is none of {', '.join(DECISIONS)}")
        if self.decision != "accept" and not self.reason:
            raise ContractError(f"{where}: {self.decision} needs a reason")
        if self.decision == "fix" and self.question is None and self.answer is None:
            raise ContractError(f"{where}: a fix needs a new question text or a new answer")
        try:
            aware = datetime.fromisoformat(self.at).tzinfo is not None
        except ValueError as error:
            raise ContractError(f"{where}: {self.at!r} is no ISO 8601 time") from error
        if not aware:
            raise ContractError(f"{where}: the time {self.at!r} has no time zone")
        named = {k: v for k, v in asdict(self).items() if k != "verdict_id"}
        known = content_id("verdict", named)
        if self.verdict_id not in ("", known):
            raise ContractError(f"{where}: the row was edited ({self.verdict_id} is not its id)")
        object.__setattr__(self, "verdict_id", known)


def _is_text(value: object) -> bool:
    """Whether it is a text that a table can hold; half of a surrogate pair is none."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The result of all verdicts on one question.

    Attributes:
        decision: accept, fix or drop.
        reason: the reasons given for the decision.
        annotators: everybody who reviewed the question, sorted.
        at: time of the latest verdict that counts.
        question, answer: of a fix.
        conflict: whether the annotators disagreed.
    """

    decision: Decision
    reason: str
    annotators: tuple[str, ...]
    at: str
    question: str | None
    answer: str | None
    conflict: bool


def marks_named(text: str) -> frozenset[int]:
    """The numbers of the marks that a text names: `<obj_2>` gives 2."""
    return frozenset(int(number) for number in re.findall(r"<obj_(\d+)>", text))


def letter_index(qa_id: str, answer: str, options: int) -> int:
    """The index of the option that a fix answers.

    Raises:
        ContractError: the question has no such option.
    """
    letters = LETTERS[:options]
    if len(answer) != 1 or answer not in letters:
        raise ContractError(f"{qa_id}: a fix answers {answer!r}, options are {letters}")
    return letters.index(answer)


def batch_path(folder: Path, batch: str) -> Path:
    """The file of a batch's verdicts.

    Raises:
        ContractError: `batch` is no batch id, so it cannot name a file.
    """
    return folder / f"{checked_id(BATCH_ID, batch, 'review batch')}.jsonl"


def read_verdicts(folder: Path) -> list[Verdict]:
    """All verdicts of a folder, in the order of their ids; none if there is no folder.

    Raises:
        ContractError: a row is malformed or was edited by hand.
    """
    found: dict[str, Verdict] = {}
    known = {field.name for field in fields(Verdict)}
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ContractError(f"{path.name}, line {number}: no JSON ({error})") from error
            if not isinstance(row, dict) or set(row) != known:
                raise ContractError(f"{path.name}, line {number}: needs the keys {sorted(known)}")
            verdict = Verdict(**row)
            found[verdict.verdict_id] = verdict
    return [found[key] for key in sorted(found)]


LOCK_TIMEOUT_S = 30.0


def add_verdicts(folder: Path, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Add rows to the files of their batches; returns the new ones. Safe to repeat.

    One process writes at a time: two reviewers in the explorer, or one and an import, lose nothing.

    Raises:
        ContractError: a row of `folder` is malformed, or a new one has no batch id; nothing is
            written.
        PublishError: another process writes verdicts for longer than `LOCK_TIMEOUT_S`.
    """
    # Beside the folder, as a stage reads the folder and git has it.
    lock = folder.absolute().parent / ".p4d" / "reviews.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=LOCK_TIMEOUT_S):
            return _add(folder, verdicts)
    except Timeout as error:
        raise PublishError(
            "another process is writing verdicts; try again when it has ended"
        ) from error


def _add(folder: Path, verdicts: Iterable[Verdict]) -> list[Verdict]:
    present = {verdict.verdict_id: verdict for verdict in read_verdicts(folder)}
    new = {v.verdict_id: v for v in verdicts if v.verdict_id not in present}
    paths = {v.batch: batch_path(folder, v.batch) for v in new.values()}
    for batch in sorted(paths):
        rows = [v for v in (*present.values(), *new.values()) if v.batch == batch]
        rows.sort(key=lambda v: (v.qa_id, v.annotator, v.at, v.verdict_id))
        text = "".join(canonical_json(asdict(verdict)) + "\n" for verdict in rows)
        write_bytes(paths[batch], text.encode())
    return [new[key] for key in sorted(new)]


def latest(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The latest verdict of each annotator on each question."""
    last: dict[tuple[str, str], Verdict] = {}
    for verdict in sorted(verdicts, key=lambda v: (datetime.fromisoformat(v.at), v.verdict_id)):
        last[(verdict.qa_id, verdict.annotator)] = verdict
    return [last[key] for key in sorted(last)]


def resolve(verdicts: Iterable[Verdict]) -> dict[str, Resolved]:
    """One decision per reviewed question."""
    by_question: dict[str, list[Verdict]] = {}
    for verdict in latest(verdicts):
        by_question.setdefault(verdict.qa_id, []).append(verdict)
    return {qa_id: _resolve(found) for qa_id, found in by_question.items()}


def _resolve(verdicts: Sequence[Verdict]) -> Resolved:
    decision = max((v.decision for v in verdicts), key=DECISIONS.index)
    deciding = [v for v in verdicts if v.decision == decision]
    fixes = {(v.question, v.answer) for v in deciding}
    reason = "; ".join(dict.fromkeys(v.reason for v in deciding if v.reason))
    question, answer = next(iter(fixes)) if len(fixes) == 1 else (None, None)
    if len(fixes) > 1:
        decision, reason = "drop", f"fixes differ: {reason}"
    return Resolved(
        decision=decision,
        reason=reason,
        annotators=tuple(sorted({v.annotator for v in verdicts})),
        at=max(verdicts, key=lambda v: datetime.fromisoformat(v.at)).at,
        question=question,
        answer=answer,
        conflict=len({(v.decision, v.question, v.answer) for v in verdicts}) > 1,
    )


@dataclass(frozen=True, kw_only=True)
class Applied:
    """Questions after review.

    Attributes:
        questions: with two more columns: `review` (accept, fix or null) and `fixed_from` (the id of
            the question as it was composed, null unless fixed).
        rejected: dropped questions with the reason.
        not_applicable: reviewed ids that no question has, i.e. of superseded questions.
    """

    questions: pl.DataFrame
    rejected: pl.DataFrame
    not_applicable: tuple[str, ...]


def apply_verdicts(questions: pl.DataFrame, resolved: Mapping[str, Resolved]) -> Applied:
    """Drop and fix questions by verdict. A fixed question may be reviewed again, by its new id.

    Args:
        questions: rows of `questions.parquet` with `shard`.
        resolved: decisions by `qa_id`.

    Raises:
        ContractError: a fix names a letter that the question does not have.
    """
    schema = {**questions.schema, "review": pl.String(), "fixed_from": pl.String()}
    judged = pl.col("qa_id").is_in(list(resolved))
    kept = [
        questions.filter(~judged).with_columns(
            review=pl.lit(None, pl.String), fixed_from=pl.lit(None, pl.String)
        )
    ]
    rows: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    met: set[str] = set()
    for original in questions.filter(judged).sort("qa_id").iter_rows(named=True):
        row = {**original, "review": None, "fixed_from": None}
        while (found := resolved.get(row["qa_id"])) is not None and row["qa_id"] not in met:
            met.add(row["qa_id"])
            if found.decision == "drop":
                rejected.append(_rejected(row, found))
                break
            row = _fixed(row, found) if found.decision == "fix" else {**row, "review": "accept"}
        else:
            rows.append(row)
    kept.append(pl.DataFrame(rows, schema=schema))
    return Applied(
        questions=pl.concat(kept),
        rejected=pl.DataFrame(rejected, schema=REJECTED_SCHEMA),
        not_applicable=tuple(sorted(set(resolved) - met)),
    )


def _rejected(row: Mapping[str, Any], found: Resolved) -> dict[str, Any]:
    names = ("qa_id", "clip_id", "shard", "category", "family", "question", "answer_text")
    return {
        **{name: row[name] for name in names},
        "reason": found.reason,
        "annotators": list(found.annotators),
        "at": found.at,
    }


def _fixed(row: Mapping[str, Any], found: Resolved) -> dict[str, Any]:
    question = row["question"] if found.question is None else found.question
    answer = row["answer"] if found.answer is None else found.answer
    index = letter_index(row["qa_id"], answer, len(row["options"]))
    return {
        **row,
        "qa_id": content_id("qa", "fixed", row["qa_id"], question, answer),
        "question": question,
        "answer": answer,
        "answer_index": index,
        "answer_text": row["options"][index],
        "review": "fix",
        "fixed_from": row["fixed_from"] or row["qa_id"],
    }
