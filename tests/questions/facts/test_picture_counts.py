"""Counts over the marks of a clip without truth: right, and as uncertain as what they count."""

from __future__ import annotations

from p4d.questions.facts.picture_counts import picture_counts
from p4d.questions.facts.table import Fact, Source, word
from p4d.questions.facts.vocabulary import PICTURE_DIRECTIONS, PICTURE_SIDES

SOURCE = Source(clip_id="clip_a", scale_kind="relative", teacher="t", teacher_digest="d")
REGIONS = ("reg_a", "reg_b", "reg_c")
SPAN, START = (0, 10**9), (0, 0)


def goes(region: str, text: str, margin: float = 5.0) -> Fact:
    return word(
        SOURCE, "picture_direction", text, margin, PICTURE_DIRECTIONS, frame="camera_first",
        method="planted", region_ids=[region], span_ns=SPAN,
    )  # fmt: skip


def beside(one: str, other: str, text: str, margin: float = 5.0) -> Fact:
    return word(
        SOURCE, "picture_side", text, margin, PICTURE_SIDES, frame="picture", method="planted",
        region_ids=[one, other], span_ns=START,
    )  # fmt: skip


def counts(facts: list[Fact], regions: tuple[str, ...] = REGIONS) -> dict[tuple, tuple]:
    return {
        (fact.kind, fact.region_ids): (fact.value, fact.sigma)
        for fact in picture_counts(facts, regions)
    }


def test_directions_are_counted_with_the_least_certain_margin() -> None:
    found = counts([goes("reg_a", "left"), goes("reg_b", "left", 2.0), goes("reg_c", "up", 8.0)])
    assert found["leftward_count", REGIONS] == (2.0, 0.5)
    assert found["rightward_count", REGIONS] == (0.0, 0.5)
    assert found["unmarked_number", ()][0] == 4.0


def test_an_unknown_direction_leaves_the_count_unknown() -> None:
    found = counts([goes("reg_a", "left"), goes("reg_b", "left")])
    assert set(found) == {("unmarked_number", ())}


def test_the_others_to_the_left_are_counted() -> None:
    facts = [
        beside("reg_a", "reg_b", "left and above"),
        beside("reg_c", "reg_b", "right and below"),
        beside("reg_b", "reg_a", "right and below"),
        beside("reg_c", "reg_a", "right and above", 4.0),
        beside("reg_a", "reg_c", "left and below"),
    ]
    found = counts(facts)
    assert found["picture_left_count", ("reg_b", "reg_a", "reg_c")] == (1.0, 0.2)
    assert found["picture_left_count", ("reg_a", "reg_b", "reg_c")] == (0.0, 0.25)
    # Where reg_b is, seen from reg_c, is not known.
    assert ("picture_left_count", ("reg_c", "reg_a", "reg_b")) not in found


def test_one_mark_is_not_counted() -> None:
    assert set(counts([goes("reg_a", "left")], ("reg_a",))) == {("unmarked_number", ())}
    assert counts([], ("reg_a",)) == {}
