"""Hashes follow content, the cache of them follows files, the closure follows imports."""

import hashlib
import os
import sqlite3
import time

import pytest

from p4d.pipeline import STAGES, Stage
from p4d.versioning.files.code_closure import code_files
from p4d.versioning.files.hashes import HashCache


def stage(entry, **rest):
    return Stage(name="s", group="g", entry=entry, description="", **rest)


@pytest.fixture
def tree(tmp_path):
    package = tmp_path / "pkg"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("from pkg import base\n")
    (package / "base.py").write_text("")
    (package / "deep" / "__init__.py").write_text("")
    (package / "deep" / "one.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "import json\n"
        "from . import two\n"
        "from ..side import thing\n"
        "if TYPE_CHECKING:\n    from pkg.never import N\n"
        "def f():\n    import pkg.lazy\n    from importlib import import_module\n"
        "    import_module('pkg.named')\n"
    )
    (package / "deep" / "two.py").write_text("import pkg.deep.one\n")  # a circle
    for name in ("side", "lazy", "never", "named", "unused"):
        (package / f"{name}.py").write_text("")
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "a.sql").write_text("")
    (tmp_path / "sql" / "__pycache__").mkdir()
    (tmp_path / "sql" / "__pycache__" / "x.pyc").write_text("")
    return tmp_path


def test_the_closure_has_what_runs_and_nothing_else(tree):
    assert code_files(stage("pkg.deep.one:f", extra_code=("sql",)), tree) == [
        "pkg/__init__.py", "pkg/base.py", "pkg/deep/__init__.py", "pkg/deep/one.py",
        "pkg/deep/two.py", "pkg/lazy.py", "pkg/named.py", "pkg/side.py", "sql/a.sql",
    ]  # fmt: skip


def test_a_remembered_closure_follows_an_edit(tree):
    with HashCache(tree, tree / ".p4d" / "hashes.sqlite") as cache:
        before = code_files(stage("pkg.deep.two:f"), tree, cache)
        (tree / "pkg" / "side.py").write_text("import pkg.unused\n")
        after = code_files(stage("pkg.deep.two:f"), tree, cache)
    assert set(after) - set(before) == {"pkg/unused.py"}


def test_the_stage_table_makes_no_stage_stale():
    from tests.versioning.fake import REPOSITORY

    for each in STAGES:
        assert "p4d/pipeline.py" not in code_files(each, REPOSITORY)


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
