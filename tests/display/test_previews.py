"""Pictures show what they should: colours mean something, and empty shards do not break a page."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from p4d.artifacts import write_arrays, write_table
from p4d.display import previews
from p4d.display.markdown import markdown_table
from p4d.display.stage_views import PICTURES
from p4d.drawing import depth_rgb, flow_rgb, motion_rgb
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

GREY = [200, 200, 200]
T, S = 4, 16


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_near_is_red_far_is_blue_and_unknown_is_grey():
    depth = np.tile(np.geomspace(1.0, 20.0, 32), (8, 1))
    valid = np.ones_like(depth)
    valid[0] = 0
    rgb = depth_rgb(depth, valid).astype(int)
    assert (rgb[0] == GREY).all()
    assert rgb[1, 0, 0] > rgb[1, 0, 2]
    assert rgb[1, -1, 2] > rgb[1, -1, 0]
    assert (depth_rgb(np.full((2, 2), np.nan)) == GREY).all()


def test_flow_is_white_at_rest_and_opposite_directions_differ():
    flow = np.zeros((1, 4, 2))
    flow[0, 1], flow[0, 2] = (5, 0), (-5, 0)
    valid = np.array([[1, 1, 1, 0]])
    still, right, left, unknown = flow_rgb(flow, valid)[0].astype(int)
    assert still.tolist() == [255, 255, 255]
    assert unknown.tolist() == GREY
    assert np.abs(right - left).max() > 200


def test_scale_of_flow_can_be_shared():
    flow = np.full((1, 1, 2), 1.0)
    alone = flow_rgb(flow)[0, 0].astype(int)
    beside_longer = flow_rgb(flow, longest_px=100.0)[0, 0].astype(int)
    assert beside_longer.min() > 240 > alone.min()


def test_motion_is_orange_over_the_dimmed_frame():
    frame = np.full((4, 4, 3), 100, np.uint8)
    still, moving = motion_rgb(np.array([[0.0, 1.0]]), frame)[0]
    assert still.tolist() == [40, 40, 40]
    assert moving.tolist() == [255, 140, 0]


def test_regions_are_outlined_and_keep_their_inside():
    frame = np.full((8, 8, 3), 50, np.uint8)
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[0, 2:6, 2:6] = 1
    rgb = previews.regions_rgb(frame, mask)
    changed = (rgb != frame).any(-1)
    assert changed.sum() == 12
    assert not changed[3:5, 3:5].any()


@pytest.fixture
def folders(tmp_path):
    ids = ["clip_a", "clip_b"]
    rng = np.random.default_rng(5)
    frames = {f"{c}.rgb_thw3": rng.integers(0, 255, (T, S, S, 3)).astype(np.uint8) for c in ids}
    write_arrays(tmp_path / "clips/frames.safetensors", frames)
    clips = pl.DataFrame(
        {
            "clip_id": ids,
            "start_ns": [0, 10**9],
            "end_ns": [10**9, 2 * 10**9],
            "scale_kind": ["metric", "relative"],
            "outcome": ["ok", "ok"],
        }
    )
    write_table(tmp_path / "clips/clips.parquet", clips, sort_by=["clip_id"])
    writer = LabelWriter()
    for clip_id in ids:
        writer.add(
            clip_id,
            "expert4d",
            LabelArrays(
                depth_thw=rng.uniform(1, 9, (T, 8, 8)),
                valid_thw=np.ones((T, 8, 8), bool),
                flow_px_thw2=rng.normal(0, 2, (T, 8, 8, 2)),
                flow_valid_thw=np.ones((T, 8, 8), bool),
                motion_thw=rng.uniform(0, 1, (T, 8, 8)),
            ),
        )
    writer.write(tmp_path / "labels")
    index = pl.DataFrame(
        {
            "clip_id": ids,
            "teacher": "expert4d",
            "scale_kind": ["metric", "relative"],
            "outcome": "ok",
        }
    )
    write_table(tmp_path / "labels/index.parquet", index, sort_by=["clip_id"])
    masks = {f"{c}.masks_kthw": np.ones((1, T, S, S), np.uint8) for c in ids}
    write_arrays(tmp_path / "regions/masks.safetensors", masks)
    marks = {f"{c}.marks_hw3": np.zeros((S, S, 3), np.uint8) for c in ids}
    write_arrays(tmp_path / "regions/marks.safetensors", marks)
    regions = pl.DataFrame(
        {
            "clip_id": ids,
            "mark": 1,
            "name": ["red box", None],
            "source": ["truth", "motion"],
            "outcome": "ok",
        }
    )
    write_table(tmp_path / "regions/regions.parquet", regions, sort_by=["clip_id"])
    return {name: tmp_path / name for name in ("clips", "labels", "regions")}


@pytest.mark.parametrize("stage", ["clips", "labels", "regions"])
def test_sheet_of_a_shard_has_a_row_per_clip(stage, folders):
    shown = pixels(PICTURES[stage](folders))
    tile = {"clips": 140, "labels": 192, "regions": 224}[stage]
    assert shown.shape[0] > 2 * tile
    assert shown.shape[1] > T * tile
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("stage", ["clips", "labels", "regions"])
def test_shard_with_nothing_to_show_says_so(stage, folders):
    table = {"labels": "index"}.get(stage, stage)
    path = folders[stage] / f"{table}.parquet"
    empty = pl.read_parquet(path).clear()
    empty.write_parquet(path)
    assert pixels(PICTURES[stage](folders)).shape[0] < 60


def test_markdown_keeps_marks_and_says_what_it_leaves_out():
    frame = pl.DataFrame({"text": ["how far is <obj_1>?", "a|b"], "value": [0.123456, None]})
    text = markdown_table(frame, rows=1)
    assert "&lt;obj_1>" in text
    assert "0.1235" in text
    assert text.endswith("1 more rows")
    assert "a\\|b" in markdown_table(frame)
