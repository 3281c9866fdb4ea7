"""Which clips and questions a release contains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from p4d.config import ReleaseParams
from p4d.release.duplicates import duplicate_groups
from p4d.splits import split_for


@dataclass(frozen=True)
class ReleasedClips:
    """The clips of a release.

    Attributes:
        table: clip_id, video_id, shard, split, group.
        left_out_videos: videos that resemble videos of two splits, with the reason.
    """

    table: pl.DataFrame
    left_out_videos: Mapping[str, str]


@dataclass(frozen=True)
class ReleasedQuestions:
    """The questions of a release, and how many were left out.

    Attributes:
        table: questions with their split.
        repeated: with the same clip and text as an earlier one.
        of_left_out_videos: about videos that are in no split.
        of_incomplete_groups: dropped to keep each option of a set right equally often.
    """

    table: pl.DataFrame
    repeated: int
    of_left_out_videos: int
    of_incomplete_groups: int

    @property
    def left_out(self) -> int:
        """How many questions were left out."""
        return self.repeated + self.of_left_out_videos + self.of_incomplete_groups


def select_clips(clips: pl.DataFrame, params: ReleaseParams) -> ReleasedClips:
    """Assign every video to a near-duplicate group and a split.

    Args:
        clips: clip_id, video_id, shard, phash, in landing order.
        params: fractions of the splits, and the distance of near-duplicates.
    """
    groups, left_out = duplicate_groups(clips.to_dicts(), params)
    split_of = {group: split_for(group, params) for group in set(groups.values())}
    table = (
        clips.filter(~pl.col("video_id").is_in(list(left_out)))
        .with_columns(group=pl.col("video_id").replace_strict(groups, return_dtype=pl.String))
        .with_columns(split=pl.col("group").replace_strict(split_of, return_dtype=pl.String))
        .select("clip_id", "video_id", "shard", "split", "group")
    )
    return ReleasedClips(table, left_out)


def select_questions(
    questions: pl.DataFrame, clips: pl.DataFrame, composed: Mapping[str, str] | None = None
) -> ReleasedQuestions:
    """Keep the first of repeated questions, those of released clips, and complete groups.

    Args:
        questions: after the verdicts of reviewers.
        clips: the table of `ReleasedClips`.
        composed: the answer of each question as it was composed, by its id then.
    """
    unique = questions.unique(["clip_id", "question"], keep="first", maintain_order=True)
    placed = unique.join(clips.select("clip_id", "split"), on="clip_id", how="inner")
    complete, of_incomplete_groups = drop_incomplete_groups(placed, composed)
    return ReleasedQuestions(
        table=complete,
        repeated=questions.height - unique.height,
        of_left_out_videos=unique.height - placed.height,
        of_incomplete_groups=of_incomplete_groups,
    )


def drop_incomplete_groups(
    questions: pl.DataFrame, composed: Mapping[str, str] | None = None
) -> tuple[pl.DataFrame, int]:
    """Keep each option of a family right equally often, per shard, split and set of options.

    Complete exchange groups are not changed. From incomplete groups, as many questions are dropped,
    by hash, as it takes to make the options of a set even again. A question whose answer a reviewer
    corrected counts with the answer that it was composed with: the correction takes the place of
    the composed answer, and its partners stay. Its set is then uneven by that one answer.

    Args:
        questions: with split, shard, family, options and answer.
        composed: the answer of each question as it was composed, by its id then.

    Returns:
        The remaining questions, and how many were dropped.
    """
    sets: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in questions.sort("qa_id").iter_rows(named=True):
        key = (row["split"], row["shard"], row["family"], *sorted(row["options"]))
        by_answer = sets.setdefault(key, {option: [] for option in row["options"]})
        answer = row["answer_text"]
        if composed and row.get("fixed_from") in composed:
            answer = composed[row["fixed_from"]]
        by_answer[answer].append(row["qa_id"])
    kept: list[str] = []
    for by_answer in sets.values():
        even = min(len(ids) for ids in by_answer.values())
        kept += [qa_id for ids in by_answer.values() for qa_id in ids[:even]]
    even_questions = questions.filter(pl.col("qa_id").is_in(kept))
    return even_questions, questions.height - even_questions.height
