"""Facts that follow from other facts of a picture: counts over the marks, and what has no mark.

They need no metres. Each is as uncertain as the least certain fact that it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from p4d.questions.facts.table import Fact, Source, quantity
from p4d.questions.facts.vocabulary import PICTURE_SIDES

HALVES: Mapping[str, tuple[str, str]] = {
    "left_half_count": ("half_across", "left"),
    "upper_half_count": ("half_down", "upper"),
}
"""Kinds that count the marks in a half of the picture, with the kind and word that say so."""
GOING: Mapping[str, str] = {"left": "leftward_count", "right": "rightward_count"}
"""Kinds that count the marks whose own motion in the picture has this direction."""
COUNTED = frozenset({*HALVES, *GOING.values(), "picture_left_count", "unmarked_number"})
"""Kinds that are as uncertain as what they count."""
LEFT_OF = frozenset(side for side in PICTURE_SIDES if side.startswith("left"))


def picture_counts(facts: Sequence[Fact], region_ids: Sequence[str]) -> Iterator[Fact]:
    """Yield the counts of one clip.

    Args:
        facts: of the clip, measured in the picture.
        region_ids: regions in mark order; fewer than two are not counted.
    """
    if not facts or not region_ids:
        return
    first = facts[0]
    source = Source(
        clip_id=first.clip_id, scale_kind=first.scale_kind, teacher=first.teacher,
        teacher_digest=first.teacher_digest,
    )  # fmt: skip
    spans = dict.fromkeys((fact.start_ns, fact.end_ns) for fact in facts)
    for span_ns in spans:
        if span_ns[0] < span_ns[1]:
            yield quantity(
                source, "unmarked_number", len(region_ids) + 1, 0.0, unit="count",
                frame="picture", method="one more than there are marks", span_ns=span_ns,
            )  # fmt: skip
    if len(region_ids) < 2:
        return
    for span_ns in spans:
        here = [fact for fact in facts if (fact.start_ns, fact.end_ns) == span_ns]
        for text, kind in GOING.items():
            going = {f.region_ids[0]: f for f in here if f.kind == "picture_direction"}
            yield from _counted(source, kind, region_ids, going, {text})
        for kind, (half, text) in HALVES.items():
            places = {f.region_ids[0]: f for f in here if f.kind == half}
            yield from _counted(source, kind, region_ids, places, {text})
        sides = {f.region_ids: f for f in here if f.kind == "picture_side"}
        for region in region_ids:
            others = {other: sides[other, region] for other in region_ids
                      if (other, region) in sides}  # fmt: skip
            rest = [other for other in region_ids if other != region]
            yield from _counted(source, "picture_left_count", rest, others, LEFT_OF, region)


def _counted(
    source: Source,
    kind: str,
    counted: Sequence[str],
    by_region: Mapping[str, Fact],
    words: AbstractSet[str],
    about: str | None = None,
) -> Iterator[Fact]:
    """Yield how many regions have one of some words, if all of them are known.

    `about`: the region with which they are compared.
    """
    if set(by_region) != set(counted):
        return
    facts = [by_region[region] for region in counted]
    yield quantity(
        source, kind, sum(fact.value_text in words for fact in facts),
        max(fact.sigma for fact in facts), unit="count", frame="picture",
        method=f"count of `{facts[0].kind}` over the marked regions",
        region_ids=[about, *counted] if about else list(counted),
        span_ns=(facts[0].start_ns, facts[0].end_ns),
    )  # fmt: skip
