"""Names of the arms, as rows of an evaluation have them."""

from __future__ import annotations

from collections.abc import Mapping

BASELINE, CHALLENGER, BLIND = "sft", "p4d", "blind"
ARMS: Mapping[str, str] = {
    BASELINE: "student_sft",
    CHALLENGER: "student_p4d",
    BLIND: "student_blind",
}
"""The stage that makes the student of each arm."""
FIRST_FRAME = "p4d_first_frame"
"""The P4D student again, shown the first frame of a clip in the place of every frame.

What it answers correctly then needs no motion. It is no arm of its own: the weights are equal, so
the difference from `p4d` is caused by what the later frames show, and by nothing else.
"""
BASE = "base"
"""The student before training, on held-out external rows."""
