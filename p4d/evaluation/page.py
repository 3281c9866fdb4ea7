"""Renders the page of an evaluation: one HTML file, offline, without scripts.

It shows scores with intervals, a confusion table per category, and a sample of errors with the
pictures as the student saw them. `page.html.j2` holds the HTML; this module computes what it shows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from p4d.errors import P4DError
from p4d.evaluation.scoring.benchmark_metrics import COLUMNS
from p4d.evaluation.scoring.predictions import SCORING_METHODS
from p4d.ids import seed_for
from p4d.pages.render import data_uri, render
from p4d.students.data.clip_reader import Visual
from p4d.students.model.chat import LETTERS

ERRORS_PER_CATEGORY = 4

_MOST_WORDS = 10
"""A confusion table of more different answers shows letters."""

_TILE_PX = 128
_SHOWN_FRAMES = 8
_CHART_LEFT, _CHART_WIDTH, _CHART_ROW, _CHART_AXIS = 250, 560, 26, 34

View = Mapping[str, Any]
"""Values of a part of the page, under the names that the template reads."""


def render_page(
    found: Mapping[str, Any], table: pl.DataFrame, visual_of: Callable[[str], Visual]
) -> str:
    """The page as text.

    Args:
        found: content of `metrics.json`.
        table: `predictions.parquet`.
        visual_of: pictures of an item by id; where they cannot be read, the page gives the reason.
    """
    primary = found["primary_metric"]
    rows = _with_given(table.filter(pl.col("outcome") == "ok"), primary)
    left_out = table.filter(pl.col("outcome") != "ok").sort("qa_id")
    return render(
        "evaluation/page.html.j2",
        found=found,
        primary=SCORING_METHODS[primary],
        cards=_cards(found),
        scores=_scores(found),
        published=_published(found),
        card=_card_rows(found["reproduction"]),
        chart=_chart(found),
        confusions=list(_confusions(rows)),
        errors=list(_errors(rows, visual_of)),
        most_errors=ERRORS_PER_CATEGORY,
        left_out=left_out.select("qa_id", "outcome", "reason").to_dicts(),
    )


# --- numbers ----------------------------------------------------------------------------------


def _with_given(rows: pl.DataFrame, primary: str) -> pl.DataFrame:
    """Add the index of the given answer, and the score by the primary metric."""
    if primary == "likelihood":
        given = pl.col("option_logp").list.arg_max().cast(pl.Int64)
    else:
        given = pl.col("parsed_index")
    return rows.with_columns(given=given, score=pl.col(primary))


def _cards(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The main numbers, each with its caption."""
    cards = []
    if "accuracy" in found:
        interval = f"[{found['low']:.3f}, {found['high']:.3f}]"
        cards.append((f"{found['accuracy']:.3f}", f"accuracy {interval}"))
    if found["chance"] is not None:
        cards.append((f"{found['chance']:.3f}", "chance"))
    if "mean_relative_accuracy" in found:
        cards.append((f"{found['mean_relative_accuracy']:.3f}", "mean relative accuracy"))
    cards.append((str(found["items"]), f"items of {found['groups']} videos"))
    if found["generated"]:
        cards.append((f"{found['unparsed_share']:.1%}", "of generated texts without an answer"))
    left = sum(n for outcome, n in found["outcomes"].items() if outcome != "ok")
    if left:
        cards.append((str(left), "failed or rejected, not in the means"))
    return cards


def _scores(found: Mapping[str, Any]) -> View:
    """The columns of R4D-Bench by scoring method, in per cent."""
    by_method = found["twelve_columns"]
    shown = [short for short in COLUMNS if any(of[short] is not None for of in by_method.values())]
    rows = [
        {
            "name": SCORING_METHODS[method],
            "primary": method == found["primary_metric"],
            "columns": [by_method[method][short] for short in shown],
        }
        for method in SCORING_METHODS
        if method in by_method
    ]
    return {"heads": shown, "rows": rows}


def _published(found: Mapping[str, Any]) -> View:
    """The score by the benchmark's own rule beside ours, and the settings behind both."""
    published, primary = found["published"], found["primary_metric"]
    run = found["run"]
    used = {
        "prompt": run["prompt"],
        "frames": run["frames"],
        "max_new_tokens": run["answer_tokens"],
    }
    names = {"prompt": "prompt", "frames": "frames", "max_new_tokens": "longest reply, tokens"}
    headlines = found["headline"]
    return {
        **{key: published[key] for key in ("script", "figures", "remarks", "differs")},
        "mean_over": headlines["mean_over"],
        "ours": [
            (SCORING_METHODS[method], headlines[method], method == primary)
            for method in SCORING_METHODS
            if method in headlines and method != "published_rule"
        ],
        "settings": [
            {
                "name": names[key],
                "used": used[key],
                "published": value,
                "differs": key in published["differs"],
            }
            for key, value in published["settings"].items()
        ],
    }


