"""The nine question categories of R4D-Bench, and which of them need more than one frame."""

from __future__ import annotations

STATIC = ("Dimensional Measurement", "Spatial Relation", "3D Video Grounding")
DYNAMIC = (
    "Translational",
    "Rotational",
    "Counting",
    "False Positives",
    "Speed & Acceleration",
    "Displacement & Path Length",
)
CATEGORIES = (*STATIC, *DYNAMIC)
