"""A checkout may lie anywhere: to polars and DuckDB, `[` in a path is a pattern unless told."""

import ast
from pathlib import Path

import pytest

from p4d.artifacts import read_csv, read_table, scan_table
from p4d.standalone import run_stages
from p4d.video.clips import build_clips
from p4d.video.ingest import build_videos
from p4d.video.landing import land
from p4d.worlds.clip_shards import write_clip_shard
from tests.video.media import inputs, make_project, params, write_video

ROOT = Path(__file__).parents[1]
READERS = ("read_parquet", "scan_parquet", "read_parquet_schema", "read_csv", "scan_csv",
           "read_ndjson", "scan_ndjson", "read_json")  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    odd = tmp_path / "a [b] *ö"
    odd.mkdir()
    return odd


@pytest.mark.attack("L1")
def test_landed_videos_become_clips(folder):
    project = make_project(folder / "project")
    write_video(project.inbox / "a [1].mp4")
    assert land(project).accepted == 1
    (shard,) = project.shards()
    build_videos(inputs(project, "videos", shard), project.data / "videos" / shard)
    out = project.data / "clips" / shard
    build_clips(inputs(project, "clips", shard), out)
    assert read_table(out / "clips.parquet")["outcome"].to_list()[0] == "ok"
    assert scan_table(out / "clips.parquet").collect_schema().names()


@pytest.mark.attack("L1")
def test_clips_become_questions(folder):
    settings = params()
    write_clip_shard(folder / "clips" / "0001-a", [1, 2], settings.clips, shard="0001-a")
    (folder / "labels" / "0001-a").mkdir(parents=True)
    run_stages(folder, settings, ("regions", "facts", "questions"), ["0001-a"])
    assert read_table(folder / "questions" / "0001-a" / "questions.parquet").height


@pytest.mark.attack("L1")
def test_a_csv_file_is_read(folder):
    (folder / "curve.csv").write_text("step,loss\n1,2.5\n", encoding="utf-8")
    assert read_csv(folder / "curve.csv").rows() == [(1, 2.5)]


def test_no_table_is_read_past_the_readers_that_take_paths_literally():
    found = []
    for package in ("p4d", "assets", "dagster_project"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in READERS:
                    literal = ast.unparse(node.value) == "pl"
                    if literal and path != ROOT / "p4d" / "artifacts.py":
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found
