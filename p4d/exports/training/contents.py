"""What an export of a release holds: clips with their regions and facts, and rows by split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.exports.harness.groups import exchange_group_ids
from p4d.exports.source import HELD_OUT, OpenRelease, ReleasedClip
from p4d.exports.training import rows
from p4d.exports.training.media import exported_size_px
from p4d.exports.training.rows import ClipFacts
from p4d.questions.facts.table import Fact
from p4d.splits import SPLITS

Row = dict[str, Any]


class ExportContents:
    """Rows and clips of one export.

    Attributes:
        clips: those whose pictures are in the folder, by id.
        unsafe: number of questions that were left out for a text that trainers take for a tag.
    """

    def __init__(
        self,
        opened: OpenRelease,
        export_id: str,
        *,
        size_px: int,
        held_out_answers: bool,
        faults: Mapping[str, str],
    ) -> None:
        """Contents of an export of `opened`; `faults` are clips that could not be written."""
        self._opened, self._id = opened, export_id
        self._size_px, self._held_out_answers = size_px, held_out_answers
        self.clips = {
            clip_id: clip
            for clip_id, clip in opened.clips.items()
            if clip.video_id not in opened.terms.recipes and clip_id not in faults
        }
        self.unsafe = 0

    def answers(self, split: str) -> bool:
        """Whether rows of a split have their answers."""
        return split != HELD_OUT or self._held_out_answers

    @cached_property
    def about(self) -> Mapping[str, ClipFacts]:
        """What is known of each clip, by id."""
        return {
            about.clip.clip_id: about
            for shard in self._opened.shards
            for about in self._of_shard(shard)
        }

    def of_split(self, split: str) -> list[ClipFacts]:
        """What is known of the clips of a split, in order of their ids."""
        return [self.about[i] for i, clip in self.clips.items() if clip.split == split]

    @cached_property
    def rows(self) -> Mapping[str, list[Row]]:
        """The rows of each split, in order of their ids."""
        found: dict[str, list[Row]] = {split: [] for split in SPLITS}
        for question in self._opened.questions.iter_rows(named=True):
            clip = self.clips.get(question["clip_id"])
            if clip is None:
                continue
            if rows.unsafe_text(question):
                self.unsafe += 1
                continue
            found[clip.split].append(
                rows.row_of(
                    {**question, "exchange_group": self.groups.get(question["qa_id"])},
                    self.about[clip.clip_id],
                    export_id=self._id,
                    answered=self.answers(clip.split),
                )
            )
        return found

    @cached_property
    def groups(self) -> Mapping[str, str]:
        """The exchange group of each question that is in a complete one."""
        return groups_of(self._opened.questions)

    def recipes(self) -> Mapping[str, list[Row]]:
        """Rows of videos whose pictures stay, by split."""
        found: dict[str, list[Row]] = defaultdict(list)
        params = self._opened.project.params.clips
        for question in self._opened.questions.iter_rows(named=True):
            if question["video_id"] in self._opened.terms.recipes:
                clip = self._opened.clips[question["clip_id"]]
                video = self._opened.videos[clip.video_id]
                fps = rows.fps_of(clip, params.grid_hz, params.span)
                found[clip.split].append(
                    rows.recipe_of(question, clip, video, export_id=self._id, fps=fps)
                )
        return found

    def _of_shard(self, shard: str) -> Iterator[ClipFacts]:
        folder = self._opened.shard_folder("regions", shard)
        marked = read_table(folder / "regions.parquet").filter(
            pl.col("mark").is_not_null(), outcome="ok"
        )
        regions: dict[str, list[Row]] = defaultdict(list)
        for row in marked.sort("clip_id", "mark").iter_rows(named=True):
            regions[row["clip_id"]].append(row)
        facts, masks = self._facts(shard), Arrays(folder / "masks.safetensors")
        params = self._opened.project.params.clips
        for clip in self.clips.values():
            if clip.shard == shard:
                video = self._opened.videos[clip.video_id]
                source_px = (video["width_px"], video["height_px"])
                yield ClipFacts(
                    clip=clip,
                    size_px=exported_size_px(source_px, self._size_px),
                    masks_kthw=masks[f"{clip.clip_id}.masks_kthw"],
                    regions=tuple(regions[clip.clip_id]),
                    facts=facts.get(clip.clip_id, {}),
                    fps=rows.fps_of(clip, params.grid_hz, params.span),
                )

    def _facts(self, shard: str) -> Mapping[str, Mapping[str, Fact]]:
        """The facts that questions of a shard refer to, by clip and id."""
        wanted = self._opened.questions.filter(shard=shard)["fact_ids"].explode().unique()
        table = read_table(self._opened.shard_folder("facts", shard) / "facts.parquet")
        found: dict[str, dict[str, Fact]] = defaultdict(dict)
        for row in table.filter(pl.col("fact_id").is_in(wanted.to_list())).iter_rows(named=True):
            found[row["clip_id"]][row["fact_id"]] = Fact.from_row(row)
        return found


def groups_of(questions: pl.DataFrame) -> dict[str, str]:
    """The exchange group of each question of a release that is in a complete one, by id."""
    return exchange_group_ids(
        {**row, "within": row["split"]} for row in questions.iter_rows(named=True)
    )


def media_clips(opened: OpenRelease) -> Mapping[str, list[ReleasedClip]]:
    """The clips of each video whose pictures may leave."""
    found: dict[str, list[ReleasedClip]] = defaultdict(list)
    for clip in opened.clips.values():
        if clip.video_id not in opened.terms.recipes:
            found[clip.video_id].append(clip)
    return found
