"""Hashes follow content, and the cache of them follows files."""

import hashlib
import os
import sqlite3
import time

from p4d.versioning.files.hashes import HashCache


def test_hashes_are_remembered_until_a_file_changes(tmp_path):
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    file = folder / "sub" / "a.txt"
    file.write_text("one")
    time.sleep(0.03)
    with HashCache(tmp_path, tmp_path / "hashes.sqlite") as cache:
        first = cache.digest(folder)
        assert cache.tree(folder).files["sub/a.txt"].md5 == hashlib.md5(b"one").hexdigest()
        old = file.stat()
        file.write_text("two")
        os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))  # a change that hides its time
        assert cache.digest(folder) != first
        assert cache.digest(tmp_path / "nothing") is None


def test_published_files_need_no_second_reading_and_staging_leaves_no_trace(fake):
    fake.make("teach", checkpoint=lambda name: name == "swapped" and time.sleep(0.05))
    with sqlite3.connect(fake.project.state / "hashes.sqlite") as store:
        paths = {row[0] for row in store.execute("SELECT path FROM files")}
    assert "data/teach/weights.safetensors" in paths
    assert not any(path.startswith(".staging") for path in paths)


def test_a_damaged_store_of_hashes_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "hashes.sqlite").write_bytes(b"not a database" * 100)
    with HashCache(tmp_path, tmp_path / "hashes.sqlite") as cache:
        assert cache.digest(tmp_path / "a.txt").md5 == hashlib.md5(b"one").hexdigest()
