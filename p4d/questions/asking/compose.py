"""Stage `questions`: from facts to multiple-choice questions, in balanced exchange groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.artifacts import read_table, write_table
from p4d.categories import CATEGORIES
from p4d.config import QuestionsParams, ReleaseParams
from p4d.errors import ConfigError, ContractError
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.asking.balance import (
    LETTERS,
    Groups,
    Hashes,
    Ints,
    Spacing,
    count_groups,
    deal,
    mix,
    number_groups,
    number_margins,
    radix_order,
    ranks,
    within_shares,
    word_groups,
)
from p4d.questions.asking.candidates import (
    NONE,
    Candidates,
    FactColumns,
    Found,
    find,
    hashes_of,
)
from p4d.questions.asking.distractors import Counts, Numbers, Words, margin, written
from p4d.questions.asking.families import BY_NAME, FAMILIES
from p4d.questions.facts.table import Fact
from p4d.questions.wording import interval
from p4d.splits import SPLITS, split_for

SCHEMA: dict[str, Any] = {
    "qa_id": pl.String,
    "clip_id": pl.String,
    "video_id": pl.String,
    "category": pl.String,
    "family": pl.String,
    "frame": pl.String,
    "template": pl.String,
    "question": pl.String,
    "options": pl.List(pl.String),
    "answer_index": pl.Int64,
    "answer": pl.String,
    "answer_text": pl.String,
    "fact_ids": pl.List(pl.String),
    "region_ids": pl.List(pl.String),
    "margin_sigma": pl.Float64,
    "dynamic": pl.Boolean,
    "has_truth": pl.Boolean,
}
REFUSALS_SCHEMA: dict[str, Any] = {
    "clip_id": pl.String,
    "category": pl.String,
    "family": pl.String,
    "reason": pl.String,
    "count": pl.Int64,
}

NO_FACT = "the clip lacks a fact it needs"
UNCERTAIN = "margin of the answer below the limit"
NO_PARTNERS = "no partners with other answers to exchange options with"
CLIP_FULL = "a clip of its exchange group has its share of questions"
CROWDED = "the clip has enough candidates that read and answer alike"
REASONS = (NO_FACT, UNCERTAIN, CROWDED, NO_PARTNERS, CLIP_FULL)

_CATEGORY = np.array([CATEGORIES.index(family.category) for family in FAMILIES])
_TEMPLATES = [text for family in FAMILIES for text in family.phrasings]
_TEMPLATE_HASHES = np.array([seed_for(text) for text in _TEMPLATES], dtype=np.uint64)
_FIRST_TEMPLATE = np.cumsum([0, *(len(family.phrasings) for family in FAMILIES)])


@dataclass(frozen=True)
class Composed:
    """Questions and refused candidates, as their tables."""

    questions: pl.DataFrame
    refusals: pl.DataFrame


def build_questions(inputs: StageInputs, out: Path) -> StageReport:
    """Write `questions.parquet` and `refusals.parquet` of one shard."""
    params: QuestionsParams = inputs.params("questions")
    table = read_table(inputs.folder("clips") / "clips.parquet").filter(pl.col("outcome") == "ok")
    regions = read_table(inputs.folder("regions") / "regions.parquet")
    facts = read_table(inputs.folder("facts") / "facts.parquet")
    composed = compose(table, regions, facts, params, inputs.params("release"))
    write_table(out / "questions.parquet", composed.questions, sort_by=["qa_id"])
    write_table(
        out / "refusals.parquet",
        composed.refusals,
        sort_by=["clip_id", "category", "family", "reason"],
    )
    asked = composed.questions.height
    by_category = Counter(composed.questions["category"].to_list())
    inputs.progress(table.height, table.height, f"{asked} questions")
    return StageReport(
        rows={"ok": asked, "filtered": int(composed.refusals["count"].sum())},
        metrics={
            "questions": asked,
            "clips_with_questions": composed.questions["clip_id"].n_unique(),
            **{f"questions_{name}": by_category[name] for name in CATEGORIES},
        },
    )


def compose(
    clips: pl.DataFrame,
    regions: pl.DataFrame,
    facts: pl.DataFrame,
    params: QuestionsParams,
    splits: ReleaseParams,
) -> Composed:
    """All questions of a shard.

    Exchange groups are drawn per family, interval and split. Then categories take turns, and the
    families within each, until every clip has its share: in all, and of one category at most twice
    what would be even.

    Args:
        clips: clip_id, video_id, has_truth.
        regions: clip_id, region_id, mark; rows without a mark are not looked at.
        facts: `facts.parquet`; facts of other clips are not looked at.
        params: margins, options per question and shares.
        splits: which split a video falls into.
    """
    clips = clips.sort("clip_id")
    regions = regions.filter(pl.col("mark").is_not_null()).sort("clip_id", "mark")
    split = _splits(clips, splits)
    columns = FactColumns(clips, regions, facts)
    found = find(columns, split, params.margin_sigma)
    candidates = _of_families(found.candidates, params.families)
    drawn = _groups(candidates, found, params)
    in_group = np.zeros(len(candidates), dtype=bool)
    is_asked = np.zeros(len(candidates), dtype=bool)
    tables = []
    for groups in _with_room(drawn, candidates, split, len(clips), params):
        is_asked[groups.members.ravel()] = True
        tables.append(_table(groups, candidates, found, columns, clips, regions, facts))
    for groups in drawn:
        in_group[groups.members.ravel()] = True
    questions = pl.concat(tables) if tables else pl.DataFrame(schema=SCHEMA)
    reason = np.where(in_group, REASONS.index(CLIP_FULL), REASONS.index(NO_PARTNERS))
    refusals = _refusals(candidates, reason, is_asked, found, clips)
    return Composed(questions.sort("qa_id"), refusals)


def _of_families(candidates: Candidates, names: Sequence[str]) -> Candidates:
    """Those of the named families; all, if none is named."""
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise ConfigError(f"questions.families: unknown {unknown}; known are {sorted(BY_NAME)}")
    if not names:
        return candidates
    return candidates.of(_rows_of(candidates, [family.name in names for family in FAMILIES]))


def _splits(clips: pl.DataFrame, params: ReleaseParams) -> Ints:
    by_video = {video: SPLITS.index(split_for(video, params)) for video in set(clips["video_id"])}
    return np.array([by_video[video] for video in clips["video_id"]], dtype=np.int64)


def _groups(candidates: Candidates, found: Found, params: QuestionsParams) -> list[Groups]:
    """Exchange groups of all families, at most one `Groups` per rule and size."""
    rules = [family.rule for family in FAMILIES]
    always = {rule.always for rule in rules if isinstance(rule, Words)}
    groups = []
    for words in sorted(always):
        rows = _rows_of(candidates, [isinstance(r, Words) and r.always == words for r in rules])
        numbers = tuple(found.options.number(text) for text in words)
        some = candidates.of(rows)
        drawn = word_groups(
            some.pool, some.word, some.turn, Words().size(params.options), numbers,
        )  # fmt: skip
        groups.append(Groups(rows[drawn.members], drawn.pool))
    rows = _rows_of(candidates, [isinstance(rule, Counts) for rule in rules])
    some = candidates.of(rows)
    drawn = count_groups(
        some.pool, some.word, some.turn, Counts().size(params.options),
    )  # fmt: skip
    groups.append(Groups(rows[drawn.members], drawn.pool))
    rows = _rows_of(candidates, [isinstance(rule, Numbers) for rule in rules])
    some = candidates.of(rows)
    drawn = number_groups(
        some.pool, some.values, some.sigma, some.key, _spacing(some.family), params.options,
        params.margin_sigma,
    )  # fmt: skip
    groups.append(Groups(rows[drawn.members], drawn.pool))
    return [one for one in groups if len(one.members)]


def _rows_of(candidates: Candidates, wanted: Sequence[bool]) -> Ints:
    return np.flatnonzero(np.array(wanted)[candidates.family])


def _spacing(family: Ints) -> Spacing:
    """What the rule of each candidate's family says; nothing of rules that are not of numbers."""
    table = np.array(
        [
            (10.0**-r.decimals, r.least_gap, r.least_ratio, r.most_ratio)
            if isinstance(r, Numbers)
            else (1.0, 0.0, 0.0, 0.0)
            for r in (f.rule for f in FAMILIES)
        ]
    )
    return Spacing(*table[family].T)


