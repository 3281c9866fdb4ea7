"""What a family of questions is: the facts it needs and how they give the answer.

A family is data. `candidates.py` finds what it can ask by joining columns of facts.
`QuestionFamily.answer` derives the same answer from the facts of one question, which is how stored
answers are checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from p4d.categories import CATEGORIES, DYNAMIC
from p4d.errors import ContractError
from p4d.questions.asking.families.phrasings import PHRASINGS, PHRASINGS_FILE
from p4d.questions.asking.option_rules import Answer, Counts, Numbers, OptionRule, Words
from p4d.questions.facts.table import Fact

SLOTS = ("when", "a", "b", "c", "name", "point")
FRAMES = ("camera_first", "camera_at", "picture", "world", "object")

AnswerWord = Callable[[Sequence[str | None]], str | None]


def first_word(words: Sequence[str | None]) -> str | None:
    """Return the word of the first fact."""
    return words[0]


def reworded(meanings: dict[str, str]) -> AnswerWord:
    """Return the word of the first fact in other words; a word without a meaning is not asked."""
    return lambda words: meanings.get(words[0] or "")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Facts that answer one question together.

    Attributes:
        kinds: kinds of facts about the same regions in the same interval.
        attribute: one more kind about the first region, which holds for the whole clip; its word
            fills the slot {name}.
        answer_word: the answer that the words of the facts give, or None if they give none.
            Families with words only.

    """

    kinds: tuple[str, ...]
    attribute: str | None = None
    answer_word: AnswerWord = first_word

    @property
    def all_kinds(self) -> tuple[str, ...]:
        """Kinds in the order of a question's `fact_ids`."""
        return self.kinds if self.attribute is None else (*self.kinds, self.attribute)


@dataclass(frozen=True, kw_only=True)
class QuestionFamily:
    """Questions of one kind.

    Attributes:
        category: name in R4D-Bench.
        name: unique name.
        frame: frame of reference of the answer, one of FRAMES (docs/questions.md).
        evidence: alternatives; most families have one.
        rule: how options are made.
        factor: from the unit of the facts to that of the options.
        by_mark: whether the marks are related to the answer; if so, only questions about equal
            marks exchange options.
        needs_seconds: whether the answer depends on the seconds of the frames, beside what they
            show; such a family asks only where `questions.seconds` lets it.

    """

    category: str
    name: str
    frame: str
    evidence: tuple[Evidence, ...]
    rule: OptionRule
    factor: float = 1.0
    by_mark: bool = False
    needs_seconds: bool = False

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ContractError(f"family {self.name}: {self.category!r} is no category")
        if self.frame not in FRAMES:
            raise ContractError(f"family {self.name}: {self.frame!r} is no frame of reference")
        if not self.phrasings:
            raise ContractError(f"family {self.name}: no phrasings; add some to {PHRASINGS_FILE}")
        slots = {frozenset(re.findall(r"\{(\w+)\}", text)) for text in self.phrasings}
        if len(slots) != 1 or not self.slots <= set(SLOTS):
            raise ContractError(f"family {self.name}: phrasings must share slots among {SLOTS}")

    @property
    def phrasings(self) -> tuple[str, ...]:
        """Texts with slots; a seed that does not depend on the answer draws one for a question.

        {when} is the interval, {a} {b} {c} are the regions in the order of the fact, {name} is the
        word of the last fact, {point} holds the values of the last three facts.
        """
        return PHRASINGS.get(self.name, ())

    @property
    def dynamic(self) -> bool:
        """Whether R4D-Bench counts the category as dynamic."""
        return self.category in DYNAMIC

    @cached_property
    def slots(self) -> frozenset[str]:
        """Slots of the phrasings."""
        return frozenset(re.findall(r"\{(\w+)\}", self.phrasings[0]))

    @property
    def named_regions(self) -> int:
        """How many regions the text names."""
        return len(self.slots & {"a", "b", "c"})

    def answer(self, facts: Sequence[Fact]) -> Answer:
        """Derive the answer from the facts of one question.

        Raises:
            ContractError: the facts are not of the kinds that the family needs, or give no answer.
        """
        kinds = tuple(fact.kind for fact in facts)
        found = [evidence for evidence in self.evidence if evidence.all_kinds == kinds]
        if not found:
            raise ContractError(f"family {self.name} does not answer from facts of kinds {kinds}")
        if isinstance(self.rule, Counts):
            return round(facts[0].value)
        if isinstance(self.rule, Numbers):
            return tuple(self.factor * fact.value for fact in facts)
        words = [fact.value_text for fact in facts]
        answer = found[0].answer_word(words)
        if answer is None:
            raise ContractError(f"family {self.name}: the words {words} give no answer")
        return answer


def word_family(
    category: str,
    name: str,
    frame: str,
    kind: str,
    meanings: dict[str, str] | None = None,
    *,
    always: tuple[str, ...] = (),
) -> QuestionFamily:
    """A family that asks for the word of one fact, as it is or reworded."""
    answer_word = first_word if meanings is None else reworded(meanings)
    return QuestionFamily(
        category=category,
        name=name,
        frame=frame,
        evidence=(Evidence(kinds=(kind,), answer_word=answer_word),),
        rule=Words(always=always),
    )


def two_words_family(
    category: str, name: str, frame: str, kind: str, meanings: dict[str, str]
) -> QuestionFamily:
    """A family with two options, for facts that have no more words."""
    return QuestionFamily(
        category=category,
        name=name,
        frame=frame,
        evidence=(Evidence(kinds=(kind,), answer_word=reworded(meanings)),),
        rule=Words(max_options=2),
    )


def count_family(
    category: str, name: str, frame: str, kind: str, *, max_options: int | None = None
) -> QuestionFamily:
    """A family that asks for a count."""
    return QuestionFamily(
        category=category,
        name=name,
        frame=frame,
        evidence=(Evidence(kinds=(kind,)),),
        rule=Counts(max_options=max_options),
    )


def number_family(
    category: str,
    name: str,
    frame: str,
    kinds: tuple[str, ...],
    rule: Numbers,
    *,
    factor: float = 1.0,
) -> QuestionFamily:
    """A family that asks for a measured number, or for a point."""
    return QuestionFamily(
        category=category,
        name=name,
        frame=frame,
        evidence=(Evidence(kinds=kinds),),
        rule=rule,
        factor=factor,
    )
