"""Exchange groups: why the text alone cannot tell an answer.

Questions are asked in groups. The members of a group read alike (same family, same interval) and
share one set of options, which are exactly the members' own answers: each option is right once.
The letters are dealt out so that each is right once, too, and the wrong options are shuffled. So
whatever the answers of a corpus are, given question and options each option is right equally often:
word priors, number priors, ranks and letters are flat at once, by construction. Candidates without
partners are not asked.

A group torn apart by the split would tell: the part in train shows which options are left for
test. So groups are drawn within a split, and the release leaves out what is torn all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np

from p4d.ids import seed_for
from p4d.questions.distractors import Answer, OptionRule

LETTERS = "ABCDE"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A question that may be asked: everything but its options.

    Attributes:
        key: unique, from content.
        answer: by its facts.
        sigma: of the facts, in the unit of the rule's distances.

    """

    key: str
    clip_id: str
    answer: Answer
    sigma: float


@dataclass(frozen=True)
class Dealt:
    """A candidate with its options in order, and the index of the right one."""

    candidate: Candidate
    options: tuple[str, ...]
    answer_index: int
    margin_sigma: float


def margin(rule: OptionRule, answer: Answer, sigma: float, options: Sequence[str]) -> float:
    """By how many sigmas the nearest option is nearer than the next one."""
    nearest, second = sorted(rule.distances(answer, options))[:2]
    return (second - nearest) / sigma


def apart(rule: OptionRule, one: Candidate, other: Candidate, margin_sigma: float) -> bool:
    """Whether two candidates may lend each other their answers as wrong options."""
    if not rule.compatible(one.answer, other.answer):
        return False
    options = (rule.text(one.answer), rule.text(other.answer))
    return all(margin(rule, c.answer, c.sigma, options) >= margin_sigma for c in (one, other))


def draw_group(
    pool: Sequence[Candidate],
    rule: OptionRule,
    *,
    size: int,
    margin_sigma: float,
    capacity: Mapping[str, int],
) -> list[Dealt] | None:
    """One exchange group from the pool, or None.

    Args:
        pool: free candidates of one split that read alike.
        rule: which answers may stand side by side.
        size: options per question, which is members per group.
        margin_sigma: least margin of every member against the common options.
        capacity: how many more questions each clip may get.

    """
    # Clips with most room first, then by hash: neither order nor value decides who is asked.
    open_pool = sorted(
        (c for c in pool if capacity[c.clip_id] > 0), key=lambda c: (-capacity[c.clip_id], c.key)
    )
    supply = Counter(rule.bucket(c.answer) for c in open_pool)
    for buckets in rule.sets(supply, size):
        scarce = min(dict.fromkeys(buckets), key=lambda b: (supply[b], str(b)))
        anchors = [c for c in open_pool if rule.bucket(c.answer) == scarce]
        for anchor in anchors:
            members = _partners(anchor, open_pool, buckets, scarce, rule, capacity, margin_sigma)
            if members is not None:
                return deal(members, rule)
    return None


def _partners(
    anchor: Candidate,
    pool: Sequence[Candidate],
    buckets: Sequence[str | int],
    scarce: str | int,
    rule: OptionRule,
    capacity: Mapping[str, int],
    margin_sigma: float,
) -> list[Candidate] | None:
    """The first compatible candidates, one per bucket."""
    members = [anchor]
    used: MutableMapping[str, int] = Counter({anchor.clip_id: 1})
    wanted = list(buckets)
    wanted.remove(scarce)
    for candidate in pool:
        bucket = rule.bucket(candidate.answer)
        if (
            bucket in wanted
            and used[candidate.clip_id] < capacity[candidate.clip_id]
            and all(apart(rule, candidate, member, margin_sigma) for member in members)
        ):
            members.append(candidate)
            used[candidate.clip_id] += 1
            wanted.remove(bucket)
        if not wanted:
            return members
    return None


def deal(members: Sequence[Candidate], rule: OptionRule) -> list[Dealt]:
    """Give each member the common options, its right one at a letter no other member has."""
    keys = sorted(member.key for member in members)
    letters = np.random.default_rng(seed_for("letters", *keys)).permutation(len(members))
    texts = {member.key: rule.text(member.answer) for member in members}
    dealt = []
    for member in sorted(members, key=lambda m: m.key):
        index = int(letters[keys.index(member.key)])
        wrong = sorted(texts[key] for key in keys if key != member.key)
        order = np.random.default_rng(seed_for("options", member.key, *keys)).permutation(
            len(wrong)
        )
        shuffled = [wrong[int(i)] for i in order]
        options = (*shuffled[:index], texts[member.key], *shuffled[index:])
        dealt.append(
            Dealt(member, options, index, margin(rule, member.answer, member.sigma, options))
        )
    return dealt
