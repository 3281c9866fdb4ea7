"""Collects what the page of a clip shows, part by part.

A part that is missing or damaged becomes a notice and an empty part; the rest of the page stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import scan_table
from p4d.errors import ContractError, MissingError
from p4d.explore.catalogue import MEASURES, Catalogue
from p4d.explore.fact_charts import Chart, charts
from p4d.explore.media import MapScale, Media
from p4d.foreign_text import one_line
from p4d.paths import inside
from p4d.project import Project
from p4d.questions.facts.table import Fact
from p4d.review.items import FactText, fact_text
from p4d.review.question_view import basis, question_parts
from p4d.review.verdicts import LETTERS, Verdict
from p4d.truth.clip_parts import CLIP_PARTS, stated_parts

_FACT_COLUMNS = list(Fact._fields)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one student answered: the option's letter, whether it is right, the text it wrote."""

    arm: str
    letter: str
    correct: bool
    text: str | None


@dataclass(frozen=True, kw_only=True)
class QuestionCard:
    """One question.

    Attributes:
        row: of the catalogue.
        parts: the text in parts: a `str`, or the number of a mark.
        options: letter and text of each option.
        answers: of the students that were asked.
        facts: that the answer derives from.
        span_s: the time that these facts are about, within the clip; None without facts.
        basis: what they were measured from.
        verdicts: of all reviewers, oldest first.
    """

    row: Mapping[str, Any]
    parts: Sequence[str | int]
    options: Sequence[tuple[str, str]]
    answers: Sequence[Answer]
    facts: Sequence[FactText] = ()
    span_s: tuple[float, float] | None = None
    basis: str = ""
    verdicts: Sequence[Verdict] = ()


@dataclass(frozen=True, kw_only=True)
class TeacherMaps:
    """The labels of one teacher.

    Attributes:
        teacher: its name.
        scale: what the colours mean; None if the maps cannot be shown, for `reason`.
        quality: name and value of each measure of quality that is known.
    """

    teacher: str
    scale: MapScale | None
    reason: str = ""
    quality: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, kw_only=True)
class ClipView:
    """Everything on the page of a clip.

    Attributes:
        row: of the catalogue.
        truth: what is known of it without a teacher.
        video: row of its source file, or None.
        notices: what is missing or not as it should be.
        has_source: whether the source video can be played.
        sample_s: time of each sampled frame within the clip.
        frames: how many frames there are; 0 if they cannot be shown.
        teachers: the labels.
        regions: rows of marked regions.
        cards: the questions.
        refusals: rows of refused candidates.
        charts: facts over time.
        facts: how many facts there are.
    """

    row: Mapping[str, Any]
    truth: str
    video: Mapping[str, Any] | None
    notices: Sequence[str]
    has_source: bool
    sample_s: Sequence[float]
    frames: int
    teachers: Sequence[TeacherMaps]
    regions: Sequence[Mapping[str, Any]]
    cards: Sequence[QuestionCard]
    refusals: Sequence[Mapping[str, Any]]
    charts: Sequence[Chart]
    facts: int

    @property
    def length_s(self) -> float:
        """Length of the clip."""
        return float(self.row["end_ns"] - self.row["start_ns"]) / 1e9


def card(
    row: Mapping[str, Any],
    arms: Sequence[str],
    facts: Mapping[str, FactText] | None = None,
    verdicts: Mapping[str, Sequence[Verdict]] | None = None,
) -> QuestionCard:
    """A question for a list (without facts and verdicts) or for the page of its clip."""
    answers = [
        Answer(
            arm=arm,
            letter=LETTERS[row[f"{arm}_index"]],
            correct=bool(row[f"{arm}_correct"]),
            text=row[f"{arm}_text"],
        )
        for arm in arms
        if row.get(f"{arm}_index") is not None and 0 <= row[f"{arm}_index"] < len(LETTERS)
    ]
    known = verdicts or {}
    shown = [facts[fact] for fact in row["fact_ids"] if fact in facts] if facts else []
    ids = dict.fromkeys((row["composed_id"], row["qa_id"]))
    return QuestionCard(
        row=row,
        parts=question_parts(row["question"]),
        options=list(zip(LETTERS, row["options"], strict=False)),
        answers=answers,
        facts=shown,
        basis=basis(row["has_truth"], (fact.teacher for fact in shown)),
        verdicts=[verdict for qa_id in ids for verdict in known.get(qa_id, ())],
    )


