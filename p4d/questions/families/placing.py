"""Where things are at one instant: Spatial Relation and 3D Video Grounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from p4d.questions.distractors import Answer, Numbers, Words
from p4d.questions.fact_table import Fact
from p4d.questions.families.family import Ask, ClipView, Family, interval

AXES = ("position_right", "position_down", "position_ahead")


def _relation_asks(view: ClipView) -> Iterator[Ask]:
    for side in view.of("side"):
        depth = view.beside(side, "depth_order")
        if depth is not None:
            a, b = side.region_ids
            yield Ask(
                fills={"when": interval(side), "a": view.tag(a), "b": view.tag(b)},
                facts=(side, depth),
                sigma=max(side.sigma, depth.sigma),
                reads_as=interval(side),
                regions=(a, b),
            )


def _relation_answer(facts: Sequence[Fact]) -> Answer:
    side, depth = facts
    return f"{side.value_text} and {depth.value_text}"


def _place_asks(view: ClipView) -> Iterator[Ask]:
    for right in view.of(AXES[0]):
        down, ahead = view.beside(right, AXES[1]), view.beside(right, AXES[2])
        if down is not None and ahead is not None:
            yield Ask(
                fills={"when": interval(right), "a": view.tag(right.region_ids[0])},
                facts=(right, down, ahead),
                sigma=max(right.sigma, down.sigma, ahead.sigma),
                reads_as=interval(right),
                regions=right.region_ids,
            )


def _place_answer(facts: Sequence[Fact]) -> Answer:
    return tuple(fact.value for fact in facts)


def _extreme_asks(sign: int) -> Callable[[ClipView], Iterator[Ask]]:
    def asks(view: ClipView) -> Iterator[Ask]:
        instants = {(f.start_ns, f.end_ns): f for f in view.of("distance_to_camera")}
        for first in instants.values():
            found = [view.beside(first, "distance_to_camera", [r]) for r in view.region_ids]
            facts = tuple(fact for fact in found if fact is not None)
            # Four marks, so that every one of the four options is in the picture.
            if len(facts) < 4 or len(facts) < len(view.region_ids):
                continue
            ranked = sorted(facts, key=lambda f: sign * f.value)
            gap = abs(ranked[1].value - ranked[0].value)
            sigma = float((ranked[0].sigma ** 2 + ranked[1].sigma ** 2) ** 0.5)
            yield Ask(
                fills={"when": interval(first)},
                facts=facts,
                sigma=sigma / gap if gap > 0 else 1e6,
                reads_as=f"{interval(first)} of {len(facts)}",
            )

    return asks


def _extreme_answer(sign: int) -> Callable[[Sequence[Fact]], Answer]:
    def answer(facts: Sequence[Fact]) -> Answer:
        values = [sign * fact.value for fact in facts]
        return f"object {values.index(min(values)) + 1}"

    return answer


FAMILIES = (
    Family(
        category="Spatial Relation",
        name="relation_to_object",
        dynamic=False,
        needs=("side", "depth_order"),
        phrasings=(
            "{when}, seen from the camera, where is {a} relative to {b}?",
            "{when}, where is {a} compared with {b}, as the camera sees it?",
            "{when}, how does {a} lie relative to {b} in the view?",
        ),
        rule=Words(),
        asks=_relation_asks,
        answer=_relation_answer,
    ),
    Family(
        category="3D Video Grounding",
        name="place_of_object",
        dynamic=False,
        needs=AXES,
        phrasings=(
            "{when}, where is the centre of {a} (right, down, ahead of the camera)?",
            "{when}, which point (right, down, ahead of the camera) is the centre of {a}?",
        ),
        rule=Numbers(unit="m", decimals=1, least_gap=0.35),
        asks=_place_asks,
        answer=_place_answer,
    ),
    Family(
        category="3D Video Grounding",
        name="nearest_object",
        dynamic=False,
        needs=("distance_to_camera",),
        phrasings=(
            "{when}, which object is closest to the camera?",
            "{when}, which marked object is nearest to the camera?",
        ),
        rule=Words(),
        asks=_extreme_asks(1),
        answer=_extreme_answer(1),
    ),
    Family(
        category="3D Video Grounding",
        name="farthest_object",
        dynamic=False,
        needs=("distance_to_camera",),
        phrasings=(
            "{when}, which object is farthest from the camera?",
            "{when}, which marked object is most distant?",
        ),
        rule=Words(),
        asks=_extreme_asks(-1),
        answer=_extreme_answer(-1),
    ),
)
