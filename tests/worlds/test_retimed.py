"""Takes of one world: equal pictures and truth, other times."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays
from p4d.worlds.clip_shards import write_clip_shard
from p4d.worlds.retimed import (
    LEAST_STEP_MS,
    LONGEST_S,
    RHYTHMS,
    SHORTEST_S,
    STEP_S,
    TAKES,
    retimed_spec,
    takes_of,
)
from tests.video.media import params

SEEDS = range(40)
PICTURES = 8


def test_every_take_has_increasing_times_within_the_stated_lengths():
    for take in (take for seed in SEEDS for take in takes_of(seed, PICTURES)):
        steps_ms = np.diff(take.times_ms)
        assert len(take.times_ms) == PICTURES
        assert take.times_ms[0] == 0
        assert steps_ms.min() >= LEAST_STEP_MS
        assert 1000 * SHORTEST_S - 4 <= take.times_ms[-1] <= 1000 * LONGEST_S + 200
        assert take.times_ns == tuple(ms * 10**6 for ms in take.times_ms)


def test_rhythms_are_what_they_are_called():
    found = {take.rhythm for seed in SEEDS for take in takes_of(seed, PICTURES)}
    assert found == set(RHYTHMS)
    for take in (take for seed in SEEDS for take in takes_of(seed, PICTURES)):
        steps_ms = np.diff(take.times_ms)
        longest = np.sort(steps_ms)[::-1] / steps_ms.sum()
        if take.rhythm == "even":
            assert np.ptp(steps_ms) <= 1
        elif take.rhythm == "pause":
            assert longest[0] > 0.35
            assert longest[1] < 0.11
        elif take.rhythm == "bursts":
            assert longest[1] > 2 * longest[2]
        elif take.rhythm == "slower":
            assert (np.diff(steps_ms) >= 0).all()
        elif take.rhythm == "faster":
            assert (np.diff(steps_ms) <= 0).all()


def test_takes_of_a_world_differ_and_are_the_same_again():
    for seed in SEEDS:
        takes = takes_of(seed, PICTURES)
        assert takes == takes_of(seed, PICTURES)
        assert len({take.times_ms for take in takes}) == TAKES
        lengths = sorted(take.times_ms[-1] for take in takes)
        assert lengths[-1] > 3 * lengths[0]  # the same picture stands for 8 s and for 1 s


@pytest.mark.parametrize("appearance", ["default", "heldout"])
def test_nothing_in_a_world_tells_the_true_seconds(appearance):
    for seed in range(8):
        spec = retimed_spec(seed, PICTURES, appearance=appearance)
        moving = [obj for obj in spec.objects if obj.path is not None]
        assert len(moving) >= 2
        assert all(obj.launch is None for obj in spec.objects)
        for obj in moving:
            begin, end = obj.path.begin_s / STEP_S, obj.path.end_s / STEP_S
            assert (begin, end) == (round(begin), round(end))
            assert 0 <= begin < end - 1 <= PICTURES - 2
            assert obj.spin is None
            times_s = np.arange(PICTURES) * STEP_S
            steps_m = np.linalg.norm(np.diff(obj.rest_poses(times_s)[:, :3, 3], axis=0), axis=1)
            assert (steps_m[: int(begin)] == 0).all()
            assert (steps_m[int(begin) : int(end)] > 0).all()
            assert (steps_m[int(end) :] < 1e-12).all()


def test_a_shard_of_takes_shows_equal_pictures_at_other_times(tmp_path):
    clips = params().clips
    folder = write_clip_shard(tmp_path / "a", [3], clips, shard="a", retimed=True)
    table = pl.read_parquet(folder / "clips.parquet").sort("start_ns")
    assert len(table) == TAKES
    assert table["clip_id"].n_unique() == TAKES
    assert table["video_id"].n_unique() == 1  # one world, so one split and one cluster
    frames, truth = Arrays(folder / "frames.safetensors"), Arrays(folder / "truth.safetensors")
    first, *others = table["clip_id"].to_list()
    for other in others:
        for arrays, name in ((frames, "rgb_thw3"), (truth, "world_T_obj_kt44")):
            assert np.array_equal(arrays[f"{first}.{name}"], arrays[f"{other}.{name}"])
    assert np.abs(np.diff(frames[f"{first}.rgb_thw3"].astype(int), axis=0)).max() > 0
    for row, take in zip(table.to_dicts(), takes_of(3, PICTURES), strict=True):
        assert [t - row["start_ns"] for t in row["frame_pts_ns"]] == list(take.times_ns)
        assert row["frame_pts_ns"][-1] < row["end_ns"]
    starts, ends = table["start_ns"].to_list(), table["end_ns"].to_list()
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
