"""False Positives: questions whose premise may not hold.

The text takes for granted that a marked object is there and moves. Where it does not, the right
option negates the premise; where it does, the negation is a wrong option. Both are asked equally
often, so denying everything is no strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from p4d.questions.distractors import Answer, Words
from p4d.questions.fact_table import Fact
from p4d.questions.families.family import Ask, ClipView, Family, interval
from p4d.questions.vocabulary import NOT_ROTATING, STAYS, STILL

NO_SUCH = "there is no such object"
NOT_MOVING, NOT_SPINNING = "it is not moving", "it is not spinning"
_NEGATIONS = {("moving", STILL): NOT_MOVING, ("rotation", NOT_ROTATING): NOT_SPINNING}


def _asks(kind: str) -> Callable[[ClipView], Iterator[Ask]]:
    def asks(view: ClipView) -> Iterator[Ask]:
        facts = view.of(kind)
        for fact in facts:
            moving = view.beside(fact, "moving")
            evidence = fact
            if kind == "direction" and fact.value_text == STAYS:
                if moving is None or moving.value_text != STILL:
                    continue  # it turns in place: neither moving along nor at rest
                evidence = moving
            mark = view.mark(fact.region_ids[0])
            yield _ask(interval(fact), mark, (evidence,), evidence.sigma, fact.region_ids)
        counts = view.of("marked_count")
        for when in dict.fromkeys(interval(fact) for fact in facts):
            # Only numbers that other clips do have: a text cannot know that this one lacks it.
            for absent in range(len(view.region_ids) + 1, view.max_marks + 1):
                yield _ask(when, absent, (counts[0],), counts[0].sigma, ())

    return asks


def _ask(
    when: str, mark: int, facts: tuple[Fact, ...], sigma: float, regions: tuple[str, ...]
) -> Ask:
    # Marks are part of how it reads: a high number is more often absent.
    return Ask(
        fills={"when": when, "a": f"<obj_{mark}>"},
        facts=facts,
        sigma=sigma,
        reads_as=f"{when}, {mark}",
        regions=regions,
    )


def _answer(facts: Sequence[Fact]) -> Answer:
    (fact,) = facts
    if fact.kind == "marked_count":
        return NO_SUCH
    text = str(fact.value_text)
    return _NEGATIONS.get((fact.kind, text), text)


FAMILIES = (
    Family(
        category="False Positives",
        name="premise_moves",
        dynamic=True,
        needs=("direction", "moving", "marked_count"),
        phrasings=(
            "{when}, as {a} moves, which way does it go?",
            "{when}, where is the moving {a} going?",
        ),
        rule=Words(always=(NOT_MOVING,)),
        asks=_asks("direction"),
        answer=_answer,
    ),
    Family(
        category="False Positives",
        name="premise_spins",
        dynamic=True,
        needs=("rotation", "marked_count"),
        phrasings=(
            "{when}, as {a} spins, which way does it turn, seen from above?",
            "{when}, seen from above, how does the spinning {a} turn?",
        ),
        rule=Words(always=(NOT_SPINNING,)),
        asks=_asks("rotation"),
        answer=_answer,
    ),
)
