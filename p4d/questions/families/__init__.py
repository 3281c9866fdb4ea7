"""All families of questions, in a fixed order."""

from __future__ import annotations

from p4d.questions.families import counting, measuring, movement, placing, premises
from p4d.questions.families.family import Ask, ClipView, Family

FAMILIES: tuple[Family, ...] = (
    *placing.FAMILIES,
    *measuring.FAMILIES,
    *movement.FAMILIES,
    *counting.FAMILIES,
    *premises.FAMILIES,
)
BY_NAME = {family.name: family for family in FAMILIES}

__all__ = ["BY_NAME", "FAMILIES", "Ask", "ClipView", "Family"]
