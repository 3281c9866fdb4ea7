"""Tar archives: whole samples, side by side, of equal bytes."""

import json
import tarfile

from p4d.exports.training import shards
from p4d.exports.training.export import TrainingOptions, export_training


def test_an_archive_holds_whole_clips_side_by_side_without_times(small, exported):
    with tarfile.open(exported.path / "webdataset" / "train-000000.tar") as archive:
        members = archive.getmembers()
        clip = small.clip_of["landscape"]
        assert [m.name for m in members] == [f"{clip}.{end}" for end in ("json", "mp4", "png")]
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "")}
        payload = {m.name: archive.extractfile(m).read() for m in members}
    row = json.loads(payload[f"{clip}.json"])
    listed = [json.loads(x) for x in (exported.path / "train.jsonl").read_text().splitlines()]
    assert row["rows"] == listed
    for end, folder in (("mp4", "videos"), ("png", "marks")):
        path = exported.path / folder / "train" / f"{clip}.{end}"
        assert payload[f"{clip}.{end}"] == path.read_bytes()


def test_a_large_split_is_spread_over_archives(small, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "MAX_BYTES", 0)
    files = (
        ("train", "landscape"),
        ("val", "square"),
        ("test", "portrait"),
    )  # fmt: skip
    found = export_training(
        small.project, tmp_path / "out", TrainingOptions(size_px=64, webdataset=True)
    )
    for split, name in files:
        with tarfile.open(found.path / "webdataset" / f"{split}-000000.tar") as archive:
            assert archive.getnames()[0] == f"{small.clip_of[name]}.json"
