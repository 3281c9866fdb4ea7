"""Source frames are those of the clip's own frame numbers, at the size of the video."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import write_table
from p4d.errors import ContractError
from p4d.video import source_frames
from p4d.video.decoding.decode import decode
from p4d.video.source_frames import SourceFrames, SourceSize
from tests.video.media import write_video


@pytest.fixture
def shard(tmp_path):
    """Two videos of 12 frames; three clips, of which two share a frame."""
    (tmp_path / "files").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for name in ("vid_a", "vid_b"):
        pictures = rng.integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)
        write_video(
            tmp_path / "files" / f"{name}.mp4", frames=12, size=(64, 48),
            draw=lambda number, width, height, shown=pictures: shown[number],
        )  # fmt: skip
        rows.append(
            {"video_id": name, "file": f"files/{name}.mp4", "width_px": 64, "height_px": 48,
             "outcome": "ok"}
        )  # fmt: skip
    write_table(tmp_path / "videos.parquet", pl.DataFrame(rows), sort_by=["video_id"])
    clips = pl.DataFrame(
        {
            "clip_id": ["clip_3", "clip_1", "clip_2"],
            "video_id": ["vid_a", "vid_b", "vid_a"],
            "start_ns": [0, 0, 5],
            "frame_index": [[0, 2, 4], [1, 3, 5], [4, 8, 11]],
        }
    )
    return tmp_path, clips


def decoded(folder, name):
    return {frame.index: frame.rgb() for frame in decode(folder / "files" / f"{name}.mp4")}


def test_frames_are_the_decoders_own_at_the_clips_numbers(shard):
    folder, clips = shard
    found = {one.clip_id: one.rgb_thw3 for one in SourceFrames(folder, clips, SourceSize())}
    assert list(found) == ["clip_3", "clip_2", "clip_1"]
    for row in clips.to_dicts():
        frames = decoded(folder, row["video_id"])
        wanted = np.stack([frames[index] for index in row["frame_index"]])
        assert np.array_equal(found[row["clip_id"]], wanted)


def test_the_longer_side_is_limited_and_never_enlarged(shard):
    folder, clips = shard
    assert SourceSize(32).of(64, 48) == (32, 24)
    assert SourceSize(32).of(48, 64) == (24, 32)
    assert SourceSize(500).of(64, 48) == (64, 48)
    shapes = {one.rgb_thw3.shape for one in SourceFrames(folder, clips, SourceSize(32))}
    assert shapes == {(3, 24, 32, 3)}


def test_a_video_too_large_for_one_job_gives_the_same_frames(shard, monkeypatch):
    folder, clips = shard
    whole = {one.clip_id: one.rgb_thw3 for one in SourceFrames(folder, clips, SourceSize())}
    monkeypatch.setattr(source_frames, "MAX_JOB_BYTES", 1)
    monkeypatch.setattr(source_frames, "MAX_WAITING_BYTES", 1)
    parts = {one.clip_id: one.rgb_thw3 for one in SourceFrames(folder, clips, SourceSize())}
    assert list(parts) == list(whole)
    assert all(np.array_equal(parts[clip_id], whole[clip_id]) for clip_id in whole)


def test_a_damaged_file_costs_its_own_clips_alone(shard):
    folder, clips = shard
    (folder / "files" / "vid_a.mp4").write_bytes(b"no video")
    found = {one.clip_id: one for one in SourceFrames(folder, clips, SourceSize())}
    assert found["clip_1"].rgb_thw3 is not None
    for clip_id in ("clip_2", "clip_3"):
        assert found[clip_id].rgb_thw3 is None
        assert found[clip_id].reason


def test_a_shard_without_videos_is_named(shard, tmp_path):
    _, clips = shard
    with pytest.raises(ContractError, match="label clips of landed videos only"):
        SourceFrames(tmp_path / "nothing", clips, SourceSize())
