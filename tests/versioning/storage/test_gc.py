"""Garbage collection spares every version that a ledger of the cache names."""

import shutil
import sys

import pytest

from p4d import audit
from p4d.errors import LedgerError
from p4d.versioning.dvc.cache import object_path
from p4d.versioning.dvc.config import cache_dir
from p4d.versioning.dvc.shared_cache import REGISTER
from p4d.versioning.storage.gc import collect_garbage
from tests.versioning.fake import build, supersede_twice


def test_garbage_collection_spares_every_version_on_record(fake, tmp_path):
    versions = supersede_twice(fake)
    assert len(set(versions)) == 3
    stray = object_path(fake.root, "ab" * 16)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("nobody's")
    before = fake.git("status", "--porcelain")
    text = collect_garbage(fake.project)
    assert text.startswith("3 recorded versions are kept")
    assert not stray.exists()
    for number, md5 in enumerate(versions):
        done = audit.restore(fake.project, md5, tmp_path / str(number))
        assert done.files == 2
    assert audit.verify(fake.project).ok
    assert fake.git("status", "--porcelain") == before
    assert fake.git("branch", "--show-current").strip() == "main"


def test_the_bare_form_keeps_what_was_anchored(fake, tmp_path):
    first, _, third = supersede_twice(fake)
    fake.dvc("gc", "--all-commits", "--force")
    for number, md5 in enumerate((first, third)):
        audit.restore(fake.project, md5, tmp_path / str(number))


@pytest.fixture
def neighbour(fake, tmp_path):
    """Another project with the cache of the first, which the configuration of the user names."""
    other = build(tmp_path / "neighbour")
    yield other
    other.forget()
    sys.path.remove(str(other.root))


def use_cache(root, cache, level):
    """Name a cache at a level of DVC: in the settings of the project, or in those of the user."""
    (root / ".dvc").mkdir(exist_ok=True)
    text = f"[cache]\n    dir = {cache}\n"
    if level == "user":
        folder = root.parent / "user"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(text)
    else:
        (root / ".dvc" / level).write_text(text)


@pytest.mark.parametrize("level", ["config", "config.local", "user"])
def test_what_another_project_of_the_cache_needs_stays(
    fake, neighbour, tmp_path, level, monkeypatch
):
    shared = tmp_path / "shared"
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    for each in (fake, neighbour):
        use_cache(each.root, shared, level)
    neighbour.edit(f"{neighbour.package}/text.py", "'!", "'?")  # other bytes than the first has
    of_both = [supersede_twice(each) for each in (fake, neighbour)]
    assert not set(of_both[0]) & set(of_both[1])
    assert cache_dir(fake.root) == cache_dir(neighbour.root) == shared / "files" / "md5"
    with pytest.raises(LedgerError, match=r"lies outside of this project(.|\n)*neighbour"):
        collect_garbage(fake.project)
    stray = object_path(fake.root, "ab" * 16)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("nobody's")
    text = collect_garbage(fake.project, alone=True)
    assert text.startswith(f"6 recorded versions are kept (also of {neighbour.root})")
    assert not stray.exists()
    for each, versions in zip((fake, neighbour), of_both, strict=True):
        for number, md5 in enumerate(versions):
            audit.restore(each.project, md5, tmp_path / each.package / str(number))


def test_the_owner_of_a_cache_keeps_what_its_guests_need(fake, neighbour, tmp_path):
    use_cache(neighbour.root, fake.root / ".dvc" / "cache", "config.local")
    neighbour.edit(f"{neighbour.package}/text.py", "'!", "'?")
    supersede_twice(fake)
    versions = supersede_twice(neighbour)
    assert collect_garbage(fake.project).startswith("6 recorded versions are kept")
    for number, md5 in enumerate(versions):
        audit.restore(neighbour.project, md5, tmp_path / str(number))


def test_a_guest_that_is_gone_is_named_with_the_way_out(fake, neighbour, tmp_path):
    use_cache(neighbour.root, fake.root / ".dvc" / "cache", "config.local")
    fake.make("teach")
    neighbour.make("teach")
    shutil.rmtree(neighbour.root)
    (entry,) = (fake.root / ".dvc" / "cache" / REGISTER).iterdir()
    with pytest.raises(LedgerError, match=f"if it is gone for good, delete {entry}"):
        collect_garbage(fake.project)
    entry.unlink()
    assert collect_garbage(fake.project).startswith("1 recorded versions are kept")
