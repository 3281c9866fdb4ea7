"""Candidates: every question that the facts of a shard could answer, as columns.

A candidate is one row of integers and floats; texts are made only for those that are asked
(question_table.py). The facts of a family are joined by clip, regions and interval.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from p4d.ids import seed_for
from p4d.questions.asking.fact_columns import KINDS, MARK_CODES, MAX_FACTS, NONE, FactColumns
from p4d.questions.asking.families import FAMILIES, Evidence, QuestionFamily
from p4d.questions.asking.number_groups import Spacing, near_equal
from p4d.questions.asking.option_rules import Counts, Numbers, Words
from p4d.questions.columns import Hashes, Ints, mix, radix_order, ranks
from p4d.splits import SPLITS

# Of one family, interval and equal or nearly equal answer. A clip gets few questions of a category,
# so more would only cost time.
ALIKE_PER_CLIP = 2


@dataclass(frozen=True)
class Candidates:
    """Columns of candidates; rows of facts refer to `FactColumns`.

    Attributes:
        family: index in FAMILIES.
        clip: row in the table of clips.
        pool: number of the candidates that read alike within one split.
        word: for words, the index in `OptionTexts.texts`; for counts, the count; else 0.
        values: [n, 3], for numbers; unused ones are zero.
        sigma: in the unit of the options.
        fact: [n, MAX_FACTS], rows of facts, NONE if there are fewer.
        mark: [n, 3] as the text names them.
        key: hash of family, clip, interval, marks and answer.
        turn: order among equal words of a pool: the first of each clip before the second of any
            clip, by hash between clips.

    """

    family: Ints
    clip: Ints
    pool: Ints
    word: Ints
    values: NDArray[np.float64]
    sigma: NDArray[np.float64]
    fact: Ints
    mark: Ints
    key: Hashes
    turn: Hashes

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.family)

    def of(self, rows: NDArray) -> Candidates:
        """Select some of them."""
        return Candidates(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class OptionTexts:
    """Texts of word options, each with a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._number: dict[str, int] = {}
        self._hashes: list[int] = []

    def number(self, text: str) -> int:
        """Return the number of a text; a new text gets a new number."""
        if text not in self._number:
            self._number[text] = len(self.texts)
            self.texts.append(text)
            self._hashes.append(seed_for(text))
        return self._number[text]

    def hashes(self) -> Hashes:
        """Return a hash of each text."""
        return np.array(self._hashes or [0], dtype=np.uint64)


@dataclass(frozen=True)
class FoundCandidates:
    """Candidates, and how many per family and clip were refused at once.

    Attributes:
        candidates: of all families.
        options: texts of their words.
        lacking: [families, clips], whether the clip lacks a fact.
        uncertain: [families, clips], how many have too small a margin for any options.
        crowded: [families, clips], how many exceed ALIKE_PER_CLIP.

    """

    candidates: Candidates
    options: OptionTexts
    lacking: NDArray[np.bool_]
    uncertain: Ints
    crowded: Ints


def find(
    facts: FactColumns,
    split: Ints,
    margin_sigma: float,
    *,
    seconds: bool = False,
    pictures: Ints | None = None,
) -> FoundCandidates:
    """Find all candidates of all families.

    Args:
        facts: of one shard.
        split: number of the split of each clip.
        margin_sigma: minimum margin of words and counts; that of numbers depends on the options.
        seconds: whether families ask that need the seconds of the frames.
        pictures: of each clip, a number that clips with equal pictures share; these families then
            exchange options among such clips only, about the same regions.
    """
    options = OptionTexts()
    shape = (len(FAMILIES), len(split))
    uncertain, crowded = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    lacking = np.zeros(shape, dtype=bool)
    present = np.zeros((len(KINDS), len(split)), dtype=bool)
    present[facts.kind, facts.clip] = True
    parts: list[Candidates] = []
    for code, family in enumerate(FAMILIES):
        if family.needs_seconds and not seconds:
            continue
        lacking[code] = ~np.any(
            [present[[KINDS.index(k) for k in e.all_kinds]].all(axis=0) for e in family.evidence],
            axis=0,
        )
        for evidence in family.evidence:
            rows = _evidence_rows(facts, evidence)
            if parts and not len(rows):  # of most families, in a shard of one kind of clips
                continue
            answers = _answers(facts, family, evidence, rows, options)
            if not isinstance(family.rule, Numbers):
                certain = answers.sigma * margin_sigma <= 1.0
                uncertain[code] += np.bincount(answers.clip(facts)[~certain], minlength=len(split))
                answers = answers.of(certain)
            found = _candidates(facts, code, answers, split, options, crowded[code])
            if family.needs_seconds and pictures is not None:
                found = _among_equal_pictures(found, pictures, split, facts)
            parts.append(found)
    return FoundCandidates(_joined(parts), options, lacking, uncertain, crowded)


