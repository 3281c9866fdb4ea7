"""Prompts and scores of this task, for lmms-eval. It needs the standard library and Pillow.

`p4d_accuracy` is the mean over questions, `p4d_categories` the mean over categories. `p4d_exchange`
is the share of exchange groups in which every question is answered right: the questions of a group
read alike and share their options, and each option is right once. A model that prefers a word or a
number answers no group right, so option bias scores 0 there. Letters are right once, too, where the
groups are those that were asked.

Answers are read from `answers.json` beside this file, or from the file that the variable
P4D_HELD_OUT_ANSWERS names.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MEDIA = HERE.parents[1]
LETTERS = "ABCDE"
Doc = dict[str, Any]
ANSWER_PHRASE = re.compile(
    r"^(?:(?:the|my)\s+)?(?:(?:best|correct|right|final)\s+)?(?:answer|option|choice)"
    r"(?:\s+is)?\s*[:=]?\s*",
    re.IGNORECASE,
)


def doc_to_visual(doc: Doc) -> list[Any]:
    """The marked picture, then the path of the video."""
    from PIL import Image

    pictures = [Image.open(MEDIA / name).convert("RGB") for name in doc["images"]]
    return [*pictures, *(str(MEDIA / name) for name in doc["videos"])]


def doc_to_text(doc: Doc, lmms_eval_specific_kwargs: Doc | None = None) -> str:
    """The prompt, without tags of media."""
    more = lmms_eval_specific_kwargs or {}
    return f"{more.get('pre_prompt', '')}{doc['prompt']}{more.get('post_prompt', '')}"


def doc_to_messages(doc: Doc, lmms_eval_specific_kwargs: Doc | None = None) -> list[Doc]:
    """The same as one message for models that read chats."""
    *pictures, video = doc_to_visual(doc)
    shown = [{"type": "image", "url": picture} for picture in pictures]
    text = {"type": "text", "text": doc_to_text(doc, lmms_eval_specific_kwargs)}
    return [{"role": "user", "content": [*shown, {"type": "video", "url": video}, text]}]


def doc_to_target(doc: Doc) -> str:
    """The letter of the right option."""
    return str(answers()[doc["id"]]["answer"])


def process_results(doc: Doc, results: list[str]) -> dict[str, Doc]:
    """One row per question: what is right, what was answered, and its exchange group."""
    known = answers()[doc["id"]]
    chosen = letter_of(results[0], len(doc["options"]))
    row = {
        "id": doc["id"],
        "category": doc["category"],
        "group": known["exchange_group"],
        "answer": known["answer"],
        "chosen": chosen,
        "score": float(chosen == known["answer"]),
    }
    return {"p4d_accuracy": row, "p4d_categories": row, "p4d_exchange": row}


def accuracy(rows: list[Doc]) -> float:
    """The mean over questions."""
    return sum(float(row["score"]) for row in rows) / len(rows)


def category_mean(rows: list[Doc]) -> float:
    """The mean over categories."""
    per: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        per[row["category"]].append(row["score"])
    return sum(sum(scores) / len(scores) for scores in per.values()) / len(per)


def exchange_groups(rows: list[Doc]) -> float:
    """The share of complete exchange groups in which every question is answered right."""
    per: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["group"] is not None:
            per[row["group"]][row["id"]] = row["score"]
    if not per:
        return 0.0
    return sum(all(scores.values()) for scores in per.values()) / len(per)


def letter_of(text: str, options: int) -> str | None:
    """The first letter of an option after a phrase like "the answer is"; None without one."""
    answer = ANSWER_PHRASE.sub("", text.strip())
    letters = LETTERS[:options]
    found = re.search(rf"\(([{letters}])\)", answer) or re.search(rf"\b([{letters}])\b", answer)
    return found.group(1) if found else None


@cache
def answers() -> dict[str, Doc]:
    """Answers and exchange groups by id."""
    path = Path(os.environ.get("P4D_HELD_OUT_ANSWERS") or HERE / "answers.json")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: the answers are kept apart from this folder. Their owner "
            "writes them with `p4d export answers FILE`; set P4D_HELD_OUT_ANSWERS=FILE"
        )
    found: dict[str, Doc] = json.loads(path.read_text(encoding="utf-8"))
    return found
