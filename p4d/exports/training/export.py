"""Writes the folder of `p4d export training`, and the file of `p4d export answers`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import Arrays, write_bytes, write_json, write_table
from p4d.errors import ConfigError
from p4d.exports import destination
from p4d.exports.destination import Exported, Staging
from p4d.exports.harness.task import write_task
from p4d.exports.source import HELD_OUT, TRAINING_STAGES, OpenRelease, open_release
from p4d.exports.training import formats, rows
from p4d.exports.training.card import CardFacts, card
from p4d.exports.training.contents import ExportContents, groups_of, media_clips
from p4d.exports.training.description import write_description
from p4d.exports.training.media import (
    ClipMediaJob,
    VideoMediaJob,
    names_of,
    rate_of,
    write_media,
)
from p4d.exports.training.shards import write_shards
from p4d.ids import content_id
from p4d.progress import Progress
from p4d.project import Project
from p4d.splits import SPLITS
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video

KIND, FORMAT = "training", 1
TASK = "p4d_heldout"
REGION_SCHEMA: dict[str, Any] = {
    "clip_id": pl.String, "region_id": pl.String, "mark": pl.Int64, "name": pl.String,
    "source": pl.String, "frame": pl.Int64, "time_s": pl.Float64, "area_px": pl.Int64,
    "segmentation": pl.String,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a release is exported.

    Attributes:
        size_px: longer side of clips and pictures; 0: that of the source.
        held_out_answers: whether rows of the test split have answers, facts and tracks.
        webdataset: whether the clips are also written as tar archives.
    """

    size_px: int = 448
    held_out_answers: bool = False
    webdataset: bool = False

    def __post_init__(self) -> None:
        if self.size_px and not 32 <= self.size_px <= 4096:
            raise ConfigError("the size of pictures must be 0 (the source's) or in [32, 4096] px")


def export_training(
    project: Project,
    path: Path,
    options: TrainingOptions,
    *,
    release: str = "release",
    progress: Progress = lambda done, total, note: None,
) -> Exported:
    """Write a release to `path` for any trainer, and record it.

    An interrupted export is continued; an equal one that is there already is left as it is.

    Raises:
        LedgerError: no such release is recorded.
        ContractError: `path` holds something else.
        PublishError: the disk is full, or a version is neither in place nor in the cache.
    """
    with open_release(project, release, TRAINING_STAGES) as opened:
        export_id = _export_id(opened, options)
        found = destination.existing_export(path, export_id)
        if found is None:
            destination.refuse_artifacts(project, path)
            with destination.staged(path, export_id) as staging:
                counts = _TrainingFolder(opened, options, export_id, staging).write(progress)
            found = Exported(path=path, export_id=export_id, counts=counts)
    destination.record(project, path)
    return found


def write_answers(project: Project, path: Path, *, release: str = "release") -> int:
    """Write the answers of the test split, as the lmms-eval task reads them; returns their number.

    Raises:
        LedgerError: no such release is recorded.
    """
    with open_release(project, release, ()) as opened:
        questions = opened.recorded_questions.filter(split=HELD_OUT)
        groups = groups_of(questions)
        answers = {
            row["qa_id"]: {"answer": row["answer"], "exchange_group": groups.get(row["qa_id"])}
            for row in questions.iter_rows(named=True)
        }
    write_json(path, answers)
    return len(answers)


def _export_id(opened: OpenRelease, options: TrainingOptions) -> str:
    return content_id(
        "export",
        KIND,
        FORMAT,
        [version.data_version for version in opened.upstream],
        dataclasses.asdict(options),
        dict(opened.terms.recipes),
        dict(opened.terms.absent),
    )


