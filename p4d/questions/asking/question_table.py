"""Rows of `questions.parquet`: ids, texts, options and margins of the candidates that are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.ids import seed_for
from p4d.questions.asking.candidates import Candidates, OptionTexts, spacing_of
from p4d.questions.asking.exchange_groups import Groups
from p4d.questions.asking.fact_columns import NONE, FactColumns
from p4d.questions.asking.families import FAMILIES
from p4d.questions.asking.letters import LETTERS, deal
from p4d.questions.asking.number_groups import number_margins
from p4d.questions.asking.option_rules import Counts, Numbers, Words, written
from p4d.questions.columns import Hashes, Ints, gather, hashes_of, mix
from p4d.questions.wording import interval

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

_TEMPLATES = [text for family in FAMILIES for text in family.phrasings]
_TEMPLATE_HASHES = np.array([seed_for(text) for text in _TEMPLATES], dtype=np.uint64)
_FIRST_TEMPLATE = np.cumsum([0, *(len(family.phrasings) for family in FAMILIES)])


@dataclass(frozen=True)
class ShardTables:
    """What the questions of a shard are made of.

    Attributes:
        clips: sorted by id.
        regions: with a mark, sorted by clip and mark.
        facts: `facts.parquet`.
        columns: the facts that some family needs.
    """

    clips: pl.DataFrame
    regions: pl.DataFrame
    facts: pl.DataFrame
    columns: FactColumns


@dataclass(frozen=True)
class _Dealt:
    """Some groups with their letters, one row per member.

    Attributes:
        members: rows of candidates.
        together: a hash that the members of a group share.
        phrased: a hash that selects the phrasing.
        letter: place of the right answer.
        orders: rows of candidates whose answers are the options, [n, size].
        margin: by how many sigmas the right option leads.
    """

    members: Ints
    together: Hashes
    phrased: Hashes
    letter: Ints
    orders: Ints
    margin: NDArray[np.float64]


def question_table(
    asked: Sequence[Groups],
    candidates: Candidates,
    option_texts: OptionTexts,
    tables: ShardTables,
) -> pl.DataFrame:
    """Return the rows of `questions.parquet` of all groups, with all texts."""
    if not asked:
        return pl.DataFrame(schema=SCHEMA)
    parts = [_dealt(groups, candidates) for groups in asked]
    members, together, phrased, letter, margin = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("members", "together", "phrased", "letter", "margin")
    )
    chosen, columns = candidates.of(members), tables.columns
    family, clip = chosen.family, chosen.clip
    answers = _answer_texts(chosen, option_texts)
    text_of = dict(zip(members.tolist(), answers, strict=True))
    options = pl.concat([_options(part, text_of) for part in parts])
    phrasings = np.diff(_FIRST_TEMPLATE)[family].astype(np.uint64)
    template = _FIRST_TEMPLATE[family] + (phrased % phrasings).astype(np.int64)
    fact_ids = _lists(tables.facts["fact_id"], _fact_rows(chosen, columns))
    qa = mix(chosen.key, together, _TEMPLATE_HASHES[template], letter, _hash_of_lists(fact_ids))
    return pl.DataFrame(
        {
            "qa_id": _ids("qa", qa),
            "clip_id": tables.clips["clip_id"].gather(clip),
            "video_id": tables.clips["video_id"].gather(clip),
            "category": gather([f.category for f in FAMILIES], family),
            "family": gather([f.name for f in FAMILIES], family),
            "frame": gather([f.frame for f in FAMILIES], family),
            "template": gather(_TEMPLATES, template),
            "question": _questions(chosen, template, columns),
            "options": options,
            "answer_index": letter,
            "answer": gather(list(LETTERS), letter),
            "answer_text": answers,
            "fact_ids": fact_ids,
            "region_ids": _lists(tables.regions["region_id"], _regions(chosen, columns)),
            "margin_sigma": np.minimum(margin, 1e6).round(3),
            "dynamic": np.array([f.dynamic for f in FAMILIES])[family],
            "has_truth": tables.clips["has_truth"].gather(clip),
        },
        schema=SCHEMA,
    )


def _dealt(groups: Groups, candidates: Candidates) -> _Dealt:
    """Deal the letters and the orders of the options of some groups."""
    members, key = groups.members, candidates.key
    letters, orders = deal(members, key)
    if groups.same_text:
        letters, orders = _one_order(letters)
    n, size = members.shape
    together = np.repeat(np.bitwise_xor.reduce(key[members], axis=1), size)
    rows = members.ravel()
    return _Dealt(
        members=rows,
        together=together,
        phrased=mix(together if groups.same_text else key[rows], "phrasing"),
        letter=letters.ravel(),
        orders=members[np.arange(n)[:, None, None], orders].reshape(n * size, size),
        margin=_margins(groups, candidates),
    )


def _options(part: _Dealt, text_of: Mapping[int, str]) -> pl.Series:
    """Return the texts of the options, one list per member."""
    texts = [text_of[row] for row in part.orders.ravel().tolist()]
    return pl.Series(texts, dtype=pl.String).reshape(part.orders.shape).arr.to_list()


def _one_order(letters: Ints) -> tuple[Ints, Ints]:
    """Return letters, and the order of options that every member of a group then has."""
    order = np.argsort(letters, axis=1)  # the member whose answer has the first letter, and so on
    return letters, np.repeat(order[:, None, :], letters.shape[1], axis=1)


def _hash_of_lists(ids: pl.Series) -> Hashes:
    """Return a hash of each list of ids, independent of the order within it."""
    lengths = ids.list.len().to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    return np.asarray(np.bitwise_xor.reduceat(mix(hashes_of(ids.explode())), starts))


def _ids(prefix: str, hashes: Hashes) -> pl.Series:
    digits = hashes.astype(">u8").tobytes().hex()
    return pl.Series([f"{prefix}_{digits[i : i + 16]}" for i in range(0, len(digits), 16)])


def _lists(values: pl.Series, rows: Ints) -> pl.Series:
    """Return one list per row, without the places that are NONE."""
    with_none = values.extend_constant(None, 1)
    columns = [with_none.gather(np.where(r == NONE, len(values), r)).alias(str(i))
               for i, r in enumerate(rows.T)]  # fmt: skip
    return pl.DataFrame(columns).select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()


def _fact_rows(asked: Candidates, columns: FactColumns) -> Ints:
    return np.where(asked.fact == NONE, NONE, columns.row[asked.fact])


def _regions(asked: Candidates, columns: FactColumns) -> Ints:
    """Return the regions that the text names; a mark that does not exist names none."""
    named = np.array([family.named_regions for family in FAMILIES])[asked.family]
    region = columns.region[asked.fact[:, 0]]
    return np.where(np.arange(3) < named[:, None], region, NONE)


def _answer_texts(asked: Candidates, option_texts: OptionTexts) -> list[str]:
    """Return the text of the right option of each candidate."""
    texts = np.empty(len(asked), dtype=object)
    for code in np.unique(asked.family):
        rule, mine = FAMILIES[code].rule, asked.family == code
        if isinstance(rule, Words):
            texts[mine] = np.array(option_texts.texts, dtype=object)[asked.word[mine]]
        elif isinstance(rule, Counts):
            texts[mine] = written(asked.word[mine], 0)
        else:
            dims = len(FAMILIES[code].evidence[0].kinds)
            texts[mine] = rule.write(rule.rounded(asked.values[mine, :dims]))
    found: list[str] = texts.tolist()
    return found


def _questions(asked: Candidates, template: Ints, columns: FactColumns) -> pl.Series:
    """Return the texts of the questions, with all slots of the templates filled."""
    first = asked.fact[:, 0]
    last = np.take_along_axis(asked.fact, (asked.fact != NONE).sum(axis=1)[:, None] - 1, axis=1)
    tags = ["", *(f"<obj_{mark}>" for mark in range(1, 10))]
    fills = {
        "when": gather([interval(*span) for span in columns.spans], columns.span[first]),
        "a": gather(tags, asked.mark[:, 0]),
        "b": gather(tags, asked.mark[:, 1]),
        "c": gather(tags, asked.mark[:, 2]),
        "name": gather([*columns.texts, ""], columns.text[last[:, 0]] % (len(columns.texts) + 1)),
        "point": _points(asked, columns),
    }
    frame = pl.DataFrame({"template": gather(_TEMPLATES, template), **fills})
    text = pl.col("template")
    for slot in fills:
        text = text.str.replace("{" + slot + "}", pl.col(slot), literal=True)
    return frame.select(text).to_series()


def _points(asked: Candidates, columns: FactColumns) -> pl.Series:
    """Return (right, down, ahead) of the last three facts, for families that name a point."""
    texts = np.full(len(asked), "", dtype=object)
    points = np.array(["point" in family.slots for family in FAMILIES])[asked.family]
    for row in np.flatnonzero(points):
        rows = asked.fact[row]
        values = columns.value[rows[rows != NONE][-3:]]
        texts[row] = f"({', '.join(written(np.rint(values * 10).astype(np.int64), 1))})"
    return pl.Series(texts.tolist(), dtype=pl.String)


def _margins(groups: Groups, candidates: Candidates) -> NDArray[np.float64]:
    """Return by how many sigmas the right option of each member leads."""
    family = candidates.family[groups.members[:, 0]]
    if isinstance(FAMILIES[family[0]].rule, Numbers):
        return number_margins(
            groups.members, candidates.values, candidates.sigma, spacing_of(candidates.family)
        ).ravel()
    return np.asarray(1.0 / candidates.sigma[groups.members.ravel()])
