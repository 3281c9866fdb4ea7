"""No other user can put anything into the state that DVC reads with pickle."""

import os
import shutil
import stat

import pytest
from dvc.repo import Repo

from p4d.errors import PublishError
from p4d.versioning.dvc.cache import ensure_initialised
from p4d.versioning.dvc.site_cache import FOLDER


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    """As users run it: nothing in the environment names DVC's state."""
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def used_by_dvc(root):
    with Repo(str(root)) as repo:
        return repo.site_cache_dir


@pytest.mark.attack("H5")
def test_after_a_run_dvc_uses_a_folder_of_its_own_that_is_closed_to_others(fake):
    previous = os.umask(0)
    try:
        fake.make("teach")
    finally:
        os.umask(previous)
    folder = fake.root / FOLDER
    assert mode(folder) == mode(folder.parent) == 0o700
    assert used_by_dvc(fake.root).startswith(f"{folder}/repo/")
    fake.dvc("checkout", "-q", "teach")
    assert list((folder / "repo").iterdir())
    assert fake.git("status", "--porcelain", "--", ".dvc/config.local") == ""


@pytest.mark.attack("H5")
def test_state_that_others_could_write_to_is_discarded(fake):
    fake.make("teach")
    folder = fake.root / FOLDER
    poison = folder / "repo" / "token" / "links" / "cache.db"
    poison.parent.mkdir(parents=True)
    poison.write_text("a pickle")
    folder.parent.chmod(0o777)
    ensure_initialised(fake.root)
    assert not poison.exists()
    assert mode(folder) == mode(folder.parent) == 0o700


@pytest.mark.attack("H5")
def test_a_folder_of_another_user_or_a_link_is_refused(fake, tmp_path, monkeypatch):
    fake.make("teach")
    private = (fake.root / FOLDER).parent
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 4711)
        with pytest.raises(PublishError, match="is not a folder of this user"):
            ensure_initialised(fake.root)
    shutil.rmtree(private)
    (tmp_path / "elsewhere").mkdir()
    private.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PublishError, match="is not a folder of this user"):
        fake.make("teach")


def test_a_setting_of_the_user_stays_and_a_moved_checkout_gets_its_own(fake, tmp_path):
    local = fake.root / ".dvc" / "config.local"
    ensure_initialised(fake.root)
    local.write_text("# mine\n" + local.read_text() + "['remote \"x\"']\n    url = s3://a/b\n")
    moved = tmp_path / "moved, again"
    shutil.copytree(fake.root, moved)
    ensure_initialised(moved)
    assert used_by_dvc(moved).startswith(f"{moved / FOLDER}/")
    text = (moved / ".dvc" / "config.local").read_text()
    assert text.startswith("# mine\n")
    assert "url = s3://a/b" in text
    fake.dvc("config", "-q", "--global", "core.site_cache_dir", str(tmp_path / "own"))
    local.unlink()
    ensure_initialised(fake.root)
    assert not local.exists()


def test_a_source_tree_without_git_gets_both_settings(fake_without_git):
    ensure_initialised(fake_without_git.root)
    text = (fake_without_git.root / ".dvc" / "config.local").read_text()
    assert "no_scm = True" in text
    assert f"site_cache_dir = {fake_without_git.root / FOLDER}" in text
    assert used_by_dvc(fake_without_git.root)
