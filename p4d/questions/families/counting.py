"""How many objects move: consecutive integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from p4d.questions.distractors import Answer, Counts
from p4d.questions.fact_table import Fact
from p4d.questions.families.family import Ask, ClipView, Family, interval


def _all_asks(view: ClipView) -> Iterator[Ask]:
    for fact in view.of("moving_count"):
        if view.region_ids and set(fact.region_ids) == set(view.region_ids):
            when = interval(fact)
            yield Ask(fills={"when": when}, facts=(fact,), sigma=fact.sigma, reads_as=when)


def _listed_asks(view: ClipView) -> Iterator[Ask]:
    """Three named objects, as every count from none to all of them is then an option."""
    spans = {(f.start_ns, f.end_ns): f for f in view.of("moving")}
    for first in spans.values():
        for trio in combinations(view.region_ids, 3):
            found = [view.beside(first, "moving", [region]) for region in trio]
            facts = tuple(fact for fact in found if fact is not None)
            if len(facts) == 3:
                slots = dict(zip("abc", (view.tag(r) for r in trio), strict=True))
                yield Ask(
                    fills={"when": interval(first), **slots},
                    facts=facts,
                    sigma=max(fact.sigma for fact in facts),
                    reads_as=interval(first),
                    regions=trio,
                )


def _total(facts: Sequence[Fact]) -> Answer:
    return int(sum(fact.value for fact in facts))


FAMILIES = (
    Family(
        category="Counting",
        name="moving_objects",
        dynamic=True,
        needs=("moving_count",),
        phrasings=(
            "{when}, how many marked objects move or turn?",
            "{when}, how many of the marked objects are in motion?",
        ),
        rule=Counts(),
        asks=_all_asks,
        answer=_total,
    ),
    Family(
        category="Counting",
        name="moving_of_three",
        dynamic=True,
        needs=("moving",),
        phrasings=(
            "{when}, how many of {a}, {b} and {c} move or turn?",
            "{when}, of {a}, {b} and {c}, how many are in motion?",
        ),
        rule=Counts(),
        asks=_listed_asks,
        answer=_total,
    ),
)
