"""A dataset's own video file: frames by number, its times, and damage that costs a frame."""

import numpy as np
import pytest

from p4d.datasets.video_file import VideoFile
from p4d.errors import DatasetError
from tests.video.media import read_mark, set_display_matrix, write_video


def test_frames_are_found_by_number_in_any_order(tmp_path):
    video = VideoFile(write_video(tmp_path / "a.mp4", frames=30))
    assert (len(video), video.size_px) == (30, (96, 64))
    for index in (3, 4, 20, 20, 0, 29):
        assert read_mark(video.picture(index)) == index


def test_times_are_those_of_the_file_also_at_a_variable_rate(tmp_path):
    ticks = [0, 3, 4, 11, 12]
    path = write_video(tmp_path / "a.mkv", frames=5, ticks=ticks, start_ticks=24)
    times_ms = VideoFile(path).times_ns / 1e6
    assert np.diff(times_ms) == pytest.approx(np.diff(ticks) * 1000 / 12, abs=1)


def test_a_turned_picture_stands_upright(tmp_path):
    """A phone's video is stored lying; masks are drawn on what a player shows."""
    path = write_video(tmp_path / "a.mp4", frames=4)
    set_display_matrix(path, 0, 1, -1, 0)  # 90 degrees clockwise
    video = VideoFile(path)
    assert video.size_px == (64, 96)
    shown = video.picture(2)
    # The bars run from left to right as stored, and from top to bottom after a clockwise turn.
    assert read_mark(np.rot90(shown)) == 2
    assert shown.shape == (96, 64, 3)


def test_what_is_no_video_is_an_error(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(DatasetError, match=r"a\.mp4: is no readable video"):
        VideoFile(path)
    with pytest.raises(DatasetError, match=r"gone\.mp4: is no readable video"):
        VideoFile(tmp_path / "gone.mp4")


def test_a_playlist_opens_no_other_file(tmp_path):
    inner = write_video(tmp_path / "inner.mp4", frames=4)
    path = tmp_path / "a.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {inner.name}\n")
    with pytest.raises(DatasetError, match="is no readable video"):
        VideoFile(path)


def test_a_file_that_was_cut_short_gives_the_frames_that_it_has(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=60, faststart=True)
    payload = path.read_bytes()
    path.write_bytes(payload[: len(payload) * 3 // 4])
    video = VideoFile(path)
    assert 2 <= len(video) < 60
    assert read_mark(video.picture(len(video) - 1)) == len(video) - 1
