"""The one mechanism of all families: which facts a question needs and how they answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from p4d.categories import CATEGORIES
from p4d.errors import ContractError
from p4d.questions.distractors import Answer, OptionRule
from p4d.questions.fact_table import Fact


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One candidate question of a family about one clip.

    Attributes:
        fills: values for the slots of the phrasing.
        facts: the evidence, in the order the family's `answer` expects.
        sigma: uncertainty of the answer in the unit of the option rule's distances.
        reads_as: candidates that read alike share it; marks are left out, as they are random.
        regions: region ids that the text names.

    """

    fills: dict[str, str]
    facts: tuple[Fact, ...]
    sigma: float
    reads_as: str
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Family:
    """Questions of one kind.

    Attributes:
        category: name in R4D-Bench.
        name: unique name.
        dynamic: whether it needs more than one frame (R4D-Bench's split by category).
        needs: kinds of facts without which a clip has no such question.
        phrasings: texts with slots; drawn by a seed that does not see the answer.
        rule: how options are made.
        asks: candidates of a clip.
        answer: what the facts of one candidate say.

    """

    category: str
    name: str
    dynamic: bool
    needs: tuple[str, ...]
    phrasings: tuple[str, ...]
    rule: OptionRule
    asks: Callable[[ClipView], Iterator[Ask]]
    answer: Callable[[Sequence[Fact]], Answer]

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ContractError(f"family {self.name}: {self.category!r} is no category")


@dataclass(frozen=True)
class ClipView:
    """Facts of one clip, found by kind, regions and interval."""

    clip_id: str
    facts: tuple[Fact, ...]
    region_ids: tuple[str, ...]
    max_marks: int
    _by_key: dict[tuple[str, tuple[str, ...], int, int], Fact] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        for fact in self.facts:
            self._by_key[(fact.kind, fact.region_ids, fact.start_ns, fact.end_ns)] = fact

    def of(self, kind: str) -> list[Fact]:
        """Facts of a kind, in an order that is the same for every run."""
        found = [fact for fact in self.facts if fact.kind == kind]
        return sorted(
            found, key=lambda f: (f.start_ns, f.end_ns, [self.mark(r) for r in f.region_ids])
        )

    def beside(self, fact: Fact, kind: str, region_ids: Iterable[str] | None = None) -> Fact | None:
        """The fact of another kind (or of other regions) in the same interval."""
        regions = fact.region_ids if region_ids is None else tuple(region_ids)
        return self._by_key.get((kind, regions, fact.start_ns, fact.end_ns))

    def mark(self, region_id: str) -> int:
        """The number of a region in the picture."""
        return self.region_ids.index(region_id) + 1

    def tag(self, region_id: str) -> str:
        """How a text names a region."""
        return f"<obj_{self.mark(region_id)}>"


def seconds(time_ns: int) -> str:
    """Clip time to 0.05 s, without trailing zeros: sampled frames of equal grids read alike."""
    return f"{max(0, round(time_ns / 5e7)) * 0.05:.2f}".rstrip("0").rstrip(".")


def interval(fact: Fact) -> str:
    """`From 0 sec to 1.75 sec`, or `At 0 sec` for an instant (STI-Bench's wording)."""
    if fact.start_ns == fact.end_ns:
        return f"At {seconds(fact.start_ns)} sec"
    return f"From {seconds(fact.start_ns)} sec to {seconds(fact.end_ns)} sec"


def single(kind: str) -> Callable[[ClipView], Iterator[Ask]]:
    """One question per fact of a kind, naming the fact's regions as {a} and {b}."""

    def asks(view: ClipView) -> Iterator[Ask]:
        for fact in view.of(kind):
            slots = dict(zip("ab", (view.tag(r) for r in fact.region_ids), strict=False))
            yield Ask(
                fills={"when": interval(fact), **slots},
                facts=(fact,),
                sigma=fact.sigma,
                reads_as=interval(fact),
                regions=fact.region_ids,
            )

    return asks


def only_word(facts: Sequence[Fact]) -> Answer:
    """The word of the one fact."""
    (fact,) = facts
    if fact.value_text is None:
        raise ContractError(f"{fact.fact_id}: a {fact.kind} has no word")
    return fact.value_text


def numbers(facts: Sequence[Fact]) -> Answer:
    """The numbers of all facts."""
    return tuple(fact.value for fact in facts)
