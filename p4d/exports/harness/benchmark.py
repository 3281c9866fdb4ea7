"""`p4d export benchmark`: R4D-World, or another in R4D-Bench's layout, as an lmms-eval task."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json, read_table
from p4d.atomic import replacing
from p4d.encoding import write_mp4
from p4d.errors import ContractError
from p4d.evaluation.benchmarks import r4d_bench
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem
from p4d.exports.destination import Exported, Staging, describe, existing_export, staged
from p4d.exports.harness.groups import exchange_group_ids
from p4d.exports.harness.task import write_task
from p4d.ids import content_id, sha256_file
from p4d.students.model.chat import LETTERS
from p4d.video.decoding.decode import decode


def export_benchmark(benchmark: Path, path: Path) -> Exported:
    """Write a benchmark with its media and answers to `path`.

    Args:
        benchmark: a folder in R4D-Bench's layout.
        path: a folder that does not exist yet.

    Raises:
        ContractError: `benchmark` is none, or a question of it cannot be shown; or `path` holds
            something else.
        PublishError: the disk is full.
    """
    if not r4d_bench.found_in(benchmark):
        raise ContractError(f"{benchmark} holds no {r4d_bench.FILE}; `make r4d-world` makes one")
    read = r4d_bench.read(benchmark)
    _require_whole(read)
    export_id = content_id("export", "benchmark", 1, sha256_file(benchmark / r4d_bench.FILE))
    found = existing_export(path, export_id)
    if found is not None:
        return found
    name = read.name.replace("-", "_")
    with staged(path, export_id) as staging:
        media = _Media(staging, benchmark)
        groups = _groups(benchmark)
        questions = [
            {
                "id": item.item_id,
                "category": item.category,
                "prompt": r4d_bench.prompt(item),
                "options": list(item.options),
                **media.of(item),
            }
            for item in read.items
        ]
        answers = {
            item.item_id: {
                "answer": LETTERS[item.answer_index or 0],
                "exchange_group": groups.get(item.item_id.partition("/")[2]),
            }
            for item in read.items
        }
        version = content_id("bench", [[row["id"], row["prompt"]] for row in questions])
        write_task(staging.folder, name, questions, answers, version=version)
        counts = {"questions": len(questions), "exchange_groups": len(set(groups.values()))}
        description = {"export_id": export_id, "kind": "benchmark", "name": name, "counts": counts}
        describe(staging, description)
    return Exported(path=path, export_id=export_id, counts=counts)


def _require_whole(read: Benchmark) -> None:
    """Refuse what lmms-eval would score otherwise than we do."""
    trimmed = [item.item_id for item in read.items if item.start_ns is not None]
    if read.rejected or trimmed:
        first = str(next(iter(read.rejected), None) or f"{trimmed[0]} is a part of its video")
        raise ContractError(
            f"{len(read.rejected) + len(trimmed)} questions of {read.folder} cannot be shown by "
            f"lmms-eval, for example: {first[:200]}"
        )


class _Media:
    """Copies pictures, and writes the clips of a benchmark that carries them at a constant rate.

    Loaders of videos take a constant rate for granted, and some worlds of R4D-World have none.
    """

    def __init__(self, staging: Staging, benchmark: Path) -> None:
        self._folder, self._benchmark = staging.folder, benchmark.resolve()
        self._clips: dict[tuple[str, str], Mapping[str, Any]] = {}

    def of(self, item: BenchmarkItem) -> dict[str, list[str]]:
        """Names of the media of a question in the export."""
        video = self._copied(item.video) if item.clip is None else self._clip(item, item.clip)
        return {"images": [self._copied(item.marks)] if item.marks else [], "videos": [video]}

    def _copied(self, source: Path) -> str:
        name = source.resolve().relative_to(self._benchmark).as_posix()
        target = self._folder / name
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
        return name

    def _clip(self, item: BenchmarkItem, clip: tuple[str, str]) -> str:
        name = f"videos/{clip[1]}.mp4"
        target = self._folder / name
        if target.is_file():
            return name
        row = self._row(clip)
        indices = list(row["frame_index"])
        pictures = {f.index: f.rgb() for f in decode(item.video) if f.index in set(indices)}
        rate = Fraction(len(indices) * 10**9, row["end_ns"] - row["start_ns"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            shown = enumerate(pictures[index] for index in indices)
            write_mp4(temporary, shown, 1 / rate, rate)
        return name

    def _row(self, clip: tuple[str, str]) -> Mapping[str, Any]:
        if clip not in self._clips:
            shard = clip[0]
            path = self._benchmark / r4d_bench.STAGES / "clips" / shard / "clips.parquet"
            for row in read_table(path).iter_rows(named=True):
                self._clips[shard, row["clip_id"]] = row
        return self._clips[clip]


def _groups(benchmark: Path) -> dict[str, str]:
    """The exchange group of each question of R4D-World; empty for a benchmark without shards."""
    records: list[Mapping[str, Any]] = read_json(benchmark / r4d_bench.FILE)
    if not all(record.get("shard") and record.get("family") for record in records):
        return {}
    shown = dict(_marks_shown(benchmark, {str(record["shard"]) for record in records}))
    return exchange_group_ids(
        {
            **record,
            "qa_id": str(record["id"]),
            "answer_text": record["answer"],
            # The number of marks bounds a count, so groups of counts do not span it.
            "within": shown.get(record["clip_id"], 0) if record["task"] == "Counting" else 0,
        }
        for record in records
    )


def _marks_shown(benchmark: Path, shards: set[str]) -> Iterator[tuple[str, int]]:
    """Number of marks of each clip."""
    for shard in sorted(shards):
        path = benchmark / r4d_bench.STAGES / "regions" / shard / "regions.parquet"
        marked = read_table(path).filter(pl.col("mark").is_not_null())
        yield from marked.group_by("clip_id").len().iter_rows()