def _card_rows(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The reproduction card, a row per entry."""
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    rest = {key.replace("_", " "): value for key, value in card.items() if key != "versions"}
    return [("versions", versions), *((name, str(value)) for name, value in rest.items())]


def _chart(found: Mapping[str, Any]) -> View | None:
    """Positions, in pixels, of a dot and an interval per category; None without scores."""
    scores = found["scores"].get(found["primary_metric"], {})
    if not scores:
        return None

    def x(share: float) -> float:
        return _CHART_LEFT + _CHART_WIDTH * share

    known = [name for name in COLUMNS.values() if name in scores]
    names = [*known, *sorted(set(scores) - set(known))]
    rows = [
        {
            "name": name,
            "y": 18 + number * _CHART_ROW,
            "x": x(of["value"]),
            "low_x": x(of["low"]),
            "high_x": x(of["high"]),
            **{key: of[key] for key in ("n", "value", "low", "high")},
        }
        for number, name in enumerate(names)
        for of in (scores[name],)
    ]
    right = _CHART_LEFT + _CHART_WIDTH
    return {
        "left": _CHART_LEFT,
        "right": right,
        "width": right + 180,
        "height": _CHART_ROW * len(scores) + _CHART_AXIS,
        "ticks": [(x(k / 4), f"{k / 4:g}") for k in range(5)],
        "chance_x": None if found["chance"] is None else x(found["chance"]),
        "rows": rows,
    }


def _confusions(rows: pl.DataFrame) -> Iterator[View]:
    """Per category, how often each answer was given for each right answer."""
    choices = rows.filter((pl.col("kind") == "mcq") & pl.col("answer_index").is_not_null())
    for category in sorted(set(choices["category"].to_list())):
        part = choices.filter(pl.col("category") == category)
        pairs = []
        words = {row["options"][row["answer_index"]] for row in part.iter_rows(named=True)}
        by_letter = len(words) > _MOST_WORDS
        for row in part.iter_rows(named=True):
            names = LETTERS if by_letter else row["options"]
            given = None if row["given"] is None else names[row["given"]]
            pairs.append((names[row["answer_index"]], given))
        yield {"category": category, **_matrix(pairs)}


def _matrix(pairs: Sequence[tuple[str, str | None]]) -> View:
    right = sorted({truth for truth, _ in pairs})
    others = sorted({given for _, given in pairs if given is not None} - set(right))
    columns: list[str | None] = [*right, *others]
    if any(given is None for _, given in pairs):
        columns.append(None)
    counts = {(r, c): sum(pair == (r, c) for pair in pairs) for r in right for c in columns}
    rows = []
    for r in right:
        total = max(sum(counts[r, c] for c in columns), 1)
        cells = [
            {"count": counts[r, c], "share": 0.75 * counts[r, c] / total, "hit": c == r}
            for c in columns
        ]
        rows.append({"name": r, "cells": cells})
    return {"heads": ["unparsed" if c is None else c for c in columns], "rows": rows}


# --- errors -----------------------------------------------------------------------------------


def _errors(
    rows: pl.DataFrame, visual_of: Callable[[str], Visual]
) -> Iterator[tuple[str, int, list[View]]]:
    """Per category: its name, how many answers are wrong, and a sample of them."""
    wrong = rows.filter(pl.col("score") < 1)
    for category in sorted(set(wrong["category"].to_list())):
        part = wrong.filter(pl.col("category") == category).to_dicts()
        drawn = sorted(part, key=lambda row: seed_for("gallery", row["qa_id"]))
        yield category, len(part), [_item(row, visual_of) for row in drawn[:ERRORS_PER_CATEGORY]]


def _item(row: Mapping[str, Any], visual_of: Callable[[str], Visual]) -> View:
    view: dict[str, Any] = {
        **{name: row[name] for name in ("qa_id", "family", "question", "text")},
        "pictures": (),
        "missing": "",
        "options": (),
    }
    try:
        view["pictures"] = list(_pictures(visual_of(row["qa_id"])))
    except P4DError as error:
        view["missing"] = str(error)
    if row["kind"] == "numeric":
        parsed = row["parsed_value"]
        view["right"] = f"{row['answer_value']:g}"
        view["given"] = "no readable number" if parsed is None else f"{parsed:g}"
    else:
        view["options"] = list(_options(row))
    return view


def _options(row: Mapping[str, Any]) -> Iterator[View]:
    """The options, each with its share of the likelihood where it was scored."""
    shares = np.exp(np.array(row["option_logp"] or [], np.float64))
    shares = shares / shares.sum() if len(shares) else shares
    for index, (letter, option) in enumerate(zip(LETTERS, row["options"], strict=False)):
        right, given = index == row["answer_index"], index == row["given"]
        yield {
            "letter": letter,
            "text": option,
            "share": float(shares[index]) if index < len(shares) else None,
            "tag": " and ".join([*(["right"] if right else []), *(["given"] if given else [])]),
            "style": "right" if right else "given" if given else "",
        }


def _pictures(visual: Visual) -> Iterator[tuple[str, str]]:
    """The marked picture and some frames: each as a URI, with its caption."""
    yield _jpeg_uri(visual.frames[0]), "marks"
    last = len(visual.frames) - 1
    for index in np.unique(np.linspace(1, last, min(last, _SHOWN_FRAMES)).astype(int)):
        yield _jpeg_uri(visual.frames[index]), f"{visual.times_s[index]:.2f} s"


def _jpeg_uri(rgb_hw3: np.ndarray) -> str:
    picture = Image.fromarray(rgb_hw3)
    if max(picture.size) > _TILE_PX:
        picture.thumbnail((_TILE_PX, _TILE_PX), Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88, subsampling=0)
    return data_uri(stream.getvalue(), "image/jpeg")
