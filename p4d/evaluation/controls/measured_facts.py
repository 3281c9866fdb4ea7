"""The facts of a benchmark's videos as text, for a model that was not trained to perceive them.

A benchmark that carries its clips in the layout of this pipeline has facts. The videos of any other
are landed without truth in a folder of their own, and the pipeline's stages measure them with the
expert of the project. The same model then reads the facts before each question.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from p4d.artifacts import read_table
from p4d.config import Params
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem
from p4d.evaluation.benchmarks.r4d_world.make import landed
from p4d.evaluation.controls.text_rows import times_named
from p4d.ids import sha256_file
from p4d.questions.wording import seconds
from p4d.standalone import drop_stale, run_stages
from p4d.students.data.fact_text import FactTexts, fact_text
from p4d.students.data.questions import Question

STAGES = ("videos", "clips", "labels", "regions", "facts")
MOST_CLIPS = 4
"""Clips of a video whose facts a question gets, at equal steps over what it is about."""

Progress = Callable[[str, int, int, str], None]


def facts_of_items(
    benchmark: Benchmark,
    items: Sequence[BenchmarkItem],
    *,
    expert: Path,
    build: Path,
    params: Params,
    progress: Progress = lambda where, done, total, note: None,
) -> dict[str, str]:
    """The facts of each item as text, by item; one of whose video nothing was measured is absent.

    Args:
        benchmark: as read from its folder.
        items: to be asked.
        expert: folder of the expert that measures videos.
        build: folder for what is made of the videos; kept, so that a second call measures nothing.
        params: of the project.
        progress: called as `(artifact, done, total, note)`.

    Raises:
        ContractError: there is no expert.
    """
    if benchmark.stages is not None and all(item.clip for item in items):
        return dict(_carried(benchmark.stages, items))
    if not any(expert.glob("*.safetensors")):
        raise ContractError(
            f"{expert} holds no expert to measure the videos with; `make up` trains it, `dvc pull` "
            "brings it"
        )
    videos = {item.video for item in items if item.video.is_file()}
    ids = _landed_copies(videos, build / "inbox")
    build.mkdir(parents=True, exist_ok=True)
    if not (build / "expert").exists():
        (build / "expert").symlink_to(expert.resolve(), target_is_directory=True)
    shards = landed(build, params)
    drop_stale(build, params, STAGES)
    run_stages(build, params, STAGES, shards, progress=progress)
    clips = _clips_by_video(build, shards)
    texts = {}
    for item in items:
        found = list(_facts_of(item, clips.get(ids.get(item.video, ""), [])))
        if found:
            texts[item.item_id] = " ".join(found)
    return texts


def _carried(stages: Path, items: Sequence[BenchmarkItem]) -> Iterator[tuple[str, str]]:
    """Facts of the interval that each question names, of all regions, as in `p4d control facts`."""
    shards: dict[str, FactTexts] = {}
    for item in items:
        assert item.clip is not None
        shard, clip_id = item.clip
        if shard not in shards:
            shards[shard] = FactTexts(stages / "regions" / shard, stages / "facts" / shard)
        question = Question(
            qa_id=item.item_id, clip_id=clip_id, video_id=item.group, shard=shard,
            category=item.category, question=item.question, options=item.options,
            answer_index=item.answer_index or 0, dynamic=bool(item.dynamic),
        )  # fmt: skip
        text = shards[shard].of_times(question, times_named(question))
        if text:
            yield item.item_id, text


def _landed_copies(videos: set[Path], inbox: Path) -> dict[Path, str]:
    """Lay the videos into an inbox, without what lies beside them; returns their ids."""
    inbox.mkdir(parents=True, exist_ok=True)
    ids = {}
    for video in sorted(videos):
        sha256 = sha256_file(video)
        ids[video] = f"vid_{sha256[:16]}"
        copy = inbox / f"{sha256[:16]}{video.suffix}"
        if not copy.exists():
            try:
                os.link(video, copy)
            except OSError:  # another file system
                shutil.copyfile(video, copy)
    return ids


class _Clip:
    """A clip with its facts."""

    def __init__(self, row: Mapping[str, object], texts: FactTexts) -> None:
        clip_id = str(row["clip_id"])
        self.start_ns, self.end_ns = int(str(row["start_ns"])), int(str(row["end_ns"]))
        self.text = _as_things(fact_text(texts.named(clip_id), texts.marks(clip_id)))


def _clips_by_video(build: Path, shards: Sequence[str]) -> Mapping[str, list[_Clip]]:
    """Clips of which something was measured, in order of time."""
    found: dict[str, list[_Clip]] = defaultdict(list)
    for shard in shards:
        texts = FactTexts(build / "regions" / shard, build / "facts" / shard)
        table = read_table(build / "clips" / shard / "clips.parquet")
        rows = table.filter(pl.col("outcome") == "ok").sort("video_id", "start_ns")
        for row in rows.iter_rows(named=True):
            clip = _Clip(row, texts)
            if clip.text:
                found[row["video_id"]].append(clip)
    return found


def _facts_of(item: BenchmarkItem, clips: Sequence[_Clip]) -> Iterator[str]:
    """The facts of some clips that overlap what an item is about."""
    start, end = item.start_ns or 0, item.end_ns
    within = [
        clip for clip in clips if clip.end_ns > start and (end is None or clip.start_ns < end)
    ]
    step = max(1, -(-len(within) // MOST_CLIPS))
    for clip in within[::step]:
        yield f"From second {seconds(clip.start_ns)} on: {clip.text.strip()}"


def _as_things(text: str) -> str:
    """The text with other names of regions: the benchmark's own are `<obj_k>`."""
    return re.sub(r"<obj_(\d+)>", r"thing \1", text)
