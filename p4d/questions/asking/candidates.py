"""Candidates: every question that the facts of a shard could answer, as columns.

One candidate is one row of integers and floats; texts are made of those that are asked alone
(compose.py). A family's facts are joined by clip, regions and interval.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.ids import seed_for
from p4d.questions.asking.balance import Hashes, Ints, mix, near_equal, radix_order, ranks
from p4d.questions.asking.distractors import Counts, Numbers, Words
from p4d.questions.asking.families import FAMILIES, Evidence, Family
from p4d.splits import SPLITS

KINDS = tuple(sorted({kind for f in FAMILIES for e in f.evidence for kind in e.all_kinds}))
MOST_FACTS = max(len(e.all_kinds) for f in FAMILIES for e in f.evidence)
MOST_MARKS = 10  # marks are single digits; 0 is none
NONE = -1
# Of one family, interval and answer, or nearly equal number. A clip gets few questions of a
# category, so more would only cost time.
ALIKE_PER_CLIP = 2


class FactColumns:
    """The facts of a shard that some family needs, sorted by kind.

    Attributes:
        row: place in the table of facts.
        kind, clip, span, text: codes; clips by their place in the table of clips, spans and texts
            by their place in `spans` and `texts`; a text is NONE where there is none.
        region: [n, 3], codes of the first three regions by their place in the table of regions.
        mark: [n, 3], their marks, 0 where there is none.
        value, sigma: of each fact.
        clip_hash, span_hash: of each clip and of each span.

    """

    def __init__(self, clips: pl.DataFrame, regions: pl.DataFrame, facts: pl.DataFrame) -> None:
        kind = _codes(facts["kind"], pl.Series(KINDS))
        clip = _codes(facts["clip_id"], clips["clip_id"])
        known = np.flatnonzero((kind != NONE) & (clip != NONE))
        # What follows is broken into kinds by slices; within a kind the order decides nothing.
        self.row: Ints = known[np.argsort(kind[known].astype(np.int16), kind="stable")]
        self.kind: Ints = kind[self.row]
        self.clip: Ints = clip[self.row]
        self.value: NDArray[np.float64] = facts["value"].to_numpy()[self.row]
        self.sigma: NDArray[np.float64] = facts["sigma"].to_numpy()[self.row]
        self.spans, self.span = _spans(
            facts["start_ns"].to_numpy()[self.row], facts["end_ns"].to_numpy()[self.row]
        )
        words = facts["value_text"].drop_nulls().unique().sort()
        self.texts: list[str] = words.to_list()
        self.text = _codes(facts["value_text"], words)[self.row]
        self.region = _first_regions(facts["region_ids"], regions["region_id"], self.row)
        marks = np.append(regions["mark"].to_numpy().astype(np.int64), 0)
        self.mark: Ints = marks[self.region]
        self._bounds = np.searchsorted(self.kind, np.arange(len(KINDS) + 1))
        self._sorted: dict[tuple[str, bool], tuple[Ints, Ints]] = {}
        self.clip_hash = hashes_of(clips["clip_id"])
        self.span_hash = np.array([mix(*span)[0] for span in self.spans], dtype=np.uint64)

    def of(self, kind: str) -> Ints:
        """Rows of a kind."""
        code = KINDS.index(kind)
        return np.arange(self._bounds[code], self._bounds[code + 1])

    @cached_property
    def _about(self) -> Ints:
        """Clip and regions as one number."""
        key = self.clip
        for column in range(3):
            key = key * MOST_MARKS + self.mark[:, column]
        return np.asarray(key)

    def _key(self, rows: Ints, *, whole_clip: bool) -> Ints:
        if whole_clip:
            return np.asarray(self.clip[rows] * MOST_MARKS + self.mark[rows, 0])
        return np.asarray(self._about[rows] * len(self.spans) + self.span[rows])

    def beside(self, rows: Ints, kind: str, *, whole_clip: bool = False) -> Ints:
        """For each row the row of another kind about the same regions, NONE where there is none.

        Args:
            rows: of one kind.
            kind: the other.
            whole_clip: about the first region, whatever the interval; else in the same one.
        """
        if (kind, whole_clip) not in self._sorted:
            others = self.of(kind)
            keys = self._key(others, whole_clip=whole_clip)
            order = np.argsort(keys, kind="stable")
            self._sorted[(kind, whole_clip)] = (keys[order], others[order])
        keys, others = self._sorted[(kind, whole_clip)]
        if not len(others):
            return np.full(len(rows), NONE)
        wanted = self._key(rows, whole_clip=whole_clip)
        place = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
        return np.asarray(np.where(keys[place] == wanted, others[place], NONE))


def _codes(column: pl.Series, words: pl.Series) -> Ints:
    """Places of strings in a list of unique ones; NONE for null and for strangers."""
    if not len(words):
        return np.full(len(column), NONE)
    codes = column.cast(pl.Enum(words), strict=False).to_physical()
    return np.asarray(codes.cast(pl.Int64).fill_null(NONE).to_numpy())


def _first_regions(region_ids: pl.Series, known: pl.Series, rows: Ints) -> Ints:
    """Codes of the first three regions of the lists of some rows, [n, 3]."""
    lengths = region_ids.list.len().to_numpy().astype(np.int64)
    starts, lengths = (np.cumsum(lengths) - lengths)[rows], lengths[rows]
    codes = np.append(_codes(region_ids.explode(empty_as_null=False), known), NONE)
    regions = np.empty((len(rows), 3), dtype=np.int64)
    for i in range(3):
        regions[:, i] = codes[np.where(lengths > i, starts + i, NONE)]
    return regions


def _spans(start_ns: Ints, end_ns: Ints) -> tuple[list[tuple[int, int]], Ints]:
    """The different intervals, in order, and which of them each row has."""
    starts, ends = (pl.Series(column).unique().sort().to_numpy() for column in (start_ns, end_ns))
    both = np.searchsorted(starts, start_ns) * len(ends) + np.searchsorted(ends, end_ns)
    used = np.flatnonzero(np.bincount(both, minlength=len(starts) * len(ends)))
    spans = [(int(starts[one // len(ends)]), int(ends[one % len(ends)])) for one in used]
    return spans, np.searchsorted(used, both)


def hashes_of(ids: pl.Series) -> Hashes:
    """A number of each id: its 16 hex digits, or a hash of any other string."""
    if not len(ids):
        return np.zeros(0, dtype=np.uint64)
    digits = ids.str.extract(r"_([0-9a-f]{16})$")
    if digits.null_count():
        return np.array([seed_for(one) for one in ids.to_list()], dtype=np.uint64)
    joined = bytes.fromhex(digits.str.join("").item())
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


@dataclass(frozen=True)
class Candidates:
    """Columns of candidates; rows of facts refer to `FactColumns`.

    Attributes:
        family: place in FAMILIES.
        clip: place in the table of clips.
        pool: number of what reads alike in one split.
        word: of words, the place in `Options.texts`; of counts, the count; else 0.
        values: [n, 3], of numbers; unused ones are zero.
        sigma: in the unit of the options.
        fact: [n, MOST_FACTS], rows of facts, NONE where there are fewer.
        mark: [n, 3] as the text names them.
        key: hash of family, clip, interval, marks and answer.
        turn: who goes first among equal words of a pool: one of each clip before the second of
            any, by hash between clips.

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
        """How many there are."""
        return len(self.family)

    def of(self, rows: NDArray) -> Candidates:
        """Some of them."""
        return Candidates(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class Options:
    """Texts of word options, each with a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._number: dict[str, int] = {}
        self._hashes: list[int] = []

    def number(self, text: str) -> int:
        """The number of a text, a new one if it is new."""
        if text not in self._number:
            self._number[text] = len(self.texts)
            self.texts.append(text)
            self._hashes.append(seed_for(text))
        return self._number[text]

    def hashes(self) -> Hashes:
        """A hash of each text."""
        return np.array(self._hashes or [0], dtype=np.uint64)


@dataclass(frozen=True)
class Found:
    """Candidates, and how many per family and clip were refused at once.

    Attributes:
        candidates: of all families.
        options: texts of their words.
        lacking: [families, clips], whether the clip lacks a fact.
        uncertain: [families, clips], whose margin is too small whatever the options.
        crowded: [families, clips], beyond ALIKE_PER_CLIP.

    """

    candidates: Candidates
    options: Options
    lacking: NDArray[np.bool_]
    uncertain: Ints
    crowded: Ints


def find(facts: FactColumns, split: Ints, margin_sigma: float) -> Found:
    """All candidates of all families.

    Args:
        facts: of one shard.
        split: number of the split of each clip.
        margin_sigma: least margin of words and counts; that of numbers depends on the options.
    """
    options = Options()
    shape = (len(FAMILIES), len(split))
    uncertain, crowded = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    lacking = np.zeros(shape, dtype=bool)
    present = np.zeros((len(KINDS), len(split)), dtype=bool)
    present[facts.kind, facts.clip] = True
    parts = []
    for code, family in enumerate(FAMILIES):
        lacking[code] = ~np.any(
            [present[[KINDS.index(k) for k in e.all_kinds]].all(axis=0) for e in family.evidence],
            axis=0,
        )
        for evidence in family.evidence:
            answers = _answers(facts, family, evidence, options)
            if not isinstance(family.rule, Numbers):
                certain = answers.sigma * margin_sigma <= 1.0
                uncertain[code] += np.bincount(answers.clip(facts)[~certain], minlength=len(split))
                answers = answers.of(certain)
            parts.append(_candidates(facts, code, answers, split, options, crowded[code]))
    return Found(_joined(parts), options, lacking, uncertain, crowded)


def _joined(parts: list[Candidates]) -> Candidates:
    columns = {f.name: [getattr(p, f.name) for p in parts] for f in fields(Candidates)}
    return Candidates(**{name: np.concatenate(column) for name, column in columns.items()})


@dataclass(frozen=True)
class _Answers:
    """What facts say: rows [n, kinds], marks [n, 3], words, values [n, 3] and sigmas."""

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


def _answers(facts: FactColumns, family: Family, evidence: Evidence, options: Options) -> _Answers:
    rows = _evidence_rows(facts, evidence)
    mark = facts.mark[rows[:, 0]]
    if evidence.kinds == ("absent_mark",):
        # Only numbers that other clips do have: a text cannot know that this one lacks it.
        mark[:, 0] = facts.value[rows[:, 0]].astype(np.int64)
        shown = mark[:, 0] <= facts.mark.max(initial=0)
        rows, mark = rows[shown], mark[shown]
    values = np.zeros((len(rows), 3))
    word = np.zeros(len(rows), dtype=np.int64)
    said = np.ones(len(rows), dtype=bool)
    if isinstance(family.rule, Numbers):
        values[:, : rows.shape[1]] = family.factor * facts.value[rows]
        sigma = abs(family.factor) * facts.sigma[rows].max(axis=1, initial=0.0)
    elif isinstance(family.rule, Counts):
        word = np.rint(facts.value[rows[:, 0]]).astype(np.int64)
        sigma = facts.sigma[rows[:, 0]]
    else:
        word, said = _said(facts, evidence, rows, options)
        # Facts without a word are places in the text, not part of the answer.
        worded = np.where(facts.text[rows] >= 0, facts.sigma[rows], 0.0)
        sigma = worded.max(axis=1, initial=0.0)
    return _Answers(rows, mark, word, values, np.maximum(sigma, 1e-6)).of(said)


def _candidates(
    facts: FactColumns,
    code: int,
    answers: _Answers,
    split: Ints,
    options: Options,
    crowded: Ints,
) -> Candidates:
    """Candidates of a family; those beyond ALIKE_PER_CLIP are counted in `crowded` instead."""
    family, rows, mark, word = FAMILIES[code], answers.rows, answers.mark, answers.word
    clip = answers.clip(facts)
    span = facts.span[rows[:, 0]]
    reads = (span if "when" in family.slots else 0) * MOST_MARKS
    reads = reads + (mark[:, 0] if family.by_mark else 0)
    pool = (code * max(1, len(facts.spans)) * MOST_MARKS + reads) * len(SPLITS) + split[clip]
    # A clip has one fact of a kind about the same regions in the same interval.
    about = (mark[:, 0] * MOST_MARKS + mark[:, 1]) * MOST_MARKS + mark[:, 2]
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
    fact = np.full((len(order), MOST_FACTS), NONE)
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


def _evidence_rows(facts: FactColumns, evidence: Evidence) -> Ints:
    """Rows of facts that go together, [n, kinds]."""
    first = facts.of(evidence.kinds[0])
    columns = [first, *(facts.beside(first, kind) for kind in evidence.kinds[1:])]
    if evidence.attribute is not None:
        columns.append(facts.beside(first, evidence.attribute, whole_clip=True))
    rows = np.stack(columns, axis=1)
    if rows.shape[1] == 1:
        return rows
    return np.asarray(rows[(rows != NONE).all(axis=1)])


def _said(
    facts: FactColumns, evidence: Evidence, rows: Ints, options: Options
) -> tuple[Ints, NDArray[np.bool_]]:
    """Numbers of the options that rows of facts say, and which rows say one."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    # An attribute has as many words as there are names, and says nothing.
    texts = facts.text[rows[:, : len(evidence.kinds)]]
    base = len(facts.texts) + 1
    # Facts of a kind all have a word or none has.
    worded = np.flatnonzero(texts[0] != NONE)
    code = np.zeros(len(rows), dtype=np.int64)
    for column in worded:
        code = code * base + texts[:, column]
    used = pl.Series(code).unique().sort().to_numpy()
    numbers = []
    for one in used.tolist():
        words: list[str | None] = [None] * len(evidence.kinds)
        for column in reversed(worded):
            one, text = divmod(one, base)
            words[column] = facts.texts[text]
        said = evidence.answer_word(words)
        numbers.append(NONE if said is None else options.number(said))
    word = np.array(numbers)[np.searchsorted(used, code)]
    return word, word >= 0
