"""Stage `release`: a frozen set of questions, split so that no video crosses a split.

Clips of one video stay together, and so do videos with near-duplicate clips (perceptual hashes
within a few bits). The split of a group depends only on its first-landed video (p4d/splits.py), and
the group of a video only on videos that landed before it. So later shards never move a video to
another split. A video that resembles videos of two splits is left out. Exchange groups
(p4d/questions/asking/exchange_groups.py) were drawn within splits; groups that near-duplicates
break up are left out.

Reviewers' verdicts (p4d/review/verdicts.py) are applied first: dropped questions are written to
`rejected.parquet` with their reason, and fixed questions get an id of their own. An exchange group
that loses a question this way is treated like any incomplete group. A corrected answer loses none:
the question is released under the person's answer, beside its partners.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.config import ReleaseParams
from p4d.errors import ContractError
from p4d.origins import read_origins, write_origins
from p4d.pipeline import StageInputs, StageReport
from p4d.release.balance import balance
from p4d.release.card import card
from p4d.release.manifest import manifest_of
from p4d.release.selection import select_clips, select_questions
from p4d.review.agreement import review_report
from p4d.review.verdicts import apply_verdicts, read_verdicts, resolve
from p4d.splits import SPLITS


def build_release(inputs: StageInputs, out: Path) -> StageReport:
    """Write the release.

    `questions.parquet`, `clips.parquet`, `rejected.parquet`, `manifest.json`, `balance.json`,
    `review.json`, `card.md` and, if any of its videos states its
    dataset or terms, `origins.parquet`.

    Raises:
        ContractError: there are no questions, a configured split is empty, or a verdict is
            malformed.
    """
    params: ReleaseParams = inputs.params("release")
    clip_folders = inputs.shard_folders("clips")
    question_folders = inputs.shard_folders("questions")
    shards = [shard for shard in question_folders if shard in clip_folders]
    clips = select_clips(_read_clips({shard: clip_folders[shard] for shard in shards}), params)
    composed = _read_questions({shard: question_folders[shard] for shard in shards})
    reviews = inputs.tracked("reviews")
    verdicts = read_verdicts(reviews) if reviews else []
    reviewed = apply_verdicts(composed, resolve(verdicts))
    review = review_report(verdicts, composed, reviewed.not_applicable)
    answers = dict(composed.select("qa_id", "answer_text").iter_rows())
    selected = select_questions(reviewed.questions, clips.table, answers)
    _require_splits(selected.table, params)
    manifest = manifest_of(inputs, shards, clips, selected, reviewed)
    measured = balance(selected.table)
    released = set(clips.table["video_id"].to_list())
    origins = {
        video_id: origin
        for shard in shards
        for video_id, origin in read_origins(clip_folders[shard]).items()
        if video_id in released
    }
    write_table(out / "questions.parquet", selected.table, sort_by=["qa_id"])
    write_table(out / "clips.parquet", clips.table, sort_by=["clip_id"])
    write_table(out / "rejected.parquet", reviewed.rejected, sort_by=["qa_id"])
    write_json(out / "manifest.json", manifest)
    write_origins(out, origins)
    write_json(out / "balance.json", measured)
    write_json(out / "review.json", review)
    text = card(manifest, measured, selected.table, params, review, origins)
    write_bytes(out / "card.md", text.encode())
    return StageReport(
        rows={
            "ok": selected.table.height,
            "filtered": selected.left_out,
            "rejected": reviewed.rejected.height,
        },
        metrics={
            "release_id": manifest["release_id"],
            "shards": len(shards),
            **{f"questions_{name}": manifest["splits"][name]["questions"] for name in SPLITS},
        },
    )


def _read_clips(folders: Mapping[str, Path]) -> pl.DataFrame:
    """Read the usable clips of all shards in landing order; a clip that landed twice counts once.

    Raises:
        ContractError: no shard may be read.
    """
    tables = []
    for shard, folder in folders.items():
        table = read_table(folder / "clips.parquet").filter(pl.col("outcome") == "ok")
        hashes = folder / "frame_hashes.parquet"
        if hashes.is_file():  # not in a version that was made before copies were looked for
            table = table.join(read_table(hashes), on="clip_id", how="left")
        groups = {
            video_id: origin.exchange_group for video_id, origin in read_origins(folder).items()
        }
        if any(groups.values()):
            table = table.with_columns(
                exchange_group=pl.col("video_id").replace_strict(groups, default="")
            )
        wanted = (
            "clip_id", "video_id", "phash", "frame_hash", "mirrored_hash", "exchange_group"
        )  # fmt: skip
        tables.append(
            table.sort("clip_id").select(
                *(name for name in wanted if name in table.columns), shard=pl.lit(shard)
            )
        )
    if not tables:
        raise ContractError("no shard may enter the release: see the results of the gates")
    return pl.concat(tables, how="diagonal").unique("clip_id", keep="first", maintain_order=True)


def _read_questions(folders: Mapping[str, Path]) -> pl.DataFrame:
    """Read the questions of all shards.

    Raises:
        ContractError: there are none.
    """
    tables = [
        read_table(folder / "questions.parquet").sort("qa_id").with_columns(shard=pl.lit(shard))
        for shard, folder in folders.items()
    ]
    questions = pl.concat(tables)
    if not questions.height:
        raise ContractError(
            "no shard has a question: see data/questions/*/refusals.parquet for the reasons, "
            "or land more videos"
        )
    return questions


def _require_splits(questions: pl.DataFrame, params: ReleaseParams) -> None:
    wanted = [("train", 1.0), ("val", params.val_fraction), ("test", params.test_fraction)]
    present = set(questions["split"].to_list())
    empty = [name for name, fraction in wanted if fraction > 0 and name not in present]
    # A release without val is usable: val only serves to choose hyperparameters.
    if set(empty) - {"val"}:
        videos = questions["video_id"].n_unique()
        raise ContractError(
            f"release: the split {' and '.join(empty)} is empty with {videos} videos; "
            "land more videos, or change release.test_fraction in params.yaml"
        )
