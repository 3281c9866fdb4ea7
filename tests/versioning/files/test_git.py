"""The one way git is run."""

import pytest

from p4d.errors import LedgerError
from p4d.versioning.files.git import git, has_repository, try_git


def test_the_repository_of_a_hook_that_started_this_process_is_not_used(
    fake, monkeypatch, tmp_path
):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    top = git(fake.root, "rev-parse", "--show-toplevel").decode().strip()
    assert top == str(fake.root.resolve())
    assert has_repository(fake.root)


def test_a_failure_carries_the_message_of_git(fake):
    with pytest.raises(LedgerError, match=r"git rev-parse failed in .*nothing-of-that-name"):
        git(fake.root, "rev-parse", "nothing-of-that-name")
    assert try_git(fake.root, "rev-parse", "nothing-of-that-name") is None
    assert git(fake.root, "rev-parse", "--verify", "--quiet", "refs/heads/none", ok=(0, 1)) == b""


def test_without_git_there_is_an_error_that_says_so(fake, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LedgerError, match="git is not installed"):
        git(fake.root, "status")
    assert try_git(fake.root, "status") is None
