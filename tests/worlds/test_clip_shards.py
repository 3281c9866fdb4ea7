"""Clip shards without a codec have the tables and arrays of stage clips."""

import numpy as np
import polars as pl

from p4d.artifacts import Arrays
from tests.factories import make_clips_dir


def test_the_factory_writes_clips_as_the_stage_would(tmp_path):
    folder = make_clips_dir(tmp_path / "clips", 4, seed=4)
    clips = pl.read_parquet(folder / "clips.parquet")
    objects = pl.read_parquet(folder / "objects.parquet")
    truth, frames = Arrays(folder / "truth.safetensors"), Arrays(folder / "frames.safetensors")
    assert clips.height == 4
    assert clips["video_id"].n_unique() == 2
    for row in clips.iter_rows(named=True):
        clip_id = row["clip_id"]
        assert frames[f"{clip_id}.rgb_thw3"].shape == (8, 64, 64, 3)
        ids = truth[f"{clip_id}.instance_thw"]
        known = set(objects.filter(pl.col("clip_id") == clip_id)["instance"].to_list())
        assert set(np.unique(ids).tolist()) <= known | {0}
        assert len(row["frame_pts_ns"]) == 8
        assert row["start_ns"] <= row["frame_pts_ns"][0]
        assert row["frame_pts_ns"][-1] < row["end_ns"]
