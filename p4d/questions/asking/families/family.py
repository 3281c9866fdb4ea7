"""The one mechanism of all families: which facts a question needs and how they answer it.

A family is data. The composer finds its candidates by joining columns of facts (compose.py), and
`Family.answer` gives the same answer from the facts of one question, which is how answers are
checked again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from p4d.categories import CATEGORIES, DYNAMIC
from p4d.errors import ContractError
from p4d.questions.asking.distractors import Answer, Counts, Numbers, OptionRule, Words
from p4d.questions.facts.table import Fact

SLOTS = ("when", "a", "b", "c", "name", "point")
FRAMES = ("camera_first", "camera_at", "picture", "world", "object")

Say = Callable[[Sequence[str | None]], str | None]


def first_word(words: Sequence[str | None]) -> str | None:
    """The word of the first fact."""
    return words[0]


def as_said(meanings: dict[str, str]) -> Say:
    """The word of the first fact in other words; words that are not named are not asked about."""
    return lambda words: meanings.get(words[0] or "")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Facts that answer one question together.

    Attributes:
        kinds: kinds of facts about the same regions in the same interval.
        attribute: one more kind about the first region, which holds for the whole clip; its word
            fills the slot {name}.
        says: what the words of the facts say, or None if they say too little. Words only.

    """

    kinds: tuple[str, ...]
    attribute: str | None = None
    says: Say = first_word

    @property
    def all_kinds(self) -> tuple[str, ...]:
        """Kinds in the order of a question's `fact_ids`."""
        return self.kinds if self.attribute is None else (*self.kinds, self.attribute)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Questions of one kind.

    Attributes:
        category: name in R4D-Bench.
        name: unique name.
        frame: frame of reference of the answer, one of FRAMES (docs/questions.md).
        evidence: alternatives; most families have one.
        phrasings: texts with slots; drawn by a seed that does not see the answer. {when} is the
            interval, {a} {b} {c} the regions in the order of the fact, {name} the word of the last
            fact, {point} the values of the last three facts.
        rule: how options are made.
        factor: from the unit of the facts to that of the options.
        by_mark: whether marks tell something of the answer; only equal ones then read alike.

    """

    category: str
    name: str
    frame: str
    evidence: tuple[Evidence, ...]
    phrasings: tuple[str, ...]
    rule: OptionRule
    factor: float = 1.0
    by_mark: bool = False

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ContractError(f"family {self.name}: {self.category!r} is no category")
        if self.frame not in FRAMES:
            raise ContractError(f"family {self.name}: {self.frame!r} is no frame of reference")
        slots = [frozenset(re.findall(r"\{(\w+)\}", text)) for text in self.phrasings]
        if len(set(slots)) != 1 or not slots[0] <= set(SLOTS):
            raise ContractError(f"family {self.name}: phrasings must share slots among {SLOTS}")

    @property
    def dynamic(self) -> bool:
        """R4D-Bench's split by category."""
        return self.category in DYNAMIC

    @property
    def slots(self) -> frozenset[str]:
        """What the phrasings leave open."""
        return frozenset(re.findall(r"\{(\w+)\}", self.phrasings[0]))

    @property
    def named_regions(self) -> int:
        """How many regions the text names."""
        return len(self.slots & {"a", "b", "c"})

    def answer(self, facts: Sequence[Fact]) -> Answer:
        """What the facts of one question say.

        Raises:
            ContractError: the facts are not of the kinds that the family needs, or say nothing.
        """
        kinds = tuple(fact.kind for fact in facts)
        found = [evidence for evidence in self.evidence if evidence.all_kinds == kinds]
        if not found:
            raise ContractError(f"family {self.name} does not answer from facts of kinds {kinds}")
        if isinstance(self.rule, Counts):
            return round(facts[0].value)
        if isinstance(self.rule, Numbers):
            return tuple(self.factor * fact.value for fact in facts)
        said = found[0].says([fact.value_text for fact in facts])
        if said is None:
            raise ContractError(f"family {self.name}: {[f.value_text for f in facts]} says nothing")
        return said


def word_family(
    category: str,
    name: str,
    frame: str,
    kind: str,
    phrasings: tuple[str, ...],
    meanings: dict[str, str] | None = None,
    *,
    always: tuple[str, ...] = (),
) -> Family:
    """A family that asks for the word of one fact, in its own or in other words."""
    says = first_word if meanings is None else as_said(meanings)
    return Family(
        category=category, name=name, frame=frame, evidence=(Evidence(kinds=(kind,), says=says),),
        phrasings=phrasings, rule=Words(always=always),
    )  # fmt: skip


def count_family(
    category: str, name: str, frame: str, kind: str, phrasings: tuple[str, ...]
) -> Family:
    """A family that asks for a count."""
    return Family(
        category=category, name=name, frame=frame, evidence=(Evidence(kinds=(kind,)),),
        phrasings=phrasings, rule=Counts(),
    )  # fmt: skip


def number_family(
    category: str,
    name: str,
    frame: str,
    kinds: tuple[str, ...],
    phrasings: tuple[str, ...],
    rule: Numbers,
    *,
    factor: float = 1.0,
) -> Family:
    """A family that asks for a measured number, or for a point."""
    return Family(
        category=category, name=name, frame=frame, evidence=(Evidence(kinds=kinds),),
        phrasings=phrasings, rule=rule, factor=factor,
    )  # fmt: skip
