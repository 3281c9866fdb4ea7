"""The embedded base student: weights of a small network, used in place of a published checkpoint.

It reads questions, facts as text, and single pictures. It was never trained to answer a question
about depth, motion or time from pictures; but its last lesson trains such questions, with the facts
that answer them as text, beside the clip that the facts describe. `card.json` records how it was
made and its accuracy; `python -m p4d.studies.embedded_student` makes it again.
"""

from __future__ import annotations

from pathlib import Path

EMBEDDED = "embedded"
"""Value of `student.checkpoint` that selects this student."""

FOLDER = Path(__file__).parent
"""Holds `model/`, `tokenizer/` and `card.json`."""

CORE_FAMILIES = (
    "place_of_object",
    "distance_to_camera",
    "relation_to_object",
    "moving_objects",
    "moving_of_three",
    "direction",
    "picture_direction",
    "rotation",
    "premise_moves",
    "premise_spins",
    "mean_speed",
    "displacement",
    "path_length",
)
"""Families of questions whose facts it was trained to read; one or two per category."""

TUNED = "embedded_tuned"
"""Value of `student.checkpoint` that selects the student of p4d/students/embedded_tuned: it was
fine-tuned on questions about 900 other worlds until its accuracy hardly rose."""

TUNED_FOLDER = FOLDER.parent / "embedded_tuned"

FOLDERS = {EMBEDDED: FOLDER, TUNED: TUNED_FOLDER}
"""Folder of each embedded student by its value of `student.checkpoint`."""

TUNED_WEIGHTS_SHA256 = "e2a343e192b84f91878dfd6ec9812c34a8d6924bae6fbc2699c6d2bcd7402a0c"
"""SHA-256 of the tuned student's `model/model.safetensors`; in the code as `WEIGHTS_SHA256` is."""

WEIGHTS_SHA256 = "f59e1489274433baa52c0c951927fdca2aed4d3723a7100b699299b9b22dda92"
"""SHA-256 of `model/model.safetensors`. It is in the code so that other weights change the code
version of the stages that read them."""
