"""The embedded base student: a small network that reads text and still pictures, with its recipe.

It stands where a pretrained vision-language checkpoint stands otherwise: it reads questions, facts
and single pictures, and has been taught nothing about depth or motion. `card.json` says how it was
made and what it can; `recipe.py` makes it again.
"""

from __future__ import annotations

from pathlib import Path

EMBEDDED = "embedded"
"""The value of `student.checkpoint` that means this student."""

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
"""Families of questions that it has read facts of; one or two per category."""

WEIGHTS_SHA256 = "f59e1489274433baa52c0c951927fdca2aed4d3723a7100b699299b9b22dda92"
"""Of `model/model.safetensors`. In the code, so that other weights are other code to whoever tracks
that."""
