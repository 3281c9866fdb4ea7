"""Artifacts that are absent are read from the remote, and nothing hides that one was deleted."""

import shutil

import pytest

from p4d import audit
from p4d.errors import PublishError
from p4d.versioning.dvc.cache import store_tree
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.storage.fetch import Fetcher, RecordedWorkspace, is_without_artifacts
from p4d.versioning.storage.push import push, verify_remote
from tests.versioning.fake import SHARDS

LABEL = ArtifactKey("label", SHARDS[0])


@pytest.fixture
def clone(fake, tmp_path):
    """A project whose versions are at a remote alone, as after `git clone` and `audit fetch`."""
    fake.make_all()
    fake.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    assert push(fake.project).ok
    for stage in fake.project.stages:
        shutil.rmtree(fake.root / "data" / stage.name)
    shutil.rmtree(fake.root / ".dvc" / "cache")
    return fake


@pytest.fixture
def notes():
    return []


@pytest.fixture
def fetcher(clone, notes):
    with Fetcher(clone.project, notes.append) as opened:
        yield opened


def states(clone, fetcher):
    with RecordedWorkspace(clone.project) as workspace:
        assert is_without_artifacts(workspace)
        workspace.fetch_lists(fetcher)
        found = {str(key): workspace.status(key) for key in workspace.all_keys()}
    return {name: each.reasons for name, each in found.items() if each.state != "fresh"}


def test_the_state_is_that_of_what_the_remote_has(clone, fetcher, notes):
    assert states(clone, fetcher) == {}
    assert len(notes) == 1
    assert notes[0].startswith("artifacts that are not here are read from store (")
    objects = [path for path in (clone.root / ".dvc/cache/files").rglob("*") if path.is_file()]
    assert {path.suffix for path in objects} == {".dir"}  # lists alone
    clone.edit("params.yaml", "seed: 17", "seed: 18")
    assert states(clone, fetcher) == {"teach": ("params changed: expert.seed",)}
    assert not (clone.root / "data" / "teach").exists()


def test_stages_come_when_they_are_read_and_are_what_was_published(clone, fetcher):
    assert set(fetcher.bring({"label", "gather"})) == {
        *(ArtifactKey("label", shard) for shard in SHARDS), ArtifactKey("gather"),
    }  # fmt: skip
    with RecordedWorkspace(clone.project) as workspace:
        for key in (LABEL, ArtifactKey("gather")):
            assert tree_of(clone.out(str(key))).digest.md5 == workspace.recorded_md5(key)
        # What was brought hides nothing: the state stays that of what the remote has.
        assert is_without_artifacts(workspace)
        assert is_without_artifacts(workspace, {"label"})
    assert states(clone, fetcher) == {}
    assert not (clone.root / "data" / "take").exists()
    assert fetcher.bring({"label", "gather"}) == []
    (clone.out("gather") / "mine.txt").write_text("edited")
    assert "gather" in states(clone, fetcher)
    clone.make("teach", force=True)
    with RecordedWorkspace(clone.project) as workspace:
        assert not is_without_artifacts(workspace), "an artifact was made here"


def test_a_brought_version_follows_dvc_lock_unless_it_was_altered(clone, fetcher):
    gather, path = ArtifactKey("gather"), clone.root / "dvc.lock"
    fetcher.bring({"gather", "teach"})
    old = path.read_text()
    newer = clone.root / "newer"
    shutil.copytree(clone.out("gather"), newer)
    (newer / "more.txt").write_text("more")
    tree = tree_of(newer)
    with RecordedWorkspace(clone.project) as workspace:
        path.write_text(old.replace(workspace.recorded_md5(gather), tree.digest.md5))
    store_tree(clone.root, newer, tree)
    assert fetcher.bring({"gather"}) == [gather]
    assert tree_of(clone.out("gather")) == tree
    path.write_text(old)
    (clone.out("gather") / "more.txt").write_text("mine")
    assert fetcher.bring({"gather"}) == []
    assert (clone.out("gather") / "more.txt").read_text() == "mine"


def test_one_file_of_a_version_comes_without_the_others(clone, fetcher):
    key = ArtifactKey("take", SHARDS[0])
    with RecordedWorkspace(clone.project) as workspace:
        version = ArtifactVersion(key, workspace.recorded_md5(key))
    fetcher.file(version, "name.txt")
    files = [p for p in (clone.root / ".dvc/cache/files").rglob("*") if p.suffix != ".dir"]
    assert [p.read_text() for p in files if p.is_file()] == [f"TEXT OF {SHARDS[0].upper()}!\n"]


def test_a_clone_is_verified_in_two_parts(clone, fetcher):
    assert audit.verify(clone.project, files=False).ok
    assert not audit.verify(clone.project).ok
    fetcher.lists()
    assert verify_remote(clone.project, rehash=True).ok


def test_a_remote_that_lacks_or_alters_an_object_is_named(clone, fetcher, tmp_path):
    fetcher.lists()
    stored = [p for p in (tmp_path / "store").rglob("*") if p.is_file() and p.suffix != ".dir"]
    for path in stored:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[::-1] + b"x")
    with pytest.raises(PublishError, match="store gave other bytes than"):
        fetcher.bring({"label"})
    assert not clone.out(str(LABEL)).exists()
    for path in stored:
        path.unlink()
    with pytest.raises(PublishError, match=r"store lacks 2 objects \(data/label/.*p4d push"):
        fetcher.bring({"label"})


def test_without_a_remote_or_with_an_artifact_in_place_nothing_is_fetched(fake, notes):
    fake.make_all()
    shutil.rmtree(fake.root / "data" / "teach")
    with RecordedWorkspace(fake.project) as workspace:
        assert not is_without_artifacts(workspace)
    with Fetcher(fake.project, notes.append) as fetcher:
        assert fetcher.bring({"teach"}) == []
    assert notes == []