def _with_room(
    drawn: Sequence[Groups],
    candidates: Candidates,
    split: Ints,
    n_clips: int,
    params: QuestionsParams,
) -> list[Groups]:
    """The groups that are asked, so that no clip gets more than its share."""
    if not drawn:
        return []
    size = max(groups.members.shape[1] for groups in drawn)
    # Groups of fewer options are filled up with a clip that always has room.
    clips = np.concatenate(
        [
            np.pad(candidates.clip[g.members], ((0, 0), (0, size - g.members.shape[1])),
                   constant_values=n_clips)
            for g in drawn
        ]
    )  # fmt: skip
    first = np.concatenate([groups.members[:, 0] for groups in drawn])
    chance = np.concatenate(
        [np.bitwise_xor.reduce(candidates.key[g.members], axis=1) for g in drawn]
    )
    family, part = candidates.family[first], split[candidates.clip[first]]
    order = _in_turns(_CATEGORY[family], family, part, chance)
    share = -(-params.max_per_clip // len(CATEGORIES))
    asked = np.zeros(len(order), dtype=bool)
    asked[order] = within_shares(
        clips[order], _CATEGORY[family][order], (n_clips, len(CATEGORIES)),
        params.max_per_clip, 2 * share,
    )  # fmt: skip
    ends = np.cumsum([len(groups.members) for groups in drawn])[:-1]
    return [
        Groups(groups.members[mine], groups.pool[mine])
        for groups, mine in zip(drawn, np.split(asked, ends), strict=True)
        if mine.any()
    ]


def _together(candidates: Candidates, groups: Groups) -> Hashes:
    """A hash of each group's members, in whatever order."""
    return np.asarray(np.bitwise_xor.reduce(candidates.key[groups.members], axis=1))


def _in_turns(category: Ints, family: Ints, split: Ints, chance: Hashes) -> Ints:
    """An order of groups in which categories take turns, and in each of them its families."""
    order = radix_order(chance, family, split)
    round_of_family = np.empty(len(order), dtype=np.int64)
    round_of_family[order] = ranks(split[order], family[order])
    order = radix_order(chance, round_of_family, category, split)
    round_of_category = np.empty(len(order), dtype=np.int64)
    round_of_category[order] = ranks(split[order], category[order])
    return radix_order(chance, category, round_of_category)


def _table(
    groups: Groups,
    candidates: Candidates,
    found: Found,
    columns: FactColumns,
    clips: pl.DataFrame,
    regions: pl.DataFrame,
    facts: pl.DataFrame,
) -> pl.DataFrame:
    """Rows of `questions.parquet`, with all texts."""
    letters, orders = deal(groups.members, candidates.key)
    n, size = groups.members.shape
    asked = candidates.of(groups.members.ravel())
    answers = _answer_texts(asked, found)
    places = (np.arange(n)[:, None, None] * size + orders).reshape(-1)
    options = answers.gather(places).reshape((n * size, size)).arr.to_list()
    index = letters.ravel()
    template = _FIRST_TEMPLATE[asked.family] + (
        mix(asked.key, "phrasing") % np.diff(_FIRST_TEMPLATE)[asked.family].astype(np.uint64)
    ).astype(np.int64)
    together = np.repeat(_together(candidates, groups), size)
    fact_ids = _lists(facts["fact_id"], _fact_rows(asked, columns))
    evidence = hashes_of(fact_ids.explode())
    lengths = fact_ids.list.len().to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    cited = np.bitwise_xor.reduceat(mix(evidence), starts)
    qa = mix(asked.key, together, _TEMPLATE_HASHES[template], index, cited)
    family = asked.family
    return pl.DataFrame(
        {
            "qa_id": _ids("qa", qa),
            "clip_id": clips["clip_id"].gather(asked.clip),
            "video_id": clips["video_id"].gather(asked.clip),
            "category": _gather([f.category for f in FAMILIES], family),
            "family": _gather([f.name for f in FAMILIES], family),
            "frame": _gather([f.frame for f in FAMILIES], family),
            "template": _gather(_TEMPLATES, template),
            "question": _questions(asked, template, columns),
            "options": options,
            "answer_index": index,
            "answer": _gather(list(LETTERS), index),
            "answer_text": answers,
            "fact_ids": fact_ids,
            "region_ids": _lists(regions["region_id"], _regions(asked, columns)),
            "margin_sigma": np.minimum(_margins(groups, candidates), 1e6).round(3),
            "dynamic": np.array([f.dynamic for f in FAMILIES])[family],
            "has_truth": clips["has_truth"].gather(asked.clip),
        },
        schema=SCHEMA,
    )


def _gather(texts: Sequence[str], places: NDArray) -> pl.Series:
    return pl.Series(texts, dtype=pl.String).gather(places.astype(np.int64))


def _ids(prefix: str, hashes: Hashes) -> pl.Series:
    digits = hashes.astype(">u8").tobytes().hex()
    return pl.Series([f"{prefix}_{digits[i : i + 16]}" for i in range(0, len(digits), 16)])


def _lists(values: pl.Series, rows: Ints) -> pl.Series:
    """A list per row, without the places that are NONE."""
    with_none = values.extend_constant(None, 1)
    columns = [with_none.gather(np.where(r == NONE, len(values), r)).alias(str(i))
               for i, r in enumerate(rows.T)]  # fmt: skip
    return pl.DataFrame(columns).select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()


def _fact_rows(asked: Candidates, columns: FactColumns) -> Ints:
    return np.where(asked.fact == NONE, NONE, columns.row[asked.fact])


def _regions(asked: Candidates, columns: FactColumns) -> Ints:
    """Regions that the text names; a mark that is not there names none."""
    named = np.array([family.named_regions for family in FAMILIES])[asked.family]
    region = columns.region[asked.fact[:, 0]]
    return np.where(np.arange(3) < named[:, None], region, NONE)


def _answer_texts(asked: Candidates, found: Found) -> pl.Series:
    """The right option of each, as it is written."""
    texts = np.empty(len(asked), dtype=object)
    for code in np.unique(asked.family):
        rule, mine = FAMILIES[code].rule, asked.family == code
        if isinstance(rule, Words):
            texts[mine] = np.array(found.options.texts, dtype=object)[asked.word[mine]]
        elif isinstance(rule, Counts):
            texts[mine] = written(asked.word[mine], 0)
        else:
            dims = len(FAMILIES[code].evidence[0].kinds)
            texts[mine] = rule.write(rule.rounded(asked.values[mine, :dims]))
    return pl.Series(texts.tolist(), dtype=pl.String)


def _questions(asked: Candidates, template: Ints, columns: FactColumns) -> pl.Series:
    """Texts of the questions: every slot of the templates filled."""
    first = asked.fact[:, 0]
    last = np.take_along_axis(asked.fact, (asked.fact != NONE).sum(axis=1)[:, None] - 1, axis=1)
    tags = ["", *(f"<obj_{mark}>" for mark in range(1, 10))]
    fills = {
        "when": _gather([interval(*span) for span in columns.spans], columns.span[first]),
        "a": _gather(tags, asked.mark[:, 0]),
        "b": _gather(tags, asked.mark[:, 1]),
        "c": _gather(tags, asked.mark[:, 2]),
        "name": _gather([*columns.texts, ""], columns.text[last[:, 0]] % (len(columns.texts) + 1)),
        "point": _points(asked, columns),
    }
    frame = pl.DataFrame({"template": _gather(_TEMPLATES, template), **fills})
    text = pl.col("template")
    for slot in fills:
        text = text.str.replace("{" + slot + "}", pl.col(slot), literal=True)
    return frame.select(text).to_series()


def _points(asked: Candidates, columns: FactColumns) -> pl.Series:
    """(right, down, ahead) of the last three facts of families that name a point."""
    texts = np.full(len(asked), "", dtype=object)
    points = np.array(["point" in family.slots for family in FAMILIES])[asked.family]
    for row in np.flatnonzero(points):
        rows = asked.fact[row]
        values = columns.value[rows[rows != NONE][-3:]]
        texts[row] = f"({', '.join(written(np.rint(values * 10).astype(np.int64), 1))})"
    return pl.Series(texts.tolist(), dtype=pl.String)


def _margins(groups: Groups, candidates: Candidates) -> NDArray[np.float64]:
    """By how many sigmas the right option leads, of each member."""
    family = candidates.family[groups.members[:, 0]]
    if isinstance(FAMILIES[family[0]].rule, Numbers):
        return number_margins(
            groups.members, candidates.values, candidates.sigma, _spacing(candidates.family)
        ).ravel()
    return np.asarray(1.0 / candidates.sigma[groups.members.ravel()])


def _refusals(
    candidates: Candidates, reason: Ints, is_asked: NDArray, found: Found, clips: pl.DataFrame
) -> pl.DataFrame:
    """Counts per clip, family and reason."""
    shape = (len(REASONS), len(FAMILIES), len(clips))
    at = np.ravel_multi_index((reason, candidates.family, candidates.clip), shape)
    counts = np.bincount(at[~is_asked], minlength=int(np.prod(shape))).reshape(shape)
    counts[REASONS.index(NO_FACT)] = found.lacking
    counts[REASONS.index(UNCERTAIN)] = found.uncertain
    counts[REASONS.index(CROWDED)] = found.crowded
    # Clips are sorted; with the others in the order of their names the rows come sorted, too.
    families = sorted(range(len(FAMILIES)), key=lambda f: (FAMILIES[f].category, FAMILIES[f].name))
    reasons = sorted(range(len(REASONS)), key=REASONS.__getitem__)
    counts = counts.transpose(2, 1, 0)[:, families][:, :, reasons]
    clip, family, why = np.nonzero(counts)
    return pl.DataFrame(
        {
            "clip_id": clips["clip_id"].gather(clip),
            "category": _gather([FAMILIES[f].category for f in families], family),
            "family": _gather([FAMILIES[f].name for f in families], family),
            "reason": _gather([REASONS[r] for r in reasons], why),
            "count": counts[clip, family, why].astype(np.int64),
        },
        schema=REFUSALS_SCHEMA,
    )


def recompute(question_row: Mapping[str, Any], facts: Iterable[Fact] | Mapping[str, Fact]) -> int:
    """The index of the right option by the question's facts alone.

    Args:
        question_row: a row of `questions.parquet`; its stored answer is not looked at.
        facts: facts that contain the question's, or a mapping by `fact_id`.

    Raises:
        ContractError: a fact or the family is missing, or no single option is nearest.

    """
    by_id = facts if isinstance(facts, Mapping) else {fact.fact_id: fact for fact in facts}
    name = question_row["qa_id"]
    missing = [fact_id for fact_id in question_row["fact_ids"] if fact_id not in by_id]
    if missing:
        raise ContractError(f"{name}: facts {missing} are missing; rebuild facts and questions")
    if question_row["family"] not in BY_NAME:
        raise ContractError(f"{name}: unknown family {question_row['family']!r}")
    family = BY_NAME[question_row["family"]]
    answer = family.answer([by_id[fact_id] for fact_id in question_row["fact_ids"]])
    options = list(question_row["options"])
    if not margin(family.rule, answer, 1.0, options) > 0:
        raise ContractError(f"{name}: {answer!r} fits no single one of the options {options}")
    distances = family.rule.distances(answer, options)
    return distances.index(min(distances))
