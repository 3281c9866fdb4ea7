"""Part `datasets`: each format's fixture lands, and is labelled and measured as any video is.

The fixtures are those of the tests, in the exact layout of each dataset. Per format: the frames
that landed, the facts by kind, and whether what the page of datasets promises holds.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.doors.datasets_fixtures import FIXTURES
from p4d.artifacts import read_json
from p4d.audit.withheld import withheld_shards
from p4d.config import Params, replace_params
from p4d.datasets.registry import BY_FORMAT
from p4d.origins import read_origins, withheld
from p4d.project import Project
from p4d.sidecars import TRUTH_SUFFIX, sidecar_path
from p4d.standalone import run_stages
from p4d.truth import read as read_truth
from p4d.video.dataset_folders import CONVERTED
from p4d.video.landing import land
from tests.video.media import make_project

PER_SHARD = ("videos", "clips", "labels", "regions", "facts")


def measure(work: Path) -> Mapping[str, object]:
    """Land and measure the fixture of every format in the registry."""
    if missing := sorted(set(BY_FORMAT) ^ set(FIXTURES)):
        raise SystemExit(f"formats without a fixture, or fixtures without a format: {missing}")
    expert = _expert(work / "expert")
    return {name: _measure(work / name, name, FIXTURES[name], expert) for name in FIXTURES}


def _params(project: Project) -> Params:
    # The embedded expert is copied; its card is measured on four worlds.
    return replace_params(project.params, expert={"worlds": 16, "holdout_worlds": 4})


def _expert(work: Path) -> Path:
    project = make_project(work)
    run_stages(work, _params(project), ("expert_worlds", "expert"), ())
    return work / "expert"


def _measure(
    work: Path, name: str, write: Callable[[Path], object], expert: Path
) -> Mapping[str, object]:
    project = make_project(work)
    write(project.inbox / f"{name}_fixture")
    report = land(project)
    shutil.copytree(expert, work / "expert")
    run_stages(work, _params(project), PER_SHARD, report.shards)
    videos = _tables(work, "videos", report.shards).filter(outcome="ok")
    facts = _tables(work, "facts", report.shards)
    return {
        "frames": int(videos["n_frames"].sum()),
        "facts": dict(facts.group_by("kind").len().sort("kind").iter_rows()),
        "checks": _checks(project, name, report.shards, report.rejected),
    }


def _checks(project: Project, name: str, shards: tuple[str, ...], rejected: int) -> dict[str, bool]:
    rows = [
        row for shard in shards for row in read_json(project.shards_dir / f"{shard}.json")["files"]
    ]
    videos = sorted((project.inbox / CONVERTED / name).glob("*.mp4"))
    truths = [sidecar_path(video, TRUTH_SUFFIX) for video in videos]
    origins: dict[str, Any] = {}
    for shard in shards:
        origins |= read_origins(project.root / "videos" / shard)
    bound = {shard for shard in shards if withheld(read_origins(project.root / "videos" / shard))}
    again = land(project)
    before = {path.name: path.read_bytes() for path in videos}
    shutil.rmtree(project.inbox / CONVERTED)
    (project.state / "dataset_folders.json").unlink()
    land(project)
    after = {p.name: p.read_bytes() for p in (project.inbox / CONVERTED / name).glob("*.mp4")}
    return {
        "every_sequence_lands": bool(rows) and rejected == 0 and len(rows) == len(videos),
        "truth_is_read_back": bool(videos)
        and all(bool(read_truth(path).gives) for path in truths if path.is_file())
        and any(path.is_file() for path in truths),
        "terms_are_stated": {row["file_id"] for row in rows} == set(origins)
        and all(origin.terms_id for origin in origins.values()),
        "bound_pictures_stay": set(withheld_shards(project)) == bound,
        "a_second_landing_does_nothing": not again.shards,
        "equal_folders_give_equal_files": bool(before) and before == after,
    }


def _tables(work: Path, stage: str, shards: tuple[str, ...]) -> pl.DataFrame:
    return pl.concat(
        [pl.read_parquet(work / stage / shard / f"{stage}.parquet") for shard in shards]
    )