class _TrainingFolder:
    """One export, file by file."""

    def __init__(
        self, opened: OpenRelease, options: TrainingOptions, export_id: str, staging: Staging
    ) -> None:
        self._opened, self._options, self._id = opened, options, export_id
        self._staging, self._folder = staging, staging.folder
        self._faults: dict[str, str] = {}

    def write(self, progress: Progress) -> dict[str, int]:
        self._write_media(progress)
        contents = self._contents = ExportContents(
            self._opened,
            self._id,
            size_px=self._options.size_px,
            held_out_answers=self._options.held_out_answers,
            faults=self._faults,
        )
        for split in SPLITS:
            self._write_split(split, contents.rows[split])
        self._write_regions()
        trained = [s for s in SPLITS if contents.rows[s] and contents.answers(s)]
        write_json(self._folder / "dataset_info.json", formats.dataset_info(trained))
        recipes = contents.recipes()
        for split, listed in recipes.items():
            path = self._folder / "recipes" / f"{split}.jsonl"
            write_bytes(path, formats.json_lines(listed))
        counts = {
            "rows": sum(map(len, contents.rows.values())),
            "clips": len(contents.clips),
            "recipes": sum(map(len, recipes.values())),
            "left_out_texts": contents.unsafe,
            "left_out_clips": len(self._faults),
        }
        self._write_task()
        self._write_card(counts["recipes"])
        videos = sorted({clip.video_id for clip in contents.clips.values()})
        activity = f"p4d export training, {self._id}"
        write_description(self._opened, self._folder, self._id, videos, activity)
        self._describe(counts)
        return counts

    # --- media --------------------------------------------------------------------------------

    def _write_media(self, progress: Progress) -> None:
        jobs = list(self._media_jobs())
        budget = ProcessBudget.of(self._opened.project.params.landing)
        outcomes = per_video(write_media, jobs, budget)
        for done, (job, made) in enumerate(zip(jobs, outcomes, strict=True), start=1):
            if isinstance(made, FileFault):
                self._faults |= {each.clip.clip_id: made.reason for each in job.clips}
            else:
                for each in job.clips:
                    self._staging.done(names_of(each.clip))
            progress(done, len(jobs), job.video_id)

    def _media_jobs(self) -> Iterator[VideoMediaJob]:
        params = self._opened.project.params.clips
        for video_id, clips in media_clips(self._opened).items():
            missing = [clip for clip in clips if not self._staging.has(names_of(clip))]
            if not missing:
                continue
            folder = self._opened.shard_folder("regions", missing[0].shard)
            masks = Arrays(folder / "masks.safetensors")
            yield VideoMediaJob(
                video_id=video_id,
                path=self._opened.video_file(video_id),
                clips=tuple(
                    ClipMediaJob(
                        clip=clip,
                        masks_khw=masks[f"{clip.clip_id}.masks_kthw"][:, 0],
                        rate_hz=rate_of(clip, params.grid_hz, params.span),
                    )
                    for clip in missing
                ),
                folder=self._folder,
                longest_px=self._options.size_px,
            )

    # --- rows ---------------------------------------------------------------------------------

    def _write_split(self, split: str, found: Sequence[Mapping[str, Any]]) -> None:
        contents = self._contents
        if found:
            write_bytes(self._folder / f"{split}.jsonl", formats.json_lines(found))
        if found and contents.answers(split):
            swift = [formats.swift(row, contents.about[row["clip_id"]]) for row in found]
            write_bytes(self._folder / f"swift/{split}.jsonl", formats.json_lines(swift))
            for name, form in formats.JSON_FORMS.items():
                path = self._folder / name / f"{split}.json"
                write_bytes(path, formats.json_list([form(row) for row in found]))
        about = contents.of_split(split)
        if about:
            path = self._folder / "videos" / split / "metadata.jsonl"
            write_bytes(path, formats.json_lines([rows.clip_row(each) for each in about]))
            if self._options.webdataset:
                write_shards(self._folder, split, [each.clip for each in about], found)

    def _write_regions(self) -> None:
        regions = [
            row
            for split in SPLITS
            for about in self._contents.of_split(split)
            for row in rows.region_rows(about, tracks=self._contents.answers(split))
        ]
        write_table(
            self._folder / "regions.parquet",
            pl.DataFrame(regions, schema=REGION_SCHEMA),
            sort_by=["clip_id", "mark", "frame"],
        )

    def _write_task(self) -> None:
        """The test split as an lmms-eval task; its answers only if they were asked for."""
        found = self._contents.rows[HELD_OUT]
        if not found:
            return
        answers = {
            row["id"]: {"answer": row["solution"], "exchange_group": row["exchange_group"]}
            for row in found
        }
        write_task(
            self._folder,
            TASK,
            [{**row, "prompt": rows.prompt_text(row["question"], row["options"])} for row in found],
            answers if self._options.held_out_answers else None,
            version=self._opened.release_id,
        )

    # --- about the folder -----------------------------------------------------------------------

    def _write_card(self, recipes: int) -> None:
        contents = self._contents
        shown = {clip.video_id for clip in contents.clips.values()}
        rates = {about.fps for about in contents.about.values()}
        facts = CardFacts(
            export_id=self._id,
            release_id=self._opened.release_id,
            rows={split: len(listed) for split, listed in contents.rows.items() if listed},
            licences=Counter(self._opened.videos[v]["licence"] for v in shown),
            held_out_answers=self._options.held_out_answers,
            size_px=self._options.size_px,
            fps=rates.pop() if len(rates) == 1 else None,
            recipes=recipes,
            release_card=(self._opened.folder / "card.md").read_text(encoding="utf-8"),
        )
        write_bytes(self._folder / "README.md", card(facts).encode())

    def _describe(self, counts: Mapping[str, int]) -> None:
        destination.describe(
            self._staging,
            {
                "export_id": self._id,
                "kind": KIND,
                "format": FORMAT,
                "release_id": self._opened.release_id,
                "upstream": {str(v.key): v.data_version for v in self._opened.upstream},
                "options": dataclasses.asdict(self._options),
                "recipes": dict(self._opened.terms.recipes),
                "left_out_clips": self._faults,
                "counts": dict(counts),
            },
        )
