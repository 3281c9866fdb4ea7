"""Stage `release`: a frozen set of questions, split so that nothing of a video crosses a split.

Clips of one video stay together, and so do videos whose clips look alike (perceptual hashes within
a few bits). Where a group falls depends on its first-landed video alone (p4d/splits.py),
and which
group a video joins on those that landed before it, so later shards never move a video from one
split to another; a video that looks like videos of two splits is left out. Exchange groups
(p4d/questions/asking/balance.py) were drawn within splits; those that near-duplicates tear are
left out.

Verdicts of people (p4d/review/verdicts.py) come first: dropped questions go to `rejected.parquet`
with their reason, fixed ones are released under an id of their own. What a dropped or re-answered
question unbalances is evened out like a torn group.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.config import ReleaseParams
from p4d.errors import ContractError
from p4d.ids import content_id
from p4d.pipeline import StageInputs, StageReport
from p4d.release.balance import balance
from p4d.release.card import card
from p4d.release.duplicates import duplicate_groups
from p4d.review.agreement import review_report
from p4d.review.verdicts import apply_verdicts, read_verdicts, resolve
from p4d.splits import SPLITS, split_for


def build_release(inputs: StageInputs, out: Path) -> StageReport:
    """Write the release.

    `questions.parquet`, `clips.parquet`, `rejected.parquet`, `manifest.json`, `balance.json`,
    `review.json` and `card.md`.

    Raises:
        ContractError: there are no questions, a split that was asked for is empty, or a verdict is
            malformed.
    """
    params: ReleaseParams = inputs.params("release")
    clip_folders, question_folders = (
        inputs.shard_folders("clips"),
        inputs.shard_folders("questions"),
    )
    shards = [shard for shard in question_folders if shard in clip_folders]
    clips = _clips({shard: clip_folders[shard] for shard in shards})
    questions = _questions({shard: question_folders[shard] for shard in shards})
    if not questions.height:
        raise ContractError(
            "no shard has a question: look at data/questions/*/refusals.parquet, "
            "or land more videos"
        )
    groups, between = duplicate_groups(clips.to_dicts(), params)
    clips = (
        clips.filter(~pl.col("video_id").is_in(list(between)))
        .with_columns(group=pl.col("video_id").replace_strict(groups, return_dtype=pl.String))
        .with_columns(
            split=pl.col("group").map_elements(
                lambda group: split_for(group, params), return_dtype=pl.String
            )
        )
        .select("clip_id", "video_id", "shard", "split", "group")
    )
    reviews = inputs.tracked("reviews")
    verdicts = read_verdicts(reviews) if reviews else []
    reviewed = apply_verdicts(questions, resolve(verdicts))
    review = review_report(verdicts, questions, reviewed.not_applicable)
    unique, repeated = drop_repeated(reviewed.questions)
    n_unique = unique.height
    unique = unique.join(clips.select("clip_id", "split"), on="clip_id", how="inner")
    bridging = n_unique - unique.height
    unique, torn = drop_torn(unique)
    _require_splits(unique, params)
    counts = {
        "videos": clips["video_id"].n_unique(),
        "clips": clips.height,
        "groups": clips["group"].n_unique(),
        "questions": unique.height,
        "accepted_questions": unique.filter(pl.col("review") == "accept").height,
        "fixed_questions": unique.filter(pl.col("review") == "fix").height,
        "rejected_questions": reviewed.rejected.height,
        "verdicts_not_applicable": len(reviewed.not_applicable),
        "repeated_questions_left_out": repeated,
        "torn_questions_left_out": torn,
        "videos_left_out": len(between),
        "questions_of_left_out_videos": bridging,
    }
    splits = {
        name: {
            "videos": clips.filter(pl.col("split") == name)["video_id"].n_unique(),
            "clips": clips.filter(pl.col("split") == name).height,
            "questions": unique.filter(pl.col("split") == name).height,
        }
        for name in SPLITS
    }
    identity = unique.sort("qa_id").select("qa_id", "split", "answer").rows()
    manifest: dict[str, Any] = {
        "release_id": content_id("rel", [list(row) for row in identity]),
        "shards": [
            {"shard": shard, "versions": _versions(inputs.versions, shard)} for shard in shards
        ],
        "stages": {key: md5 for key, md5 in sorted(inputs.versions.items()) if "@" not in key},
        "excluded": dict(inputs.excluded),
        "left_out_videos": dict(sorted(between.items())),
        "duplicate_hamming_bits": params.duplicate_hamming_bits,
        "splits": splits,
        "counts": counts,
    }
    measured = balance(unique)
    write_table(out / "questions.parquet", unique, sort_by=["qa_id"])
    write_table(out / "clips.parquet", clips, sort_by=["clip_id"])
    write_table(out / "rejected.parquet", reviewed.rejected, sort_by=["qa_id"])
    write_json(out / "manifest.json", manifest)
    write_json(out / "balance.json", measured)
    write_json(out / "review.json", review)
    write_bytes(out / "card.md", card(manifest, measured, unique, params, review).encode())
    metrics = {f"questions_{name}": splits[name]["questions"] for name in SPLITS}
    return StageReport(
        rows={
            "ok": unique.height,
            "filtered": repeated + torn + bridging,
            "rejected": reviewed.rejected.height,
        },
        metrics={"release_id": manifest["release_id"], "shards": len(shards), **metrics},
    )


def drop_repeated(questions: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep the first of questions with equal clip and text; also how many were left out."""
    kept = questions.unique(["clip_id", "question"], keep="first", maintain_order=True)
    return kept, questions.height - kept.height