class ClipReader:
    """Reads the page of a clip."""

    def __init__(self, project: Project, media: Media) -> None:
        """Clips of `project`; `media` measures the scales of their maps."""
        self._data = project.data
        self._media = media

    def view(
        self, catalogue: Catalogue, clip_id: str, verdicts: Mapping[str, Sequence[Verdict]]
    ) -> ClipView:
        """The page of a clip.

        Raises:
            MissingError: no published shard has this clip.
        """
        row = catalogue.clip(clip_id)
        if row is None:
            raise MissingError(f"{clip_id} is no clip of what is published now")
        notices: list[str] = []
        video = catalogue.video(row["video_id"])
        has_source = self._has_source(video, row["shard"], notices)
        regions = self._rows(
            "regions", row["shard"], "regions.parquet", clip_id, notices,
            ("region_id", "mark", "source", "name", "area_px", "visible_frames", "outcome",
             "reason"),
        )  # fmt: skip
        marks = {
            region["region_id"]: region["mark"] for region in regions if region["outcome"] == "ok"
        }
        facts = self._facts(row["shard"], clip_id, notices)
        texts = {fact.fact_id: fact_text(fact, marks) for fact in facts}
        length_s = (row["end_ns"] - row["start_ns"]) / 1e9
        questions = catalogue.questions.filter(clip_id=clip_id).sort("category", "family", "qa_id")
        if row["taken_down"]:
            # Nothing of a video that was taken down is shown; `make up` removes what is left.
            notices.append(f"The source video was taken down: {row['taken_down']}. Nothing of it "
                           "is shown; `make up` removes what was made from it.")  # fmt: skip
        shown = not row["taken_down"]
        return ClipView(
            row=row,
            truth=self._truth(row, notices),
            video=video,
            notices=notices,
            has_source=has_source and shown,
            sample_s=[(pts - row["start_ns"]) / 1e9 for pts in row["frame_pts_ns"] or ()],
            frames=self._frames(row, notices) if shown else 0,
            teachers=self._teachers(row, notices) if shown else [],
            regions=regions,
            cards=[
                replace(card(q, catalogue.arms, texts, verdicts), span_s=_span_s(q, facts))
                for q in questions.to_dicts()
            ],
            refusals=self._rows(
                "questions", row["shard"], "refusals.parquet", clip_id, notices,
                ("category", "family", "reason", "count"),
            ),
            charts=charts(facts, marks, length_s) if facts else [],
            facts=len(facts),
        )  # fmt: skip

    def facts(self, shard: str, clip_id: str) -> tuple[list[FactText], list[str]]:
        """All facts of a clip in words, by kind and time, and notices of what cannot be read."""
        notices: list[str] = []
        regions = self._rows(
            "regions", shard, "regions.parquet", clip_id, notices, ("region_id", "mark", "outcome")
        )
        marks = {r["region_id"]: r["mark"] for r in regions if r["outcome"] == "ok"}
        facts = self._facts(shard, clip_id, notices)
        facts.sort(key=lambda f: (f.kind, [marks.get(r, 0) for r in f.region_ids], f.start_ns))
        return [fact_text(fact, marks) for fact in facts], notices

    def video_file(self, video: Mapping[str, Any] | None, shard: str) -> Path:
        """The published source file.

        Raises:
            MissingError: it was taken down, rejected, or is not there.
        """
        if video is None or not video["file"]:
            raise MissingError("the shard has no source file of this video")
        if video["taken_down"]:
            raise MissingError(f"the video was taken down: {video['taken_down']}")
        path = inside(self._data / "videos" / shard, video["file"])
        if not path.is_file():
            raise MissingError(f"data/videos/{shard}/{video['file']} is not there (`dvc pull`?)")
        return path

    def _has_source(self, video: Mapping[str, Any] | None, shard: str, notices: list[str]) -> bool:
        try:
            self.video_file(video, shard)
        except (MissingError, ContractError) as error:
            if video is None or not video["taken_down"]:
                notices.append(f"No source video: {one_line(error)}.")
            return False
        return True

    def _truth(self, row: Mapping[str, Any], notices: list[str]) -> str:
        """What is known of the clip without a teacher."""
        if not row["has_truth"]:
            return "no truth, labels of teachers alone"
        try:
            parts = stated_parts(self._data / "clips" / row["shard"]).get(row["clip_id"])
        except (OSError, pl.exceptions.PolarsError) as error:
            notices.append(f"Which parts of a truth there are cannot be read: {one_line(error)}.")
            return "truth"
        if parts is None:
            return "exact truth"
        gives = ", ".join(name.replace("_", " ") for name in CLIP_PARTS if name in parts.gives)
        return f"truth in parts: {gives}; up {parts.up}, times {parts.times}"

    def _frames(self, row: Mapping[str, Any], notices: list[str]) -> int:
        if row["outcome"] != "ok" and row["at_stage"] == "clips":
            return 0
        try:
            self._media.frames_strip(row["shard"], row["clip_id"])
        except MissingError as error:
            notices.append(f"No frames: {error}.")
            return 0
        return len(row["frame_pts_ns"] or ())

    def _teachers(self, row: Mapping[str, Any], notices: list[str]) -> list[TeacherMaps]:
        found = []
        quality = self._quality(row, notices)
        columns = ("teacher", "scale_kind", "outcome", "reason")
        rows = self._rows("labels", row["shard"], "index.parquet", row["clip_id"], notices, columns)
        for label in sorted(rows, key=lambda label: label["teacher"]):
            name = label["teacher"]
            if label["outcome"] != "ok":
                reason = f"{label['outcome']}: {label['reason']}"
                found.append(TeacherMaps(teacher=name, scale=None, reason=reason))
                continue
            try:
                scale = self._media.map_scale(
                    row["shard"], row["clip_id"], name, label["scale_kind"]
                )
            except MissingError as error:
                found.append(TeacherMaps(teacher=name, scale=None, reason=str(error)))
            else:
                known = quality.get(name, ())
                found.append(TeacherMaps(teacher=name, scale=scale, quality=known))
        return found

    def _quality(
        self, row: Mapping[str, Any], notices: list[str]
    ) -> dict[str, list[tuple[str, float]]]:
        """The measures of each teacher: errors where there is truth, consistency everywhere."""
        columns = ("teacher", "modality", *MEASURES)
        rows = self._rows(
            "labels", row["shard"], "label_stats.parquet", row["clip_id"], notices, columns
        )
        found: dict[str, list[tuple[str, float]]] = {}
        for stats in sorted(rows, key=lambda each: (each["teacher"], each["modality"])):
            found.setdefault(stats["teacher"], []).extend(
                (text, stats[name])
                for name, text in MEASURES.items()
                if name != "coverage" and stats[name] is not None
            )
        return found

    def _facts(self, shard: str, clip_id: str, notices: list[str]) -> list[Fact]:
        rows = self._rows("facts", shard, "facts.parquet", clip_id, notices, _FACT_COLUMNS)
        return [Fact.from_row(row) for row in rows]

    def _rows(
        self,
        stage: str,
        shard: str,
        name: str,
        clip_id: str,
        notices: list[str],
        columns: Sequence[str],
    ) -> list[dict[str, Any]]:
        """Rows of one clip; only the row groups that may hold it are read."""
        path = self._data / stage / shard / name
        if not path.is_file():
            notices.append(f"No {stage}: data/{stage}/{shard}/{name} is not there.")
            return []
        try:
            found = scan_table(path).filter(pl.col("clip_id") == clip_id).select(columns)
            return found.collect().to_dicts()
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = one_line((str(error).splitlines() or [type(error).__name__])[0])
            notices.append(f"data/{stage}/{shard}/{name} is unreadable: {reason}")
            return []


def _span_s(question: Mapping[str, Any], facts: Sequence[Fact]) -> tuple[float, float] | None:
    """From the first to the last instant of the facts of a question."""
    own = [fact for fact in facts if fact.fact_id in question["fact_ids"]]
    if not own:
        return None
    return min(f.start_ns for f in own) / 1e9, max(f.end_ns for f in own) / 1e9
