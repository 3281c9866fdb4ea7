"""The catalogue: one row per video, clip and question of all shards, with what filters ask for.

It is made of the published tables and held in memory, so that a page of 100,000 questions is a
filter and a slice. `CatalogueReader.catalogue` makes it again when a file that it is made of
changes; pictures, facts and refusals of one clip are read when its page is shown.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.audit.takedown import REASON as TAKEN_DOWN
from p4d.errors import P4DError
from p4d.evaluation.arms.names import ARMS, FIRST_FRAME
from p4d.explore import tables
from p4d.explore.question_rows import question_rows
from p4d.explore.tables import Stamp, Tables, Unreadable
from p4d.foreign_text import one_line
from p4d.project import Project
from p4d.review.verdicts import Resolved, read_verdicts, resolve
from p4d.versioning.state.blocked import read_blocked

MEASURES: Mapping[str, str] = {
    "coverage": "share of valid pixels",
    "depth_absrel": "depth error, relative",
    "flow_epe_px": "flow error, px",
    "motion_iou": "motion IoU",
    "flow_cycle_px": "flow against depth and poses, px",
    "depth_scale_jump": "jump of log depth",
}
"""Measures of label quality by column, and what they are."""

_BEST_IS_HIGH = ("coverage", "motion_iou")

_TABLES = (
    ("videos", "videos.parquet", tables.VIDEOS),
    ("clips", "clips.parquet", tables.CLIPS),
    ("labels", "index.parquet", tables.LABELS),
    ("labels", "label_stats.parquet", tables.LABEL_STATS),
    ("regions", "outcomes.parquet", tables.OUTCOMES),
    ("facts", "outcomes.parquet", tables.OUTCOMES),
    ("questions", "questions.parquet", tables.QUESTIONS),
    ("questions", "refusals.parquet", tables.REFUSALS),
    ("release", "questions.parquet", tables.RELEASED_QUESTIONS),
    ("release", "clips.parquet", tables.RELEASED_CLIPS),
    ("evaluation", "predictions.parquet", tables.PREDICTIONS),
)
"""Stage, file and columns of every table that the catalogue is made of."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything that the explorer lists.

    Attributes:
        shards: ids in landing order.
        videos: one row per landed file, with its shard, number of clips and `taken_down`.
        clips: one row per clip; see `_clips`.
        questions: one row per question that is current or released; see `question_rows`.
        refusals: refused candidates by shard, category, family and reason.
        refusal_files: the readable tables of refused candidates, one row per clip and reason.
        verdicts: the decision on every reviewed question.
        release_id: of the published release, or None.
        arms: students that answered, in the order of the evaluation.
        unreadable: files that are left out.
        blocked: failed blocking checks, by shard.
    """

    shards: tuple[str, ...]
    videos: pl.DataFrame
    clips: pl.DataFrame
    questions: pl.DataFrame
    refusals: pl.DataFrame
    refusal_files: tuple[Path, ...]
    verdicts: Mapping[str, Resolved]
    release_id: str | None
    arms: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    blocked: Mapping[str, str]

    def clip(self, clip_id: str) -> dict[str, Any] | None:
        """The row of a clip, or None."""
        return next(self.clips.filter(clip_id=clip_id).iter_rows(named=True), None)

    def video(self, video_id: str) -> dict[str, Any] | None:
        """The row of a landed file, or None."""
        return next(self.videos.filter(video_id=video_id).iter_rows(named=True), None)

    def question(self, qa_id: str) -> dict[str, Any] | None:
        """The row of a question by its own id, or by that of the one it was before a fix."""
        known = (pl.col("qa_id") == qa_id) | (pl.col("composed_id") == qa_id)
        return next(self.questions.filter(known).iter_rows(named=True), None)


class CatalogueReader:
    """Makes the catalogue of a project, and again when something changed."""

    def __init__(self, project: Project) -> None:
        """Nothing is read yet."""
        self.project = project
        self._tables = Tables(project.root)
        self._lock = threading.Lock()
        self._made: tuple[frozenset[Stamp], Catalogue] | None = None

    def catalogue(self) -> Catalogue:
        """The catalogue of what is published now."""
        with self._lock:
            stamps = self._stamps()
            if self._made is None or self._made[0] != stamps:
                self._made = (stamps, self._make())
            return self._made[1]

    def _stamps(self) -> frozenset[Stamp]:
        project = self.project
        paths = [project.data / "release" / "manifest.json", *sorted(_reviews(project))]
        paths += [project.shards_dir / name for name in ("index.yaml", "blocked.yaml")]
        for shard in project.shards():
            paths.append(project.shards_dir / f"{shard}.json")
        for stage, name, _ in _TABLES:
            paths += self._paths(stage, name).values()
        return frozenset(stamp for path in paths if (stamp := Stamp.of(path)) is not None)

    def _paths(self, stage: str, name: str) -> dict[str, Path]:
        """A file of a stage by shard; under "" for a stage without shards."""
        folder = self.project.data / stage
        if self.project.by_name[stage].per_shard:
            return {shard: folder / shard / name for shard in self.project.shards()}
        return {"": folder / name}

    def _table(self, stage: str, name: str) -> pl.DataFrame:
        """A table of all shards, with the column `shard`; refusals are counted."""
        schema = next(of for s, n, of in _TABLES if (s, n) == (stage, name))
        reduce = _counted if name == "refusals.parquet" else None
        found = [
            self._tables.read(path, schema, reduce).with_columns(shard=pl.lit(shard))
            for shard, path in self._paths(stage, name).items()
        ]
        if not found:
            empty = pl.DataFrame(schema={**schema, "shard": pl.String})
            return reduce(empty).with_columns(shard=pl.lit("")) if reduce else empty
        return pl.concat(found)

    def _readable(self, stage: str, name: str) -> tuple[Path, ...]:
        """The files of a table that has been read, without those that are damaged."""
        damaged = {self.project.root / each.path for each in self._tables.unreadable()}
        paths = self._paths(stage, name).values()
        return tuple(path for path in paths if path.is_file() and path not in damaged)

    def _released(self) -> pl.DataFrame:
        path = self.project.data / "release" / "questions.parquet"
        return self._tables.read(path, tables.RELEASED_QUESTIONS)

    def _make(self) -> Catalogue:
        project, notes = self.project, list[Unreadable]()
        predictions = self._table("evaluation", "predictions.parquet").drop("shard")
        try:
            verdicts = resolve(read_verdicts(project.root / "reviews"))
        except (P4DError, OSError) as error:
            verdicts = {}
            notes.append(Unreadable(path="reviews/", reason=one_line(error)))
        released = self._released()
        questions = question_rows(
            self._table("questions", "questions.parquet"), released, predictions, verdicts
        )
        release_id = self._release_id(notes)
        videos = self._videos(notes)
        clips = self._clips(videos, questions)
        return Catalogue(
            shards=tuple(project.shards()),
            videos=_with_clip_counts(videos, clips),
            clips=clips,
            questions=questions,
            refusals=self._table("questions", "refusals.parquet"),
            refusal_files=self._readable("questions", "refusals.parquet"),
            verdicts=verdicts,
            release_id=release_id,
            arms=_in_order(predictions["arm"].unique().to_list()),
            unreadable=(*self._tables.unreadable(), *notes),
            blocked=self._blocked(notes),
        )

    def _release_id(self, notes: list[Unreadable]) -> str | None:
        path = self.project.data / "release" / "manifest.json"
        if not path.is_file():
            return None
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["release_id"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            notes.append(Unreadable(path="data/release/manifest.json", reason=one_line(error)))
            return None

    def _blocked(self, notes: list[Unreadable]) -> Mapping[str, str]:
        """Failed blocking checks by shard, in words."""
        try:
            blocked = read_blocked(self.project)
        except (P4DError, OSError) as error:
            notes.append(Unreadable(path="shards/blocked.yaml", reason=one_line(error)))
            return {}
        return {
            shard: "; ".join(f"{stage}: {', '.join(checks)}" for stage, checks in stages.items())
            for shard, stages in blocked.items()
        }

    def _videos(self, notes: list[Unreadable]) -> pl.DataFrame:
        """Landed files; `taken_down` is the reason where a manifest states a takedown."""
        taken_down: dict[str, str] = {}
        for shard in self.project.shards():
            path = self.project.shards_dir / f"{shard}.json"
            try:
                files = json.loads(path.read_text(encoding="utf-8"))["files"]
                for row in files:
                    if str(row["reason"] or "").startswith(TAKEN_DOWN):
                        taken_down[row["file_id"]] = row["reason"].removeprefix(TAKEN_DOWN)
            except (ValueError, KeyError, TypeError, OSError) as error:
                notes.append(Unreadable(path=f"shards/{shard}.json", reason=one_line(error)))
        known = pl.DataFrame(
            {"video_id": list(taken_down), "taken_down": list(taken_down.values())},
            schema={"video_id": pl.String, "taken_down": pl.String},
        )
        return self._table("videos", "videos.parquet").join(known, on="video_id", how="left")

    def _clips(self, videos: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
        """Clips with their place, outcome over all stages, label quality, split and questions.

        `outcome`, `at_stage` and `reason` are of the first stage that did not go well. A measure of
        quality is the worst over teachers.
        """
        clips = self._table("clips", "clips.parquet").with_row_index("landed")
        stages = [
            clips.select("clip_id", "outcome", "reason", at_stage=pl.lit("clips")),
            *(
                self._table(stage, name).select(
                    "clip_id", "outcome", "reason", at_stage=pl.lit(stage)
                )
                for stage, name in (
                    ("labels", "index.parquet"),
                    ("regions", "outcomes.parquet"),
                    ("facts", "outcomes.parquet"),
                )
            ),
        ]
        first_fault = (
            pl.concat(stages)
            .filter(pl.col("outcome") != "ok")
            .unique("clip_id", keep="first", maintain_order=True)
        )
        places = videos.select("video_id", "shard", "name", "taken_down", "licence")
        counted = questions.group_by("clip_id").agg(
            questions=pl.len(), reviewed=pl.col("verdict").is_not_null().sum()
        )
        released = self._table("release", "clips.parquet").drop("shard")
        return (
            clips.drop("outcome", "reason")
            .unique("clip_id", keep="first", maintain_order=True)
            .join(places.unique(["video_id", "shard"]), on=["video_id", "shard"], how="left")
            .join(first_fault, on="clip_id", how="left")
            .with_columns(pl.col("outcome").fill_null("ok"))
            .join(self._quality(), on="clip_id", how="left")
            .join(released.unique("clip_id"), on="clip_id", how="left")
            .join(counted, on="clip_id", how="left")
            .with_columns(pl.col("questions", "reviewed").fill_null(0))
            .sort("landed")
        )

    def _quality(self) -> pl.DataFrame:
        stats = self._table("labels", "label_stats.parquet")
        worst = [
            pl.col(name).min() if name in _BEST_IS_HIGH else pl.col(name).max() for name in MEASURES
        ]
        return stats.group_by("clip_id").agg(*worst)


def _counted(refusals: pl.DataFrame) -> pl.DataFrame:
    return (
        refusals.group_by("category", "family", "reason")
        .agg(pl.col("count").sum(), clips=pl.col("clip_id").n_unique())
        .sort("category", "family", "reason")
    )


def _with_clip_counts(videos: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    counted = clips.group_by("video_id").agg(clips=pl.len())
    return videos.join(counted, on="video_id", how="left").with_columns(
        pl.col("clips").fill_null(0)
    )


def _reviews(project: Project) -> list[Path]:
    return list((project.root / "reviews").glob("*.jsonl"))


def _in_order(arms: Collection[str]) -> tuple[str, ...]:
    """The arms as the evaluation lists them, and then others by name."""
    known = [arm for arm in (*ARMS, FIRST_FRAME) if arm in arms]
    return (*known, *sorted(set(arms) - set(known)))
