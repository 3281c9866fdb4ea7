"""The manifest of a release: its identity, its sources and its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from p4d.config import ReleaseParams
from p4d.ids import content_id
from p4d.pipeline import StageInputs
from p4d.release.selection import ReleasedClips, ReleasedQuestions
from p4d.review.verdicts import Applied
from p4d.splits import SPLITS

FIRST_COPY_BITS = 13.0
"""The `release.copy_bits` of a release that states none."""


def manifest_of(
    inputs: StageInputs,
    shards: Sequence[str],
    clips: ReleasedClips,
    questions: ReleasedQuestions,
    reviewed: Applied,
) -> dict[str, Any]:
    """Return `manifest.json`.

    Args:
        inputs: versions of the upstream shards, and the shards that gates blocked.
        shards: in the release.
        clips: in the release.
        questions: in the release.
        reviewed: the result of applying the verdicts.
    """
    params: ReleaseParams = inputs.params("release")
    identity = questions.table.sort("qa_id").select("qa_id", "split", "answer").rows()
    return {
        "release_id": content_id("rel", [list(row) for row in identity]),
        "shards": [
            {"shard": shard, "versions": _versions(inputs.versions, shard)} for shard in shards
        ],
        "stages": {key: md5 for key, md5 in sorted(inputs.versions.items()) if "@" not in key},
        "excluded": dict(inputs.excluded),
        "left_out_videos": dict(sorted(clips.left_out_videos.items())),
        "duplicate_hamming_bits": params.duplicate_hamming_bits,
        # Only another limit than the first is stated: the line would make every release new.
        **({} if params.copy_bits == FIRST_COPY_BITS else {"copy_bits": params.copy_bits}),
        "splits": {name: _split_counts(name, clips.table, questions.table) for name in SPLITS},
        "counts": {
            "videos": clips.table["video_id"].n_unique(),
            "clips": clips.table.height,
            "groups": clips.table["group"].n_unique(),
            "questions": questions.table.height,
            "accepted_questions": questions.table.filter(pl.col("review") == "accept").height,
            "fixed_questions": questions.table.filter(pl.col("review") == "fix").height,
            "rejected_questions": reviewed.rejected.height,
            "verdicts_not_applicable": len(reviewed.not_applicable),
            "repeated_questions_left_out": questions.repeated,
            "incomplete_group_questions_left_out": questions.of_incomplete_groups,
            "videos_left_out": len(clips.left_out_videos),
            "questions_of_left_out_videos": questions.of_left_out_videos,
        },
    }


def _split_counts(split: str, clips: pl.DataFrame, questions: pl.DataFrame) -> dict[str, int]:
    inside = clips.filter(pl.col("split") == split)
    return {
        "videos": inside["video_id"].n_unique(),
        "clips": inside.height,
        "questions": questions.filter(pl.col("split") == split).height,
    }


def _versions(versions: Mapping[str, str], shard: str) -> dict[str, str]:
    """Return the data versions of one shard's upstream artifacts, by stage."""
    ending = f"@{shard}"
    return {
        key.removesuffix(ending): version
        for key, version in sorted(versions.items())
        if key.endswith(ending)
    }
