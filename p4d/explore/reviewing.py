"""A reviewer's verdict from the page of a clip: checked, and written by `p4d/review`.

The batch of the verdicts is named after the release that the questions are of, as an export to
Label Studio is; the same rules hold for both, and `p4d review`, `retrain` and releases read both.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from p4d.errors import ContractError
from p4d.explore.catalogue import Catalogue
from p4d.ids import content_id
from p4d.paths import QUESTION_ID, checked_id
from p4d.project import Project
from p4d.review.verdicts import Decision, Verdict, add_verdicts, letter_index

MOST_BYTES = 1 << 16
"""Longest request that is read."""

MOST_CHARACTERS = 2000
"""Longest question text, reason and name."""


def store_verdict(project: Project, catalogue: Catalogue, given: object) -> Verdict:
    """Check and write one verdict; returns it.

    Args:
        project: whose reviews.
        catalogue: its questions; the reviewer saw one of them.
        given: `qa_id`, `decision`, `reason`, `annotator` and, of a fix, `question` and `answer`
            (a letter), as the page sends them.

    Raises:
        ContractError: a field is missing or has no such value, or the question is not current;
            nothing is written.
    """
    text = _texts(given)
    qa_id = checked_id(QUESTION_ID, text["qa_id"], "question")
    row = catalogue.question(qa_id)
    if row is None or row["qa_id"] != qa_id:
        raise ContractError(f"{qa_id} is not current any more; reload the page and review again")
    if not text["annotator"]:
        raise ContractError("a verdict needs the name of its reviewer")
    decision, fixes = cast(Decision, text["decision"]), text["decision"] == "fix"
    question = text["question"] if text["question"] not in ("", row["question"]) else None
    right = "ABCDEFGHIJ"[row["answer_index"]]
    answer = text["answer"] if text["answer"] not in ("", right) else None
    if decision == "accept" and (answer or question):
        raise ContractError("an accepted question keeps its text and answer; choose fix to change")
    if fixes and answer is not None:
        letter_index(qa_id, answer, len(row["options"]))
    verdict = Verdict(
        batch=content_id("review", "explorer", catalogue.release_id or "unreleased"),
        qa_id=qa_id,
        decision=decision,
        reason=text["reason"],
        annotator=text["annotator"],
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        question=question if fixes else None,
        answer=answer if fixes else None,
    )
    add_verdicts(project.root / "reviews", [verdict])
    return verdict


def _texts(given: object) -> dict[str, str]:
    """The fields of a request, trimmed; those that it lacks are empty."""
    names = ("qa_id", "decision", "reason", "annotator", "question", "answer")
    if not isinstance(given, Mapping) or not set(given) <= set(names):
        raise ContractError(f"a verdict is an object with the fields {', '.join(names)}")
    values: dict[str, Any] = {name: given.get(name) or "" for name in names}
    for name, value in values.items():
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise ContractError(f"{name} is no text of at most {MOST_CHARACTERS} characters")
    return {name: value.strip() for name, value in values.items()}


def default_reviewer(project: Project) -> str:
    """The address that git knows for this checkout, else the name of the user; "" without both."""
    asked = subprocess.run(
        ["git", "config", "user.email"],
        cwd=project.root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return asked.stdout.strip() or os.environ.get("USER", "")
