"""Stage clips: exact frames on the grid, filters with reasons, truth, and the reject ratio."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays, read_table, write_table
from p4d.errors import ContractError
from p4d.ids import content_id
from p4d.video.clip_plans import plan_clips
from p4d.video.clips import CLIP_SCHEMA, OBJECT_SCHEMA, build_clips
from p4d.video.ingest import build_videos
from p4d.video.landing import land
from p4d.video.shots import Shot, Transition
from tests.video.media import (
    digests,
    inputs,
    make_project,
    marked_frame,
    params,
    read_mark,
    write_video,
)

S = 1_000_000_000


def cut(project):
    """Land, ingest and cut the one shard; returns the report, the clips table and the folder."""
    land(project)
    (shard,) = project.shards()
    build_videos(inputs(project, "videos", shard), project.data / "videos" / shard)
    out = project.data / "clips" / shard
    return build_clips(inputs(project, "clips", shard), out), read_table(out / "clips.parquet"), out


def plans_of(pts_ns, duration_ns, limits, shots=None):
    whole = [Shot(0, len(pts_ns), None)]
    return list(plan_clips(np.asarray(pts_ns), duration_ns, shots or whole, limits))


def test_the_clip_table_of_a_marked_video_is_exact(tmp_path):
    project = make_project(tmp_path)
    # 5 s at 30 frames a second, shown from second 1 on: two clips of 2 s, and one that has no end.
    video = write_video(project.inbox / "a.mp4", frames=150, fps=30, start_ticks=30, size=(192, 96))
    report, clips, out = cut(project)
    assert report.rows == {"ok": 2, "filtered": 1}
    first, second, third = clips.sort("start_ns").iter_rows(named=True)
    # The frame shown at 0, 0.25, 0.5, 0.75 s... of 30 a second.
    shown = [0, 7, 15, 22, 30, 37, 45, 52]
    assert first["frame_index"] == shown
    assert second["frame_index"] == [60 + i for i in shown]
    assert first["frame_pts_ns"] == [S + round(Fraction(i, 30) * S) for i in shown]
    assert (first["start_ns"], first["end_ns"]) == (1 * S, 3 * S)
    assert (second["start_ns"], second["end_ns"]) == (3 * S, 5 * S)
    assert (third["start_ns"], third["outcome"]) == (5 * S, "filtered")
    assert third["reason"] == "reaches beyond the end of the video"
    assert first["clip_id"] == content_id("clip", first["video_id"], 1 * S, 3 * S)
    assert (first["has_truth"], first["scale_kind"]) == (False, "relative")
    frames = Arrays(out / "frames.safetensors")
    assert sorted(frames) == sorted(f"{row['clip_id']}.rgb_thw3" for row in (first, second))
    for row in (first, second):
        rgb = frames[f"{row['clip_id']}.rgb_thw3"]
        assert (rgb.shape, rgb.dtype) == ((8, 64, 64, 3), np.uint8)
        assert [read_mark(picture) for picture in rgb] == row["frame_index"]
    assert len(Arrays(out / "truth.safetensors")) == 0
    build_clips(inputs(project, "clips", first["shard"]), tmp_path / "again")
    assert digests(tmp_path / "again") == digests(out)
    assert video.is_file()


def test_a_clip_over_the_whole_video_samples_frames_that_stand_on_no_grid(tmp_path):
    """Whatever the rate, and at unequal steps: all eight frames of a video that has no others."""
    project = make_project(tmp_path, clips={"span": "video"})
    write_video(project.inbox / "a.mp4", frames=50, fps=12, size=(192, 96))
    ticks = [0, 17, 40, 57, 1900, 1917, 4000, 6100]
    write_video(
        project.inbox / "b.mp4", frames=8, ticks=ticks, time_base=Fraction(1, 1000), size=(192, 96)
    )
    report, clips, out = cut(project)
    assert report.rows == {"ok": 2}
    frames = Arrays(out / "frames.safetensors")
    found = {tuple(row["frame_index"]): row for row in clips.iter_rows(named=True)}
    assert set(found) == {(0, 7, 14, 21, 28, 35, 42, 49), tuple(range(8))}
    for shown, row in found.items():
        assert [read_mark(rgb) for rgb in frames[f"{row['clip_id']}.rgb_thw3"]] == list(shown)
    irregular = found[tuple(range(8))]
    assert irregular["frame_pts_ns"] == [tick * 10**6 for tick in ticks]


def test_variable_rate_takes_the_frame_shown_at_the_instant():
    pts_ns = np.array([0, 100, 900, 1000, 1001, 1499, 1990]) * 1_000_000
    (plan,) = plans_of(pts_ns, 2 * S, params(clips={"frames": 4, "grid_hz": 2.0}).clips)
    assert plan.frame_index == (0, 1, 3, 5)


@pytest.mark.parametrize(
    ("duration_s", "most", "starts_s", "inside"),
    [
        (4.0, 16, [0, 2], [True, True]),
        (3.96, 16, [0, 2], [True, True]),  # within half a frame of 100 ms
        (3.94, 16, [0, 2], [True, False]),
        (4.04, 16, [0, 2], [True, True]),
        (1.0, 16, [0], [False]),
        (20.0, 4, [0, 4, 10, 14], [True] * 4),
        (7.0, 3, [0, 2, 4], [True] * 3),
    ],
)
def test_clips_lie_inside_and_are_spread_evenly(duration_s, most, starts_s, inside):
    pts_ns = np.arange(0, round(duration_s * 10)) * (S // 10)
    limits = params(clips={"max_clips_per_video": most}).clips
    plans = plans_of(pts_ns, round(duration_s * S), limits)
    assert [plan.start_ns for plan in plans] == [s * S for s in starts_s]
    assert [plan.problem is None for plan in plans] == inside
    assert all(plan.end_ns - plan.start_ns == 2 * S for plan in plans)


def test_blank_and_static_clips_are_filtered_with_their_reason(tmp_path):
    project = make_project(tmp_path)
    draws = {
        "black": lambda n, w, h: np.full((h, w, 3), n % 3, np.uint8),
        "static": lambda n, w, h: marked_frame(37, w, h),
        "moving": marked_frame,
    }
    for name, draw in draws.items():
        write_video(project.inbox / f"{name}.mp4", frames=24, draw=draw)
    _, clips, out = cut(project)
    videos = read_table(project.data / "videos" / project.shards()[0] / "videos.parquet")
    named = clips.join(videos.select("video_id", "name"), on="video_id")
    said = {row["name"]: row["reason"] for row in named.iter_rows(named=True)}
    assert said["black.mp4"].startswith("blank")
    assert said["static.mp4"].startswith("static")
    assert said["moving.mp4"] is None
    assert len(Arrays(out / "frames.safetensors")) == 1


def test_a_video_slower_than_the_grid_is_filtered(tmp_path):
    project = make_project(tmp_path)
    write_video(project.inbox / "slow.mp4", frames=8, fps=2)
    report, clips, out = cut(project)
    assert report.rows == {"filtered": 2}
    assert set(clips["reason"]) == {"too few frames for the time grid"}
    assert len(Arrays(out / "frames.safetensors")) == 0


def test_a_clip_that_starts_with_an_old_frame_does_not_fit_the_grid():
    def fits(pts_ms):
        limits = params(clips={"frames": 4, "grid_hz": 2.0}).clips
        plans = plans_of(np.array(pts_ms) * 1_000_000, 4 * S, limits)
        return [plan.problem is None for plan in plans]

    assert fits([0, 500, 1000, 1500, 2000, 2500, 3000, 3500]) == [True, True]
    assert fits([0, 400, 900, 1400, 2400, 2900, 3400, 3900]) == [True, False]
    assert fits([0, 400, 900, 1500, 2400, 2900, 3400, 3900]) == [True, True]


def test_a_shard_of_rejects_alone_gives_empty_files_of_the_same_schema(tmp_path):
    project = make_project(tmp_path)
    (project.inbox / "empty.mp4").write_bytes(b"")
    report, clips, out = cut(project)
    assert report.rows == {}
    assert (len(clips), dict(clips.schema)) == (0, CLIP_SCHEMA)
    assert dict(read_table(out / "objects.parquet").schema) == OBJECT_SCHEMA
    assert len(Arrays(out / "frames.safetensors")) == len(Arrays(out / "truth.safetensors")) == 0


def test_too_many_rejected_videos_stop_the_shard(tmp_path):
    project = make_project(tmp_path, clips={"max_reject_ratio": 0.4})
    write_video(project.inbox / "a.mp4", frames=24)
    cut(project)
    (shard,) = project.shards()
    table = project.data / "videos" / shard / "videos.parquet"
    good = read_table(table)
    bad = good.with_columns(
        video_id=pl.lit("vid_bad"), outcome=pl.lit("rejected"), reason=pl.lit("cut short")
    )
    write_table(table, pl.concat([good, bad]), sort_by=["video_id"])
    with pytest.raises(ContractError, match=r"1 of 2 landed videos.*'cut short'.*repaired"):
        build_clips(inputs(project, "clips", shard), tmp_path / "out")


def test_clips_follow_one_another_within_shots_and_say_where_the_cut_is():
    pts_ns = np.arange(120) * (S // 10)
    cut = Transition("cut", 53, 53)  # 5.3 s; the next instant of the grid is 5.5 s
    fade = Transition("fade", 80, 88)
    shots = [Shot(0, 53, cut), Shot(53, 80, fade), Shot(88, 120, None)]
    plans = plans_of(pts_ns, 12 * S, params(clips={"grid_hz": 4.0}).clips, shots)
    assert [(plan.start_ns / S, plan.problem) for plan in plans] == [
        (0.0, None),
        (2.0, None),
        (4.0, "reaches over the cut at 5.30 s"),
        (5.5, None),
        (7.5, "reaches into the fade from 8.00 s to 8.80 s"),
        (9.0, None),
        (11.0, "reaches beyond the end of the video"),
    ]
    for plan in plans:
        if plan.problem is None:
            (shot,) = [s for s in shots if s.first <= plan.frame_index[0] < s.end]
            assert plan.frame_index[-1] < shot.end
            assert plan.start_ns >= pts_ns[shot.first]


def test_a_sidecar_that_is_damaged_after_ingest_fails_alone(tmp_path):
    from p4d.worlds import sidecar
    from tests.video.worlds import still_truth

    project = make_project(tmp_path)
    pts_ns = [round(Fraction(i, 12) * S) for i in range(24)]
    for name, height in (("a", 64), ("b", 80)):
        write_video(project.inbox / f"{name}.mp4", frames=24, size=(96, height))
        truth = still_truth(pts_ns, width_px=96, height_px=height)
        sidecar.write(project.inbox / f"{name}.truth.safetensors", truth)
    _, clips, _ = cut(project)
    (shard,) = project.shards()
    folder = project.data / "videos" / shard
    broken = read_table(folder / "videos.parquet").filter(name="b.mp4").row(0, named=True)
    (folder / broken["sidecar_file"]).write_bytes(b"damaged after ingest")
    report = build_clips(inputs(project, "clips", shard), tmp_path / "out")
    assert report.rows == {"ok": 1, "failed": 1}
    assert clips.filter(video_id=broken["video_id"])["outcome"].to_list() == ["ok"]


def test_truth_comes_with_its_clips(tmp_path):
    from p4d.worlds import sidecar
    from tests.video.worlds import still_truth

    project = make_project(tmp_path)
    write_video(project.inbox / "a.mp4", frames=48)
    pts_ns = [round(Fraction(i, 12) * S) for i in range(48)]
    truth = still_truth(pts_ns, width_px=96, height_px=64)
    sidecar.write(project.inbox / "a.truth.safetensors", truth)
    report, clips, out = cut(project)
    assert report.metrics["clips_with_truth"] == 2
    assert clips["scale_kind"].to_list() == ["metric"] * 2
    stored = Arrays(out / "truth.safetensors")
    for row in clips.iter_rows(named=True):
        exact = truth.resample(row["frame_index"], 64).arrays()
        for name, expected in exact.items():
            array = stored[f"{row['clip_id']}.{name}"]
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)
    assert len(stored) == 2 * len(exact)
    assert stored[f"{row['clip_id']}.K_t33"][0, 0, 0] == pytest.approx(64.0)
    objects = read_table(out / "objects.parquet")
    assert objects["clip_id"].to_list() == sorted(clips["clip_id"])
    assert objects.row(0)[1:] == (1, 0, "red box", "box", "red", 1.0, 1.0, 0.5, "static")
