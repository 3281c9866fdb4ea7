"""Students: video-language models, Perceptual 4D Distillation, training and use.

README.md in this folder gives the reading order and the differences to the paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p4d.students.model.student import Student


def load(folder: Path) -> Student:
    """Load any arm, or the base student, from its stage folder (see `Student`), in float32."""
    # torch and transformers are imported on first use only.
    from p4d.students.model.student import load as load_student

    return load_student(folder)
