"""Filters of the lists: from the query string of a page to rows of the catalogue.

A filter that is not set takes everything. A value that no row has finds nothing; a value that
cannot be read, such as a page of `-1`, is an error that names it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import polars as pl

from p4d.artifacts import scan_table
from p4d.categories import CATEGORIES
from p4d.errors import QueryError
from p4d.explore.catalogue import MEASURES, Catalogue
from p4d.explore.question_rows import STANDINGS
from p4d.review.verdicts import DECISIONS

UNREVIEWED, REVIEWED = "none", "any"
RIGHT, WRONG = "right", "wrong"

Query = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One control of a form.

    Attributes:
        name: of the parameter.
        label: for people.
        value: as it is set now; "" takes everything.
        options: value and text of each option; None for a text field.
    """

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """A slice of the rows that pass.

    Attributes:
        rows: of this page.
        total: how many rows pass in all.
        number: of this page, from 1.
        pages: how many there are, at least 1.
        first: position of the first row among all that pass, from 1.
    """

    rows: list[dict[str, Any]]
    total: int
    number: int
    pages: int
    first: int


def link(path: str, query: Query, **changes: object) -> str:
    """A URL with the query and changes to it; an empty value drops the parameter."""
    merged = {**query, **{name: str(value) for name, value in changes.items()}}
    text = urlencode({name: value for name, value in merged.items() if value})
    return f"{path}?{text}" if text else path


def page_of(rows: pl.DataFrame, query: Query, size: int) -> Page:
    """The page that the parameter `page` asks for; one behind the last is the last.

    Raises:
        QueryError: it is no positive number.
    """
    text = query.get("page") or "1"
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise QueryError(f"page={text[:40]!a}: a page is a number from 1")
    pages = max(1, math.ceil(len(rows) / size))
    number = min(int(text), pages)
    first = (number - 1) * size
    return Page(
        rows=rows.slice(first, size).to_dicts(),
        total=len(rows),
        number=number,
        pages=pages,
        first=first + 1,
    )


# --- questions --------------------------------------------------------------------------------


def question_choices(catalogue: Catalogue, query: Query) -> list[Choice]:
    """The controls over questions."""
    questions = catalogue.questions
    decisions = ((name, name) for name in DECISIONS)
    reviewed = [(UNREVIEWED, "not reviewed"), (REVIEWED, "reviewed"), *decisions]
    choices = [
        _choice("category", query, ((name, name) for name in CATEGORIES)),
        _choice("family", query, _values(questions, "family")),
        _choice("split", query, ((s, s) for s in ("train", "val", "test"))),
        _choice("standing", query, ((s, s) for s in STANDINGS)),
        _choice("verdict", query, reviewed),
    ]
    for arm in catalogue.arms:
        found = ((RIGHT, f"{arm} right"), (WRONG, f"{arm} wrong"))
        choices.append(_choice(f"arm_{arm}", query, found, label=arm))
    return choices


def matching_questions(catalogue: Catalogue, query: Query) -> pl.DataFrame:
    """Questions that pass the filters over questions, the shard and the text."""
    passing = [*_question_rules(catalogue, query)]
    for name in ("shard", "clip_id"):
        if value := query.get(name):
            passing.append(pl.col(name) == value)
    if text := query.get("text"):
        wanted = text.lower()
        passing.append(
            pl.col("question").str.to_lowercase().str.contains(wanted, literal=True)
            | (pl.col("qa_id") == wanted)
        )
    return catalogue.questions.filter(passing) if passing else catalogue.questions


def _question_rules(catalogue: Catalogue, query: Query) -> list[pl.Expr]:
    rules = [
        pl.col(name) == value
        for name in ("category", "family", "split", "standing")
        if (value := query.get(name))
    ]
    if verdict := query.get("verdict"):
        column = pl.col("verdict")
        known = {UNREVIEWED: column.is_null(), REVIEWED: column.is_not_null()}
        rules.append(known.get(verdict, column == verdict))
    for arm in catalogue.arms:
        if result := query.get(f"arm_{arm}"):
            if result not in (RIGHT, WRONG):
                raise QueryError(f"arm_{arm}={result[:40]!a}: it is {RIGHT} or {WRONG}")
            rules.append(pl.col(f"{arm}_correct") == (result == RIGHT))
    return rules


# --- clips ------------------------------------------------------------------------------------


def clip_choices(catalogue: Catalogue, query: Query) -> list[Choice]:
    """The controls over clips; those over their questions are `question_choices`."""
    clips = catalogue.clips
    return [
        _choice("shard", query, ((s, s) for s in catalogue.shards)),
        _choice("outcome", query, ((o, o) for o in ("ok", "filtered", "failed"))),
        _choice("reason", query, _values(clips, "reason")),
        _choice("truth", query, (("yes", "exact truth"), ("no", "no truth"))),
        _choice("measure", query, MEASURES.items(), label="label quality"),
        Choice(name="least", label="at least", value=query.get("least", "")),
        Choice(name="most", label="at most", value=query.get("most", "")),
    ]


