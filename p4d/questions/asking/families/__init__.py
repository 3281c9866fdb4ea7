"""All families of questions, in a fixed order."""

from __future__ import annotations

from p4d.questions.asking.families import (
    counting,
    grounding,
    measuring,
    placing,
    premises,
    rotating,
    speeding,
    translating,
    travelling,
)
from p4d.questions.asking.families.family import Evidence, Family

FAMILIES: tuple[Family, ...] = (
    *grounding.FAMILIES,
    *measuring.FAMILIES,
    *placing.FAMILIES,
    *translating.FAMILIES,
    *rotating.FAMILIES,
    *counting.FAMILIES,
    *premises.FAMILIES,
    *speeding.FAMILIES,
    *travelling.FAMILIES,
)
BY_NAME = {family.name: family for family in FAMILIES}

__all__ = ["BY_NAME", "FAMILIES", "Evidence", "Family"]
