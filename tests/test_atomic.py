"""Files appear whole or not at all, and durable ones are flushed before they appear."""

import os

import pytest

from p4d.artifacts import write_bytes
from p4d.atomic import replacing, write_durably, write_flushed


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_content_appears_only_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "a"
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def flushed(monkeypatch, tmp_path):
    """(content of the flushed file, names in the folder) at each fsync."""
    calls = []

    def record(descriptor):
        content = os.pread(descriptor, 100, 0)
        calls.append((content, sorted(path.name for path in tmp_path.iterdir())))

    monkeypatch.setattr(os, "fsync", record)
    return calls


def test_durable_writes_are_flushed_before_the_rename_and_artifacts_are_not(tmp_path, flushed):
    write_bytes(tmp_path / "artifact", b"one")
    assert flushed == []
    write_durably(tmp_path / "journal", b"two")
    assert flushed == [(b"two", [".journal.tmp", "artifact"])]
    write_flushed(tmp_path / "prepared", b"three")
    assert flushed[1] == (b"three", ["artifact", "journal", "prepared"])


def test_what_a_killed_process_left_does_not_stop_the_next(tmp_path):
    (tmp_path / ".journal.tmp").write_bytes(b"left over and longer")
    write_durably(tmp_path / "journal", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    assert (tmp_path / "journal").read_bytes() == b"new"
