"""Writes the folder of `p4d export training`."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table, write_bytes, write_json, write_table
from p4d.errors import ConfigError
from p4d.evaluation.benchmarks.r4d_world.choose import exchange_groups
from p4d.exports import destination
from p4d.exports.destination import Exported, Staging
from p4d.exports.source import TRAINING_STAGES, OpenRelease, ReleasedClip, open_release
from p4d.exports.training import formats, rows
from p4d.exports.training.card import CardFacts, card
from p4d.exports.training.media import (
    ClipMediaJob,
    VideoMediaJob,
    exported_size_px,
    names_of,
    rate_of,
    write_media,
)
from p4d.exports.training.rows import ClipFacts
from p4d.exports.training.shards import write_shards
from p4d.ids import content_id
from p4d.progress import Progress
from p4d.project import Project
from p4d.questions.facts.table import Fact
from p4d.questions.regions.marks import masks_at
from p4d.splits import SPLITS
from p4d.video.decoding.budget import ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video

KIND, FORMAT = "training", 1
HELD_OUT = "test"
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

    def answers(self, split: str) -> bool:
        """Whether rows of a split have their answers."""
        return split != HELD_OUT or self.held_out_answers


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
            with destination.staged(project, path, export_id) as staging:
                counts = _TrainingFolder(opened, options, export_id, staging).write(progress)
            found = Exported(path=path, export_id=export_id, counts=counts)
    destination.record(project, path)
    return found


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
        self._clips_params = opened.project.params.clips
        self._faults: dict[str, str] = {}

    def write(self, progress: Progress) -> dict[str, int]:
        self._write_media(progress)
        found = self._rows()
        regions: list[dict[str, Any]] = []
        for split in SPLITS:
            self._write_split(split, found[split])
            for about in self._facts_of_split(split):
                regions += rows.region_rows(about, tracks=self._options.answers(split))
        write_table(
            self._folder / "regions.parquet",
            pl.DataFrame(regions, schema=REGION_SCHEMA),
            sort_by=["clip_id", "mark", "frame"],
        )
        trained = [s for s in SPLITS if found[s] and self._options.answers(s)]
        write_json(self._folder / "dataset_info.json", formats.dataset_info(trained))
        recipes = self._write_recipes()
        self._write_card(found, recipes)
        counts = {
            "rows": sum(map(len, found.values())),
            "clips": len(self._whole_clips()),
            "recipes": recipes,
            "left_out_texts": self._unsafe,
            "left_out_clips": len(self._faults),
        }
        self._describe(counts)
        return counts

    # --- media --------------------------------------------------------------------------------

    def _write_media(self, progress: Progress) -> None:
        jobs = list(self._media_jobs())
        budget = ProcessBudget.of(self._opened.project.params.landing)
        for done, (job, made) in enumerate(
            zip(jobs, per_video(write_media, jobs, budget), strict=True), start=1
        ):
            if isinstance(made, FileFault):
                self._faults |= {each.clip.clip_id: made.reason for each in job.clips}
            else:
                for each in job.clips:
                    self._staging.done(names_of(each.clip))
            progress(done, len(jobs), job.video_id)

    def _media_jobs(self) -> Iterator[VideoMediaJob]:
        by_video: dict[str, list[ReleasedClip]] = defaultdict(list)
        for clip in self._opened.clips.values():
            if clip.video_id not in self._opened.terms.recipes:
                by_video[clip.video_id].append(clip)
        for video_id, clips in by_video.items():
            missing = [clip for clip in clips if not self._staging.has(names_of(clip))]
            if missing:
                yield VideoMediaJob(
                    video_id=video_id,
                    path=self._opened.video_file(video_id),
                    clips=tuple(
                        ClipMediaJob(
                            clip=clip,
                            masks_khw=self._masks(clip)[:, 0],
                            rate_hz=rate_of(
                                clip, self._clips_params.grid_hz, self._clips_params.span
                            ),
                        )
                        for clip in missing
                    ),
                    folder=self._folder,
                    longest_px=self._options.size_px,
                )

    def _masks(self, clip: ReleasedClip) -> np.ndarray:
        folder = self._opened.shard_folder("regions", clip.shard)
        return Arrays(folder / "masks.safetensors")[f"{clip.clip_id}.masks_kthw"]

    # --- rows ---------------------------------------------------------------------------------

    def _whole_clips(self) -> Mapping[str, ReleasedClip]:
        """Clips whose pictures are in the folder."""
        return {
            clip_id: clip
            for clip_id, clip in self._opened.clips.items()
            if clip.video_id not in self._opened.terms.recipes and clip_id not in self._faults
        }

    def _facts_of_split(self, split: str) -> Iterator[ClipFacts]:
        return (
            self._about[clip_id] for clip_id, clip in self._whole_clips().items()
            if clip.split == split
        )  # fmt: skip

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        clips = self._whole_clips()
        self._about = {
            about.clip.clip_id: about
            for shard in self._opened.shards
            for about in self._clip_facts(shard, clips)
        }
        groups = self._groups()
        found: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        self._unsafe = 0
        for question in self._opened.questions.iter_rows(named=True):
            clip = clips.get(question["clip_id"])
            if clip is None:
                continue
            if rows.unsafe_text(question):
                self._unsafe += 1
                continue
            found[clip.split].append(
                rows.row_of(
                    {**question, "exchange_group": groups.get(question["qa_id"])},
                    self._about[clip.clip_id],
                    export_id=self._id,
                    answered=self._options.answers(clip.split),
                )
            )
        return found

    def _clip_facts(self, shard: str, clips: Mapping[str, ReleasedClip]) -> Iterator[ClipFacts]:
        folder = self._opened.shard_folder("regions", shard)
        marked = read_table(folder / "regions.parquet").filter(
            pl.col("mark").is_not_null(), outcome="ok"
        )
        regions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in marked.sort("clip_id", "mark").iter_rows(named=True):
            regions[row["clip_id"]].append(row)
        facts = self._facts(shard)
        masks = Arrays(folder / "masks.safetensors")
        params = self._clips_params
        for clip in clips.values():
            if clip.shard != shard:
                continue
            video = self._opened.videos[clip.video_id]
            size_px = exported_size_px(
                (video["width_px"], video["height_px"]), self._options.size_px
            )
            stored = masks[f"{clip.clip_id}.masks_kthw"]
            count, frames, height, width = *stored.shape[:2], size_px[1], size_px[0]
            grown = masks_at(stored.reshape(-1, *stored.shape[2:]), height, width)
            yield ClipFacts(
                clip=clip,
                size_px=size_px,
                masks_kthw=grown.reshape(count, frames, height, width),
                regions=tuple(regions[clip.clip_id]),
                facts=facts.get(clip.clip_id, {}),
                fps=rows.fps_of(clip, params.grid_hz, params.span),
            )

    def _facts(self, shard: str) -> dict[str, dict[str, Fact]]:
        wanted = self._opened.questions.filter(shard=shard)["fact_ids"].explode().unique()
        table = read_table(self._opened.shard_folder("facts", shard) / "facts.parquet")
        found: dict[str, dict[str, Fact]] = defaultdict(dict)
        for row in table.filter(pl.col("fact_id").is_in(wanted.to_list())).iter_rows(named=True):
            found[row["clip_id"]][row["fact_id"]] = Fact.from_row(row)
        return found

    def _groups(self) -> dict[str, str]:
        """The exchange group of each question that is in a complete one."""
        named: dict[str, str] = {}
        for split in SPLITS:
            table = self._opened.questions.filter(split=split).with_columns(marks_shown=0)
            for group in exchange_groups(table):
                ids = sorted(row["qa_id"] for row in group)
                named |= dict.fromkeys(ids, content_id("group", ids))
        return named

    # --- files --------------------------------------------------------------------------------

    def _write_split(self, split: str, found: Sequence[Mapping[str, Any]]) -> None:
        if found:
            write_bytes(self._folder / f"{split}.jsonl", formats.json_lines(found))
        if found and self._options.answers(split):
            swift = [formats.swift(row, self._about[row["clip_id"]]) for row in found]
            for name, payload in (
                (f"swift/{split}.jsonl", formats.json_lines(swift)),
                (f"sharegpt/{split}.json", formats.json_list(list(map(formats.sharegpt, found)))),
                (f"llava/{split}.json", formats.json_list(list(map(formats.llava, found)))),
                (
                    f"llava_next/{split}.json",
                    formats.json_list(list(map(formats.llava_next, found))),
                ),
            ):
                write_bytes(self._folder / name, payload)
        clips = [about.clip for about in self._facts_of_split(split)]
        if clips and self._options.webdataset:
            write_shards(self._folder, split, clips, found)
        if clips:
            listed = [
                {
                    "file_name": f"{clip.clip_id}.mp4",
                    "clip_id": clip.clip_id,
                    "video_id": clip.video_id,
                    "fps": self._about[clip.clip_id].fps,
                    "frames_pts_s": list(clip.times_s),
                }
                for clip in clips
            ]
            path = self._folder / "videos" / split / "metadata.jsonl"
            write_bytes(path, formats.json_lines(listed))

    def _write_recipes(self) -> int:
        """Rows of videos whose pictures stay; returns how many there are."""
        kept = self._opened.terms.recipes
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        params = self._clips_params
        for question in self._opened.questions.iter_rows(named=True):
            if question["video_id"] in kept:
                clip = self._opened.clips[question["clip_id"]]
                found[clip.split].append(
                    rows.recipe_of(
                        question,
                        clip,
                        self._opened.videos[clip.video_id],
                        export_id=self._id,
                        rate_hz=rows.fps_of(clip, params.grid_hz, params.span),
                    )
                )
        for split, listed in found.items():
            path = self._folder / "recipes" / f"{split}.jsonl"
            write_bytes(path, formats.json_lines(listed))
        return sum(map(len, found.values()))

    def _write_card(self, found: Mapping[str, Sequence[Any]], recipes: int) -> None:
        shown = {clip.video_id for clip in self._whole_clips().values()}
        rates = {about.fps for about in self._about.values()}
        facts = CardFacts(
            export_id=self._id,
            release_id=self._opened.release_id,
            rows={split: len(listed) for split, listed in found.items() if listed},
            with_clips=sorted({clip.split for clip in self._whole_clips().values()}),
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