def matching_clips(catalogue: Catalogue, query: Query) -> pl.DataFrame:
    """Clips that pass, sorted by the measure of quality if one is chosen, worst first.

    A filter over questions takes the clips that have such a question; `split` is the clip's own.
    """
    rules = [
        pl.col(name) == value
        for name in ("shard", "video_id", "outcome", "reason", "split")
        if (value := query.get(name))
    ]
    if truth := query.get("truth"):
        rules.append(pl.col("has_truth") == (truth == "yes"))
    clips = catalogue.clips
    measure = query.get("measure", "")
    if measure and measure not in MEASURES:
        raise QueryError(f"measure={measure[:40]!a}: there are {', '.join(MEASURES)}")
    if measure:
        rules.append(pl.col(measure).is_not_null())
        rules += [pl.col(measure) >= least for least in _number(query, "least")]
        rules += [pl.col(measure) <= most for most in _number(query, "most")]
    if refused := _refused_clips(catalogue, query):
        rules.append(pl.col("clip_id").is_in(refused[0]))
    of_questions = _question_rules(catalogue, {k: v for k, v in query.items() if k != "split"})
    if of_questions:
        found = catalogue.questions.filter(of_questions)["clip_id"].unique()
        rules.append(pl.col("clip_id").is_in(found.implode()))
    clips = clips.filter(rules) if rules else clips
    if measure:
        worst_is_low = measure in ("coverage", "motion_iou")
        clips = clips.sort(measure, "landed", descending=[not worst_is_low, False])
    return clips


def _refused_clips(catalogue: Catalogue, query: Query) -> list[pl.Series]:
    """The clips with a refused candidate of a family or for a reason, if one is asked for."""
    asked = {
        column: query[name]
        for name, column in (("refused_family", "family"), ("refused_reason", "reason"))
        if query.get(name)
    }
    if not asked or not catalogue.refusal_files:
        return [pl.Series("clip_id", [], pl.String).implode()] if asked else []
    rules = [pl.col(column) == value for column, value in asked.items()]
    found = scan_table(*catalogue.refusal_files).filter(rules).select("clip_id").collect()
    return [found["clip_id"].unique().implode()]


def _number(query: Query, name: str) -> list[float]:
    """The number of a parameter, if it is set."""
    text = query.get(name)
    if not text:
        return []
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise QueryError(f"{name}={text[:40]!a}: it is a number")
    return [value]


# --- refused candidates -----------------------------------------------------------------------


def matching_refusals(catalogue: Catalogue, query: Query) -> pl.DataFrame:
    """Refused candidates by category, family and reason, the most frequent first."""
    names = ("shard", "category", "family", "reason")
    rules = [pl.col(name) == value for name in names if (value := query.get(name))]
    found = catalogue.refusals.filter(rules) if rules else catalogue.refusals
    return (
        found.group_by("category", "family", "reason")
        .agg(pl.col("count", "clips").sum())
        .sort("count", "family", "reason", descending=[True, False, False])
    )


def refusal_choices(catalogue: Catalogue, query: Query) -> list[Choice]:
    """The controls over refused candidates."""
    return [
        _choice("shard", query, ((s, s) for s in catalogue.shards)),
        _choice("category", query, ((name, name) for name in CATEGORIES)),
        _choice("family", query, _values(catalogue.refusals, "family")),
        _choice("reason", query, _values(catalogue.refusals, "reason")),
    ]


# --- videos -----------------------------------------------------------------------------------


def video_choices(catalogue: Catalogue, query: Query) -> list[Choice]:
    """The controls over landed files."""
    return [
        _choice("shard", query, ((s, s) for s in catalogue.shards)),
        _choice("outcome", query, ((o, o) for o in ("ok", "rejected"))),
        _choice("reason", query, _values(catalogue.videos, "reason")),
        _choice("licence", query, _values(catalogue.videos, "licence")),
    ]


def matching_videos(catalogue: Catalogue, query: Query) -> pl.DataFrame:
    """Landed files that pass."""
    names = ("shard", "outcome", "reason", "licence")
    rules = [pl.col(name) == value for name in names if (value := query.get(name))]
    return catalogue.videos.filter(rules) if rules else catalogue.videos


# --- controls ---------------------------------------------------------------------------------


def _choice(name: str, query: Query, options: Any, label: str = "") -> Choice:  # noqa: ANN401
    """A list to choose from; a value that it lacks stays visible."""
    value, known = query.get(name, ""), tuple(options)
    if value and value not in dict(known):
        known = (*known, (value, value))
    return Choice(name=name, label=label or name, value=value, options=known)


def _values(table: pl.DataFrame, column: str) -> list[tuple[str, str]]:
    """The values of a column, with how often each occurs."""
    counted = table.drop_nulls(column).group_by(column).len().sort(column)
    return [(value, f"{value} ({count})") for value, count in counted.iter_rows()]
