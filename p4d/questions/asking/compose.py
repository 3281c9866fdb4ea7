"""Composes the questions of a shard: candidates, exchange groups, shares, and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.categories import CATEGORIES
from p4d.config import QuestionsParams, ReleaseParams
from p4d.errors import ConfigError
from p4d.questions.asking.candidates import (
    Candidates,
    OptionTexts,
    find,
    spacing_of,
)
from p4d.questions.asking.exchange_groups import Groups, count_groups, word_groups
from p4d.questions.asking.fact_columns import FactColumns
from p4d.questions.asking.families import BY_NAME, FAMILIES
from p4d.questions.asking.number_groups import number_groups
from p4d.questions.asking.option_rules import Counts, Numbers, Words
from p4d.questions.asking.question_table import ShardTables, question_table
from p4d.questions.asking.refusals import (
    CLIP_FULL,
    NO_PARTNERS,
    NOT_DRAWN,
    REASONS,
    refusal_table,
)
from p4d.questions.asking.shares import in_turns, within_shares
from p4d.questions.columns import Ints
from p4d.splits import SPLITS, is_asked, split_for

_CATEGORY = np.array([CATEGORIES.index(family.category) for family in FAMILIES])


@dataclass(frozen=True)
class ComposedQuestions:
    """Questions, and counts of the refused candidates, as their tables."""

    questions: pl.DataFrame
    refused: pl.DataFrame


def compose(
    clips: pl.DataFrame,
    regions: pl.DataFrame,
    facts: pl.DataFrame,
    params: QuestionsParams,
    splits: ReleaseParams,
) -> ComposedQuestions:
    """Compose all questions of a shard.

    Exchange groups are drawn per family, interval and split, among the videos that may be asked
    about. Then categories take turns, and the families within each, until every clip has its share:
    a maximum in total, and for each category twice an even share.

    Args:
        clips: clip_id, video_id, has_truth; if `seconds` is `pictures`, `pictures`, a text that
            clips with equal pictures share.
        regions: clip_id, region_id, mark; rows without a mark are ignored.
        facts: `facts.parquet`; facts of other clips are ignored.
        params: margins, options per question, shares, and which videos are asked about.
        splits: the fractions of the splits.
    """
    clips = clips.sort("clip_id")
    regions = regions.filter(pl.col("mark").is_not_null()).sort("clip_id", "mark")
    tables = ShardTables(clips, regions, facts, FactColumns(clips, regions, facts))
    split = _splits(clips, splits)
    found = find(
        tables.columns,
        split,
        params.margin_sigma,
        seconds=params.seconds != "none",
        pictures=_equal_pictures(clips) if params.seconds == "pictures" else None,
    )
    candidates = _of_families(found.candidates, params.families)
    open_to_questions = _open_to_questions(clips, params, splits)[candidates.clip]
    rows = np.flatnonzero(open_to_questions)
    drawn = [_of_rows(rows, g) for g in _groups(candidates.of(rows), found.options, params)]
    asked = _within_shares(drawn, candidates, split, params)
    in_group, is_asked = _members(drawn, len(candidates)), _members(asked, len(candidates))
    questions = question_table(asked, candidates, found.options, tables)
    reason = np.where(in_group, REASONS.index(CLIP_FULL), REASONS.index(NO_PARTNERS))
    reason[~open_to_questions] = REASONS.index(NOT_DRAWN)
    refused = refusal_table(candidates, reason, is_asked, found, clips)
    return ComposedQuestions(questions.sort("qa_id"), refused)


def _of_families(candidates: Candidates, names: Sequence[str]) -> Candidates:
    """Select the candidates of the named families; all, if none is named."""
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise ConfigError(f"questions.families: unknown {unknown}; known are {sorted(BY_NAME)}")
    if not names:
        return candidates
    return candidates.of(_rows_of(candidates, [family.name in names for family in FAMILIES]))


def _splits(clips: pl.DataFrame, params: ReleaseParams) -> Ints:
    by_video = {video: SPLITS.index(split_for(video, params)) for video in set(clips["video_id"])}
    return np.array([by_video[video] for video in clips["video_id"]], dtype=np.int64)


def _open_to_questions(
    clips: pl.DataFrame, params: QuestionsParams, splits: ReleaseParams
) -> NDArray[np.bool_]:
    """Return for each clip whether its video may be asked about."""
    videos = clips["video_id"].to_list()
    drawn = {video: is_asked(video, splits, params.asked_share) for video in set(videos)}
    return np.array([drawn[video] for video in videos], dtype=bool)


def _groups(candidates: Candidates, options: OptionTexts, params: QuestionsParams) -> list[Groups]:
    """Draw the exchange groups of all families, one `Groups` per rule and size."""
    rules = [family.rule for family in FAMILIES]
    groups = []
    kinds = {(rule.always, rule.max_options) for rule in rules if isinstance(rule, Words)}
    for always, most in sorted(kinds):
        alike = Words(always=always, max_options=most)
        rows = _rows_of(candidates, [rule == alike for rule in rules])
        numbers = tuple(options.number(text) for text in always)
        some, size = candidates.of(rows), alike.size(params.options)
        groups.append(_of_rows(rows, word_groups(some.pool, some.word, some.turn, size, numbers)))
    for count_rule in dict.fromkeys(rule for rule in rules if isinstance(rule, Counts)):
        rows = _rows_of(candidates, [rule == count_rule for rule in rules])
        some, size = candidates.of(rows), count_rule.size(params.options)
        groups.append(_of_rows(rows, count_groups(some.pool, some.word, some.turn, size)))
    same_pictures = params.seconds == "pictures"
    for apart in (False, True):
        rows = _rows_of(
            candidates,
            [isinstance(f.rule, Numbers) and (f.needs_seconds and same_pictures) == apart
             for f in FAMILIES],
        )  # fmt: skip
        some = candidates.of(rows)
        drawn = number_groups(
            some.pool, some.values, some.sigma, some.key, spacing_of(some.family), params.options,
            params.margin_sigma,
        )  # fmt: skip
        groups.append(replace(_of_rows(rows, drawn), same_text=apart))
    return [one for one in groups if len(one.members)]


def _equal_pictures(clips: pl.DataFrame) -> Ints:
    """Return a number per clip that clips with equal pictures share."""
    return clips["pictures"].rank("dense").to_numpy().astype(np.int64)


def _of_rows(rows: Ints, drawn: Groups) -> Groups:
    """Translate groups of a selection of candidates into groups of all candidates."""
    return replace(drawn, members=rows[drawn.members])


def _rows_of(candidates: Candidates, wanted: Sequence[bool]) -> Ints:
    return np.flatnonzero(np.array(wanted)[candidates.family])


def _members(groups: Sequence[Groups], count: int) -> np.ndarray:
    """Return for each candidate whether it is in one of the groups."""
    found = np.zeros(count, dtype=bool)
    for one in groups:
        found[one.members.ravel()] = True
    return found


def _within_shares(
    drawn: Sequence[Groups], candidates: Candidates, split: Ints, params: QuestionsParams
) -> list[Groups]:
    """Select the groups that are asked, so that no clip exceeds its share."""
    if not drawn:
        return []
    n_clips = len(split)
    size = max(groups.members.shape[1] for groups in drawn)
    # Groups of fewer options are padded with a clip that always has room.
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
    order = in_turns(_CATEGORY[family], family, part, chance)
    share = -(-params.max_per_clip // len(CATEGORIES))
    asked = np.zeros(len(order), dtype=bool)
    asked[order] = within_shares(
        clips[order], _CATEGORY[family][order], (n_clips, len(CATEGORIES)),
        params.max_per_clip, 2 * share,
    )  # fmt: skip
    ends = np.cumsum([len(groups.members) for groups in drawn])[:-1]
    return [
        replace(groups, members=groups.members[mine], pool=groups.pool[mine])
        for groups, mine in zip(drawn, np.split(asked, ends), strict=True)
        if mine.any()
    ]