def _joined(parts: list[Candidates]) -> Candidates:
    columns = {f.name: [getattr(p, f.name) for p in parts] for f in fields(Candidates)}
    return Candidates(**{name: np.concatenate(column) for name, column in columns.items()})


@dataclass(frozen=True)
class _Answers:
    """The answers that facts give: rows [n, kinds], marks [n, 3], words, values [n, 3], sigmas."""

    rows: Ints
    mark: Ints
    word: Ints
    values: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def of(self, wanted: NDArray[np.bool_]) -> _Answers:
        if wanted.all():
            return self
        rows = np.flatnonzero(wanted)
        return _Answers(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def clip(self, facts: FactColumns) -> Ints:
        return np.asarray(facts.clip[self.rows[:, 0]])


def _answers(
    facts: FactColumns, family: QuestionFamily, evidence: Evidence, rows: Ints, options: OptionTexts
) -> _Answers:
    """Return the answers that the rows of one kind of evidence give to a family."""
    mark = facts.mark[rows[:, 0]]
    if evidence.kinds in (("absent_mark",), ("unmarked_number",)):
        # Only numbers that other clips have, so that the text does not reveal the absence.
        mark[:, 0] = facts.value[rows[:, 0]].astype(np.int64)
        shown = mark[:, 0] <= facts.mark.max(initial=0)
        rows, mark = rows[shown], mark[shown]
    values = np.zeros((len(rows), 3))
    word = np.zeros(len(rows), dtype=np.int64)
    answered = np.ones(len(rows), dtype=bool)
    if isinstance(family.rule, Numbers):
        values[:, : rows.shape[1]] = family.factor * facts.value[rows]
        sigma = abs(family.factor) * facts.sigma[rows].max(axis=1, initial=0.0)
    elif isinstance(family.rule, Counts):
        word = np.rint(facts.value[rows[:, 0]]).astype(np.int64)
        sigma = facts.sigma[rows[:, 0]]
    else:
        word, answered = _answer_words(facts, evidence, rows, options)
        # Facts without a word fill a slot of the text and are not part of the answer.
        worded = np.where(facts.text[rows] >= 0, facts.sigma[rows], 0.0)
        sigma = worded.max(axis=1, initial=0.0)
    return _Answers(rows, mark, word, values, np.maximum(sigma, 1e-6)).of(answered)


def _candidates(
    facts: FactColumns,
    code: int,
    answers: _Answers,
    split: Ints,
    options: OptionTexts,
    crowded: Ints,
) -> Candidates:
    """Return the candidates of a family; those beyond ALIKE_PER_CLIP are counted in `crowded`."""
    family, rows, mark, word = FAMILIES[code], answers.rows, answers.mark, answers.word
    clip = answers.clip(facts)
    span = facts.span[rows[:, 0]]
    reads = (span if "when" in family.slots else 0) * MARK_CODES
    reads = reads + (mark[:, 0] if family.by_mark else 0)
    pool = (code * max(1, len(facts.spans)) * MARK_CODES + reads) * len(SPLITS) + split[clip]
    # A clip has one fact of a kind about the same regions in the same interval.
    about = (mark[:, 0] * MARK_CODES + mark[:, 1]) * MARK_CODES + mark[:, 2]
    answer, alike = [options.hashes()[word]] if isinstance(family.rule, Words) else [word], word
    if isinstance(family.rule, Numbers):
        rounded = family.rule.rounded(answers.values)
        answer = [rounded[:, i] for i in range(rows.shape[1])]
        rule, single = family.rule, rows.shape[1] == 1
        gap, ratio = np.full(len(rows), rule.least_gap), np.full(len(rows), rule.least_ratio)
        alike = near_equal(answers.values[:, 0], gap, ratio) if single else word
    clip_hash, span_hash = facts.clip_hash[clip], facts.span_hash[span]
    key = mix(f"family {family.name}", clip_hash, span_hash, about, *answer)[: len(rows)]
    order = radix_order(key, clip, alike, pool)
    again = ranks(pool[order], alike[order], clip[order])
    few = again < ALIKE_PER_CLIP
    crowded += np.bincount(clip[order[~few]], minlength=len(crowded))
    order, again = order[few], again[few].astype(np.uint64)
    fact = np.full((len(order), MAX_FACTS), NONE)
    fact[:, : rows.shape[1]] = rows[order]
    key = key[order]
    return Candidates(
        family=np.full(len(order), code),
        clip=clip[order],
        pool=pool[order],
        word=word[order],
        values=answers.values[order],
        sigma=answers.sigma[order],
        fact=fact,
        mark=mark[order],
        key=key,
        turn=np.asarray((again << np.uint64(52)) | (key >> np.uint64(12)), dtype=np.uint64),
    )


def _among_equal_pictures(
    found: Candidates, pictures: Ints, split: Ints, facts: FactColumns
) -> Candidates:
    """Return the candidates in pools of equal pictures and regions, beyond all other pools."""
    beyond = len(FAMILIES) * max(1, len(facts.spans)) * MARK_CODES * len(SPLITS)
    about = (found.mark[:, 0] * MARK_CODES + found.mark[:, 1]) * MARK_CODES + found.mark[:, 2]
    place = found.family * (pictures.max(initial=0) + 1) + pictures[found.clip]
    pool = (place * MARK_CODES**3 + about) * len(SPLITS) + split[found.clip]
    return replace(found, pool=beyond + pool)


def _evidence_rows(facts: FactColumns, evidence: Evidence) -> Ints:
    """Return the rows of facts that belong together, [n, kinds]."""
    first = facts.of(evidence.kinds[0])
    columns = [first, *(facts.beside(first, kind) for kind in evidence.kinds[1:])]
    if evidence.attribute is not None:
        columns.append(facts.beside(first, evidence.attribute, whole_clip=True))
    rows = np.stack(columns, axis=1)
    if rows.shape[1] == 1:
        return rows
    return np.asarray(rows[(rows != NONE).all(axis=1)])


def _answer_words(
    facts: FactColumns, evidence: Evidence, rows: Ints, options: OptionTexts
) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the numbers of the options that rows of facts give, and which rows give one."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    # An attribute has as many words as there are names, and is not part of the answer.
    texts = facts.text[rows[:, : len(evidence.kinds)]]
    base = len(facts.texts) + 1
    # Either all facts of a kind have a word, or none has.
    worded = np.flatnonzero(texts[0] != NONE)
    code = np.zeros(len(rows), dtype=np.int64)
    for column in worded:
        code = code * base + texts[:, column]
    used, place = np.unique(code, return_inverse=True)
    numbers = []
    for one in used.tolist():
        words: list[str | None] = [None] * len(evidence.kinds)
        for column in reversed(worded):
            one, text = divmod(one, base)
            words[column] = facts.texts[text]
        answer = evidence.answer_word(words)
        numbers.append(NONE if answer is None else options.number(answer))
    word = np.array(numbers)[place]
    return word, word >= 0


def spacing_of(family: Ints) -> Spacing:
    """Return the minimum distances of each candidate's family; zeros without numbers."""
    table = np.array(
        [
            (10.0**-r.decimals, r.least_gap, r.least_ratio, r.most_ratio)
            if isinstance(r, Numbers)
            else (1.0, 0.0, 0.0, 0.0)
            for r in (f.rule for f in FAMILIES)
        ]
    )
    return Spacing(*table[family].T)
