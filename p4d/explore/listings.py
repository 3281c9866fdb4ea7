"""What the lists show: rows of one page, the controls above them, and links."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from p4d.audit.champion import champion_text
from p4d.errors import P4DError
from p4d.explore import filters
from p4d.explore.catalogue import MEASURES, Catalogue
from p4d.explore.clip_view import card
from p4d.explore.filters import Choice, Page, Query
from p4d.explore.question_rows import LEFT_OUT, RELEASED
from p4d.explore.tables import Stamp
from p4d.foreign_text import one_line
from p4d.project import Project
from p4d.versioning.ledger.ledger import LEDGER_PATH

Values = dict[str, Any]

ROWS = 50
CLIPS = 24
QUESTIONS = 25


def overview(project: Project, catalogue: Catalogue) -> Values:
    """The first page: totals, shards, students, what is unreadable."""
    return {
        "catalogue": catalogue,
        "shards": _shards(catalogue),
        "totals": _totals(catalogue),
        "arms": _arms(catalogue),
        "decision": _decision(project),
        "root": project.root,
    }


def _decision(project: Project) -> str:
    """Which student is champion, and the last decision, in words."""
    files = (project.data / "champion" / "champions.jsonl", project.root / LEDGER_PATH)
    return _decision_at(project, *(Stamp.of(path) for path in files))


@functools.lru_cache(maxsize=1)
def _decision_at(project: Project, decisions: Stamp | None, ledger: Stamp | None) -> str:
    """As `_decision`; asked again only when one of the two files changes."""
    del decisions, ledger
    try:
        return champion_text(project)
    except (P4DError, OSError) as error:
        return f"The decisions cannot be read: {one_line(error)}"


def videos(catalogue: Catalogue, query: Query) -> Values:
    """Landed files, one row each."""
    page = filters.page_of(filters.matching_videos(catalogue, query), query, ROWS)
    return _list("/videos", query, page, filters.video_choices(catalogue, query))


def clips(catalogue: Catalogue, query: Query) -> Values:
    """Clips, one card each."""
    page = filters.page_of(filters.matching_clips(catalogue, query), query, CLIPS)
    own = filters.clip_choices(catalogue, query)
    of_questions = filters.question_choices(catalogue, query)
    found = _list("/clips", query, page, own, of_questions)
    beside = ("video_id", "refused_family", "refused_reason")  # set by links alone
    hidden = {name: query[name] for name in beside if query.get(name)}
    measure = query.get("measure", "")
    return {**found, "measures": MEASURES, "measure": measure, "hidden": hidden}


def questions(catalogue: Catalogue, query: Query) -> Values:
    """Questions, one card each."""
    page = filters.page_of(filters.matching_questions(catalogue, query), query, QUESTIONS)
    shards = ((shard, shard) for shard in catalogue.shards)
    controls = [
        Choice(name="text", label="text or id", value=query.get("text", "")),
        Choice(name="shard", label="shard", value=query.get("shard", ""), options=tuple(shards)),
        *filters.question_choices(catalogue, query),
    ]
    found = _list("/questions", query, page, controls)
    return {**found, "cards": [card(row, catalogue.arms) for row in page.rows]}


def refused(catalogue: Catalogue, query: Query) -> Values:
    """Refused candidates, one row per family and reason."""
    rows = filters.matching_refusals(catalogue, query)
    page = filters.page_of(rows, query, ROWS)
    found = _list("/refused", query, page, filters.refusal_choices(catalogue, query))
    shard = {"shard": query["shard"]} if query.get("shard") else {}
    to_clips = functools.partial(filters.link, "/clips", shard)
    return {**found, "candidates": int(rows["count"].sum()), "clips_link": to_clips}


def neighbours(catalogue: Catalogue, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The clips before and after one, in the order of the list."""
    ids = catalogue.clips["clip_id"]
    found = catalogue.clips.with_row_index("place").filter(clip_id=row["clip_id"])["place"]
    place = int(found[0])
    return (
        ids[place - 1] if place else None,
        ids[place + 1] if place + 1 < len(ids) else None,
    )


def _list(
    path: str,
    query: Query,
    page: Page,
    controls: Sequence[Choice],
    more: Sequence[Choice] = (),
) -> Values:
    known = [*controls, *more]
    return {
        "page": page,
        "controls": controls,
        "more": more,
        "query": query,
        "link": functools.partial(filters.link, path, query),
        "is_set": [control for control in known if control.value],
    }


def _totals(catalogue: Catalogue) -> list[tuple[int, str, str]]:
    """Number, word and link of what there is."""
    clips, found = catalogue.clips, catalogue.questions
    released = found.filter(pl.col("standing") == RELEASED)
    waiting = found.filter(pl.col("standing") == LEFT_OUT)
    reviewed = int(found["verdict"].is_not_null().sum())
    return [
        (len(catalogue.videos), "files landed", "/videos"),
        (int((catalogue.videos["outcome"] != "ok").sum()), "rejected", "/videos?outcome=rejected"),
        (len(clips), "clips", "/clips"),
        (len(released), "questions released", "/questions?standing=released"),
        (len(waiting), "not in the release", "/questions?standing=not+in+the+release"),
        (int(catalogue.refusals["count"].sum()), "candidates refused", "/refused"),
        (reviewed, "questions reviewed", "/questions?verdict=any"),
    ]


def _shards(catalogue: Catalogue) -> list[Values]:
    """One row per shard: counts of each step."""
    counts = {
        "files": catalogue.videos,
        "rejected": catalogue.videos.filter(pl.col("outcome") != "ok"),
        "clips": catalogue.clips,
        "not ok": catalogue.clips.filter(pl.col("outcome") != "ok"),
        "questions": catalogue.questions,
        "reviewed": catalogue.questions.filter(pl.col("verdict").is_not_null()),
    }
    by_shard = {
        name: dict(table.group_by("shard").len().iter_rows()) for name, table in counts.items()
    }
    refused_by = dict(catalogue.refusals.group_by("shard").agg(pl.col("count").sum()).iter_rows())
    splits = dict(
        catalogue.clips.drop_nulls("split").group_by("shard").agg(pl.col("split")).iter_rows()
    )
    return [
        {
            "shard": shard,
            "counts": {name: of.get(shard, 0) for name, of in by_shard.items()},
            "refused": refused_by.get(shard, 0),
            "splits": _counted(splits.get(shard, [])),
            "blocked": catalogue.blocked.get(shard, ""),
        }
        for shard in catalogue.shards
    ]


def _counted(values: Sequence[str]) -> dict[str, int]:
    return {name: values.count(name) for name in ("train", "val", "test") if name in values}


def _arms(catalogue: Catalogue) -> list[Values]:
    """Accuracy of each student by category, and where it answered better than another one."""
    answered = catalogue.questions
    rows = []
    for arm in catalogue.arms:
        right = answered.drop_nulls(f"{arm}_correct")
        by_category = right.group_by("category").agg(pl.col(f"{arm}_correct").mean())
        rows.append(
            {
                "arm": arm,
                "asked": len(right),
                "right": int(right[f"{arm}_correct"].sum()),
                "by_category": dict(by_category.iter_rows()),
            }
        )
    return rows