def drop_torn(questions: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep each option of a shard's family right equally often within a split.

    Whole exchange groups stay untouched. Of torn ones so many questions go, by hash, that the
    options of a set are even again; also how many went.
    """
    sets: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in questions.sort("qa_id").iter_rows(named=True):
        key = (row["split"], row["shard"], row["family"], *sorted(row["options"]))
        by_answer = sets.setdefault(key, {option: [] for option in row["options"]})
        by_answer[row["answer_text"]].append(row["qa_id"])
    kept: list[str] = []
    for by_answer in sets.values():
        even = min(len(ids) for ids in by_answer.values())
        kept += [qa_id for ids in by_answer.values() for qa_id in ids[:even]]
    even_questions = questions.filter(pl.col("qa_id").is_in(kept))
    return even_questions, questions.height - even_questions.height


def _clips(folders: Mapping[str, Path]) -> pl.DataFrame:
    """Usable clips of all shards in landing order; a clip that landed twice counts once."""
    tables = []
    for shard, folder in folders.items():
        table = read_table(folder / "clips.parquet").filter(pl.col("outcome") == "ok")
        tables.append(
            table.sort("clip_id").select(
                "clip_id", "video_id", pl.lit(shard).alias("shard"), "phash"
            )
        )
    if not tables:
        raise ContractError("no shard may enter the release: see the gates' results")
    return pl.concat(tables).unique("clip_id", keep="first", maintain_order=True)


def _questions(folders: Mapping[str, Path]) -> pl.DataFrame:
    tables = [
        read_table(folder / "questions.parquet").sort("qa_id").with_columns(shard=pl.lit(shard))
        for shard, folder in folders.items()
    ]
    return pl.concat(tables)


def _require_splits(questions: pl.DataFrame, params: ReleaseParams) -> None:
    wanted = [("train", 1.0), ("val", params.val_fraction), ("test", params.test_fraction)]
    present = set(questions["split"].to_list())
    empty = [name for name, fraction in wanted if fraction > 0 and name not in present]
    # A release without val is usable: it only picks hyperparameters.
    if set(empty) - {"val"}:
        videos = questions["video_id"].n_unique()
        raise ContractError(
            f"release: the split {' and '.join(empty)} is empty with {videos} videos; "
            "land more videos, or change release.test_fraction in params.yaml"
        )


def _versions(versions: Mapping[str, str], shard: str) -> dict[str, str]:
    """Data versions of one shard's upstream artifacts, by stage."""
    ending = f"@{shard}"
    return {
        key.removesuffix(ending): version
        for key, version in sorted(versions.items())
        if key.endswith(ending)
    }
