"""The reproduction card: what a score depends on besides the model, beside every score.

Versions, precision, attention, frames and prompts move scores by points, so a score without them
cannot be compared with another.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from p4d.evaluation.answering.ask import AskSettings
from p4d.evaluation.answering.placement import Placement
from p4d.students.data.questions import Question
from p4d.version import __version__


def versions() -> dict[str, str]:
    """Return the versions of what computes an answer."""
    return {
        "p4d": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def prompt_hash(questions: Sequence[Question]) -> str:
    """Return the SHA-256 of all prompts as the model reads them, in the order of their ids.

    What precedes a prompt (system turn, pictures) belongs to the model's own template and is
    covered by the digest of its checkpoint.
    """
    digest = hashlib.sha256()
    for question in sorted(questions, key=lambda q: q.qa_id):
        digest.update(f"{question.qa_id}\0{question.turn()}\0".encode())
    return digest.hexdigest()


def reproduction_card(
    placement: Placement,
    asking: AskSettings,
    questions: Sequence[Question],
    *,
    checkpoint: str,
    threads: int,
) -> dict[str, Any]:
    """Return the card of one evaluation.

    Args:
        placement: device and precision.
        asking: frames, batch and length of replies.
        questions: as asked.
        checkpoint: digest of the model's files.
        threads: CPU threads; sums are split by thread.
    """
    return {
        "versions": versions(),
        "checkpoint": checkpoint,
        "device": placement.device,
        "device_name": placement.device_name,
        "dtype": placement.dtype,
        "attention": placement.attention,
        "threads": threads,
        "frames": asking.frames,
        "batch": asking.batch,
        "prompt_sha256": prompt_hash(questions),
        "max_new_tokens": asking.answer_tokens,
        "decoding": "greedy",
        "option_likelihood": asking.likelihood,
    }
