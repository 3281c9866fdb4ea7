"""Stage videos: verified copies, measured rows, and the outcome of damaged or missing files."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays, read_table, write_arrays
from p4d.errors import ContractError
from p4d.video.clips import build_clips
from p4d.video.ingest import FRAME_SCHEMA, VIDEO_SCHEMA, build_videos
from p4d.video.landing import land
from p4d.video.sources import add_damaged_videos
from tests.video.media import digests, inputs, make_project, marked_frame, write_video


def noisy(number, width, height):
    noise = np.random.default_rng(number).integers(-20, 21, (height, width, 3))
    return (marked_frame(number, width, height) + noise).clip(0, 255).astype(np.uint8)


def ingest(project, **changed):
    """Run the stage on the one shard; returns report, rows by name, folder."""
    (shard,) = project.shards()
    out = project.data / "videos" / shard
    report = build_videos(inputs(project, "videos", shard, **changed), out)
    rows = {row["name"]: row for row in read_table(out / "videos.parquet").iter_rows(named=True)}
    return report, rows, out


def test_rows_hold_what_was_measured(tmp_path):
    project = make_project(tmp_path)
    ticks = [0, 90, 200, 260, 400]
    write_video(project.inbox / "vfr.mp4", frames=5, ticks=ticks, time_base=Fraction(1, 1000))
    write_video(project.inbox / "Late Start.MKV", start_ticks=12)
    land(project)
    report, rows, out = ingest(project)
    assert report.rows == {"ok": 2}
    late, vfr = rows["Late Start.MKV"], rows["vfr.mp4"]
    assert (late["n_frames"], late["width_px"], late["height_px"]) == (48, 96, 64)
    assert (late["codec"], late["pix_fmt"], late["rotation_deg"]) == ("h264", "yuv420p", 0)
    assert late["fps_mean"] == pytest.approx(12, abs=0.01)
    assert (late["is_vfr"], vfr["is_vfr"]) == (False, True)
    assert late["file"] == f"files/{late['video_id']}.mkv"
    frames = read_table(out / "frames.parquet")
    assert frames.filter(video_id=vfr["video_id"])["pts_ns"].to_list() == [t * 10**6 for t in ticks]
    assert frames.filter(video_id=late["video_id"])["pts_ns"].min() == 10**9
    copied = (out / late["file"]).read_bytes()
    assert copied == (project.inbox / "Late Start.MKV").read_bytes()


def test_damage_gets_an_outcome_a_reason_and_no_file(tmp_path):
    project = make_project(tmp_path)
    good = write_video(project.inbox / "good.mp4", draw=noisy)
    add_damaged_videos(project.inbox, good)
    assert land(project).known == 1
    report, rows, out = ingest(project)
    assert report.rows == {"ok": 1, "rejected": 6}
    (kept,) = (row for row in rows.values() if row["outcome"] == "ok")
    for row in rows.values():
        if row is not kept:
            assert row["reason"] and str(tmp_path) not in row["reason"]
            assert row["file"] is None
    assert [path.name for path in (out / "files").iterdir()] == [f"{kept['video_id']}.mp4"]
    frames = read_table(out / "frames.parquet")
    assert frames["video_id"].unique().to_list() == [kept["video_id"]]


def test_twice_gives_the_same_bytes(tmp_path):
    project = make_project(tmp_path)
    good = write_video(project.inbox / "good.mp4", frames=12, draw=noisy)
    add_damaged_videos(project.inbox, good)
    land(project)
    first = digests(ingest(project)[2])
    (shard,) = project.shards()
    build_videos(inputs(project, "videos", shard), tmp_path / "again")
    assert digests(tmp_path / "again") == first


def test_a_vanished_file_comes_from_the_published_stage_or_fails_with_the_way_out(tmp_path):
    project = make_project(tmp_path)
    write_video(project.inbox / "a.mp4", frames=12)
    write_video(project.inbox / "b.mp4", frames=13)
    land(project)
    _, rows, published = ingest(project)
    (project.inbox / "a.mp4").unlink()
    (project.inbox / "b.mp4").write_bytes(b"something else")
    (shard,) = project.shards()
    report = build_videos(
        inputs(project, "videos", shard, previous=published), tmp_path / "with_previous"
    )
    assert report.rows == {"ok": 2}
    assert digests(tmp_path / "with_previous") == digests(published)
    report, rows, out = ingest(project)
    assert report.rows == {"failed": 2}
    assert "a.mp4 is no longer in the inbox; put the landed file back" in rows["a.mp4"]["reason"]
    assert "b.mp4 has changed since it landed" in rows["b.mp4"]["reason"]
    assert list((out / "files").iterdir()) == []


def test_a_shard_of_rejects_alone_gives_empty_tables(tmp_path):
    project = make_project(tmp_path)
    (project.inbox / "empty.mp4").write_bytes(b"")
    land(project)
    report, rows, out = ingest(project)
    assert report.rows == {"rejected": 1}
    assert rows["empty.mp4"]["reason"] == "the file is empty"
    assert dict(read_table(out / "videos.parquet").schema) == VIDEO_SCHEMA
    frames = read_table(out / "frames.parquet")
    assert (len(frames), dict(frames.schema)) == (0, FRAME_SCHEMA)


def test_a_manifest_cannot_lead_out_of_the_inbox(tmp_path):
    project = make_project(tmp_path)
    write_video(project.inbox / "a.mp4", frames=12)
    (tmp_path / "secret.mp4").write_bytes((project.inbox / "a.mp4").read_bytes())
    land(project)
    (shard,) = project.shards()
    declared = inputs(project, "videos", shard)
    declared.manifest["files"][0]["relpath"] = "../secret.mp4"
    with pytest.raises(ContractError, match=r"no relative path below|out of"):
        build_videos(declared, tmp_path / "out")


def test_a_sidecar_must_agree_with_its_video(tmp_path):
    from p4d.worlds import sidecar
    from tests.video.worlds import still_truth

    project = make_project(tmp_path)
    cases = (("right", 12, 96), ("short", 11, 96), ("wide", 12, 98))
    for first, (name, frames_told, width) in enumerate(cases):
        write_video(project.inbox / f"{name}.mp4", frames=12, start_ticks=first)
        pts_ns = [round(Fraction(first + i, 12) * 10**9) for i in range(frames_told)]
        truth = still_truth(pts_ns, width_px=width, height_px=64)
        sidecar.write(project.inbox / f"{name}.truth.safetensors", truth)
    write_video(project.inbox / "broken.mp4", frames=14)
    (project.inbox / "broken.truth.safetensors").write_bytes(b"no truth")
    land(project)
    report, rows, out = ingest(project)
    assert report.rows == {"ok": 1, "rejected": 3}
    assert rows["right.mp4"]["has_truth"]
    assert (out / rows["right.mp4"]["sidecar_file"]).is_file()
    assert "11 frames" in rows["short.mp4"]["reason"]
    assert "98x64" in rows["wide.mp4"]["reason"]
    broken = rows["broken.mp4"]["reason"]
    assert broken.startswith("broken.truth.safetensors is not a readable truth sidecar")
    assert len(list((out / "files").iterdir())) == 2
    assert pl.read_parquet(out / "videos.parquet")["has_truth"].sum() == 1


@pytest.mark.attack("M1")
def test_a_hostile_sidecar_costs_its_own_video_alone(tmp_path):
    from p4d.worlds import sidecar
    from tests.video.worlds import still_truth

    project = make_project(tmp_path, clips={"max_reject_ratio": 1.0})
    times = [round(i * 1e9 / 12) for i in range(48)]
    hostile = {"name": "\ud800", "instance": "1", "size_m": ["a", "b", "c"], "k": float("nan")}
    for number, (field, value) in enumerate({"none": None, **hostile}.items()):
        write_video(project.inbox / f"{field}.mp4", frames=48, size=(96, 64 + 2 * number))
        path = project.inbox / f"{field}.truth.safetensors"
        sidecar.write(path, still_truth(times, width_px=96, height_px=64 + 2 * number))
        if field in hostile:
            stored = Arrays(path)
            stored.meta["objects"][0][field] = value
            write_arrays(path, dict(stored), meta=stored.meta)
    land(project)
    report, rows, _ = ingest(project)
    assert report.rows == {"ok": 1, "rejected": 4}
    assert rows["none.mp4"]["outcome"] == "ok"
    for field in hostile:
        assert rows[f"{field}.mp4"]["reason"]
    (shard,) = project.shards()
    cut = build_clips(inputs(project, "clips", shard), project.data / "clips" / shard)
    assert cut.rows["ok"] >= 1
