"""Families whose answers need the seconds of the frames: when, for how long, how fast in motion.

Their texts name no time, and the order of the frames does not decide them. They ask only where
`questions.seconds` lets them. Events are tied to frames (facts/exact/second_facts.py).
"""

from __future__ import annotations

from p4d.questions.asking.families.family import Evidence, QuestionFamily
from p4d.questions.asking.option_rules import Numbers

_SECONDS = Numbers(unit="sec", decimals=1, least_gap=0.2, least_ratio=0.2)


def _family(category: str, name: str, kind: str, rule: Numbers) -> QuestionFamily:
    return QuestionFamily(
        category=category,
        name=name,
        frame="world",
        evidence=(Evidence(kinds=(kind,)),),
        rule=rule,
        needs_seconds=True,
    )


FAMILIES = (
    _family("Dimensional Measurement", "video_seconds", "video_seconds", _SECONDS),
    _family("Dimensional Measurement", "longest_pause", "longest_pause", _SECONDS),
    _family("Translational", "starts_at", "starts_at", _SECONDS),
    _family("Translational", "stops_at", "stops_at", _SECONDS),
    _family("Translational", "moves_for", "moves_for", _SECONDS),
    _family("Translational", "between_starts", "between_starts", _SECONDS),
    _family(
        "Speed & Acceleration", "speed_in_motion", "speed_in_motion",
        Numbers(unit="m/s", decimals=1, least_gap=0.15),
    ),
    _family(
        "Speed & Acceleration", "times_as_fast", "times_as_fast",
        Numbers(unit="times", decimals=1, least_gap=0.3, least_ratio=0.25),
    ),
)  # fmt: skip
