"""SAT (Ray et al. 2024): Parquet rows of one or two pictures, a question and listed answers.

Fields: `image_bytes` (encoded pictures), `question`, `answers`, `question_type`, `correct_answer`.
The file lists the correct answer in one place mostly, so its card asks readers to shuffle: the
order here is drawn from the content of the row. The answer is the text, as in 4D-RGPT's training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from p4d.external.conversation import IMAGE, ForeignRow, ForeignTurn, MediumSource, RowFault
from p4d.ids import seed_for

FIELDS = frozenset({"image_bytes", "question", "answers", "correct_answer"})


def read_sat(record: Mapping[str, object]) -> ForeignRow:
    """One row.

    Raises:
        RowFault: a field is missing, or the correct answer is not exactly one of the listed.
    """
    question, answers = record.get("question"), record.get("answers")
    correct = record.get("correct_answer")
    if not isinstance(question, str) or not question.strip():
        raise RowFault("question is no text")
    if not isinstance(answers, list) or not all(isinstance(each, str) for each in answers):
        raise RowFault("answers is no list of texts")
    if len(answers) < 2 or answers.count(correct) != 1:
        raise RowFault(f"{answers.count(correct)} of {len(answers)} answers equal correct_answer")
    pictures = record.get("image_bytes")
    pictures = [pictures] if isinstance(pictures, bytes) else pictures
    if not isinstance(pictures, list) or not pictures:
        raise RowFault("image_bytes holds no picture")
    if not all(isinstance(each, bytes) for each in pictures):
        raise RowFault("image_bytes holds something that is no bytes")
    content = hashlib.sha256(b"".join(pictures)).hexdigest()
    draw = np.random.default_rng(seed_for("sat options", content, question))
    options = [answers[i] for i in draw.permutation(len(answers))]
    listed = f"{', '.join(options[:-1])} or {options[-1]}"
    asked = f"{(IMAGE + chr(10)) * len(pictures)}{question.strip()} Choose between: {listed}."
    kind = record.get("question_type")
    return ForeignRow(
        form="sat",
        source_id="",
        turns=(ForeignTurn(asked, str(correct)),),
        media=tuple(MediumSource(IMAGE, payload=each) for each in pictures),
        question_type=kind if isinstance(kind, str) else "",
    )
