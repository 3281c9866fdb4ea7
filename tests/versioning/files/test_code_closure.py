"""The code closure of a stage follows its imports."""

import os
import time

import pytest

from p4d.pipeline import STAGES, Stage
from p4d.versioning.files.code_closure import code_files
from p4d.versioning.files.hashes import RACY_NS, HashCache


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


def test_a_closure_that_a_process_walked_before_follows_every_change(tree):
    """Files at rest are walked once; what appears, goes or is edited shows nevertheless."""
    one = stage("pkg.deep.one:f")
    for file in tree.rglob("*.py"):
        os.utime(file, (1_000, 1_000))
    time.sleep(2 * RACY_NS / 1e9)  # changes of their times are at rest, too
    before = code_files(one, tree)
    assert code_files(one, tree) == before
    (tree / "pkg" / "lazy").mkdir()
    (tree / "pkg" / "lazy" / "__init__.py").write_text("")  # where no file was
    assert set(code_files(one, tree)) - set(before) == {"pkg/lazy/__init__.py"}
    (tree / "pkg" / "side.py").unlink()
    assert "pkg/side.py" not in code_files(one, tree)
    for number in range(5):  # faster than the clock of the file system, and of equal size
        name = ("never", "named")[number % 2]
        (tree / "pkg" / "base.py").write_text(f"import pkg.{name}\n")
        assert ("pkg/never.py" in code_files(one, tree)) == (name == "never")


def test_the_stage_table_makes_no_stage_stale():
    from tests.versioning.fake import REPOSITORY

    for each in STAGES:
        files = code_files(each, REPOSITORY)
        assert not [path for path in files if path.startswith("p4d/pipeline")]
