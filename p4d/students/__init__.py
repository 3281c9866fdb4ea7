"""Students: tokenizer, network, time encoding, perceptual distillation and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p4d.students.model.student import Student


def load(folder: Path) -> Student:
    """Load any arm, or the base student, from its stage folder (see `Student`)."""
    from p4d.students.model.student import (
        load as load_student,  # torch and transformers, only on use
    )

    return load_student(folder)
