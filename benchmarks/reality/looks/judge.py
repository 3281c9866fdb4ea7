"""Compares facts and questions with the truth of a look.

The rules (`rules.py`) are of their own and share no code with what measures facts. A question is
true if all facts that answer it are, and if its marks lie on something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from benchmarks.reality.looks.course_rules import AMONG_MARKS, COURSE_RULES
from benchmarks.reality.looks.picture_rules import PICTURE_RULES
from benchmarks.reality.looks.rules import NEAREST_OPTION, RULES, Answer, Number
from benchmarks.reality.looks.truth import LookTruth
from benchmarks.reality.looks.world_rules import AMONG_ALL, WORLD_RULES
from p4d.questions.facts.table import Fact

ALL_RULES = {**RULES, **PICTURE_RULES, **WORLD_RULES, **COURSE_RULES}


class Verdict(Enum):
    """What the truth says of a fact or question, the worst last."""

    RIGHT = 0
    UNJUDGED = 1
    WRONG = 2
    NOTHING = 3


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The objects under the marks of a clip.

    Attributes:
        objects: index of the object, or None, by region.
        several: regions whose mark covers several objects, or shares its object with another mark.
    """

    objects: Mapping[str, int | None]
    several: frozenset[str]

    @classmethod
    def of(cls, truth: LookTruth, masks_khw: np.ndarray, region_ids: Sequence[str]) -> Marks:
        """Find them; masks of the first frame, in the order of the ids."""
        found = {
            region: truth.object_under(mask)
            for region, mask in zip(region_ids, masks_khw, strict=True)
        }
        numbers = [k for k, _ in found.values() if k is not None]
        several = {r for r, (k, many) in found.items() if many or numbers.count(k) > 1}
        return cls(objects={r: k for r, (k, _) in found.items()}, several=frozenset(several))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The truth and the marks of one clip.

    Attributes:
        time_ns: times that facts name, from the start of the clip, by frame.
    """

    truth: LookTruth
    marks: Marks
    time_ns: np.ndarray

    def fact(self, fact: Fact, sigmas: float = 3.0) -> Verdict:
        """Whether a fact is right; a number, within so many sigmas."""
        about = list(self.marks.objects) if fact.kind in AMONG_MARKS else fact.region_ids
        under = [self.marks.objects.get(region) for region in about]
        if fact.kind in ("marked_count", "absent_mark", "unmarked_number", "absent_name", "name"):
            return Verdict.RIGHT
        if None in under:
            return Verdict.NOTHING
        if fact.kind not in ALL_RULES:
            return Verdict.UNJUDGED
        answer = self._answer(fact)
        return Verdict.RIGHT if answer.right(fact, sigmas) else Verdict.WRONG

    def question(self, facts: Sequence[Fact], options: Sequence[str], answer: str) -> Verdict:
        """The worst verdict of the facts that answer it.

        A single number is right if the truth is nearer to the answer than to any other option.
        """
        if len(facts) == 1 and facts[0].kind in NEAREST_OPTION:
            self_made = self.fact(facts[0], sigmas=np.inf)
            if self_made is not Verdict.RIGHT:
                return self_made
            found = self._answer(facts[0])
            assert isinstance(found, Number)
            numbers = [float(option.split()[0]) for option in options]
            right = float(answer.split()[0])
            nearest = [
                min(numbers, key=lambda number: abs(number - value)) for value in found.values
            ]
            return Verdict.RIGHT if right in nearest else Verdict.WRONG
        return max((self.fact(fact) for fact in facts), key=lambda one: one.value)

    def _answer(self, fact: Fact) -> Answer:
        begin, end = (int(np.abs(self.time_ns - t).argmin()) for t in (fact.start_ns, fact.end_ns))
        regions = list(fact.region_ids)
        if fact.kind in AMONG_ALL:
            regions += [region for region in self.marks.objects if region not in regions]
        if fact.kind in AMONG_MARKS:
            regions += list(self.marks.objects)
        under = [self.marks.objects[region] for region in regions]
        return ALL_RULES[fact.kind](self.truth, [k for k in under if k is not None], begin, end)

    def on_several(self, facts: Sequence[Fact]) -> bool:
        """Whether a mark of the question covers several objects."""
        return any(region in self.marks.several for fact in facts for region in fact.region_ids)
