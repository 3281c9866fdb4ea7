"""Objects of the cache come from remotes that others can write to: a list of files is data."""

import hashlib
import io
import json
from pathlib import Path

import pytest

from p4d.audit.lookup.restore import restore
from p4d.errors import ContractError, PublishError
from p4d.versioning.dvc.cache import (
    checkout,
    is_intact,
    object_path,
    objects_of,
    read_tree,
    store_object,
    store_tree,
)
from p4d.versioning.files.hashes import Digest, Tree, tree_of

MD5 = hashlib.md5(b"evil").hexdigest()


def planted(root, payload):
    """Put a file and a list of files with right hashes into the cache; the list's hash."""
    if not isinstance(payload, bytes):
        payload = json.dumps(payload, sort_keys=True).encode()
    md5 = hashlib.md5(payload).hexdigest() + ".dir"
    for name, content in ((MD5, b"evil"), (md5, payload)):
        path = object_path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return md5


def listing(*names):
    return [{"md5": MD5, "relpath": name} for name in names]


ATTACKS = [
    listing("../out.txt"), listing("a/../../out.txt"), listing(".."), listing(""), listing("."),
    listing("/tmp/p4d_abs_evil.txt"), listing("a//b"), listing("a\0b"), listing("\ud800"),
    listing("x" * 256), listing(7), listing(None), listing("a", "a"), listing("a", "a/b"),
    [{"md5": "../../../x", "relpath": "a"}], [{"md5": "", "relpath": "a"}],
    [{"md5": None, "relpath": "a"}], [{"relpath": "a"}], ["a"], {"a": 1}, 5, b"\xff",
    b"[" * 100_000,
]  # fmt: skip


@pytest.mark.attack("H6")
@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_a_list_of_files_writes_nowhere_but_below_its_destination(fake, tmp_path, attack):
    md5 = planted(fake.root, attack)
    inside = tmp_path / "inside"
    inside.mkdir()
    before = sorted(tmp_path.iterdir())
    for use in (
        lambda: restore(fake.project, md5, inside / "restored"),
        lambda: checkout(fake.root, md5, inside / "restored"),
        lambda: read_tree(fake.root, md5),
        lambda: objects_of(fake.root, md5),
    ):
        with pytest.raises(PublishError, match="is damaged"):
            use()
    assert sorted(tmp_path.iterdir()) == before
    assert list(inside.iterdir()) == []
    assert not Path("/tmp/p4d_abs_evil.txt").exists()


def test_a_list_of_odd_names_is_restored_as_it_is(fake, tmp_path):
    names = ["[1]/ä ö.txt", "...", "a/..b", "a/line\nbreak"]
    tree = Tree.of({name: Digest(MD5, 4) for name in names})
    assert planted(fake.root, tree.payload) == tree.digest.md5
    checkout(fake.root, tree.digest.md5, tmp_path / "restored")
    assert {(tmp_path / "restored" / name).read_bytes() for name in names} == {b"evil"}


@pytest.mark.attack("H6")
@pytest.mark.parametrize("md5", ["", "..", "../../../etc/passwd", "/x", "a" * 31, "a" * 32 + ".d"])
def test_what_is_no_hash_names_no_object(fake, md5):
    with pytest.raises(PublishError, match="is no hash"):
        object_path(fake.root, md5)


@pytest.mark.parametrize("name", ["..", "/x", "", "a\0"])
def test_a_tree_has_relative_names(name):
    with pytest.raises(ContractError):
        Tree.of({name: Digest(MD5)})


@pytest.mark.attack("M7")
def test_a_stored_object_is_hashed_before_it_is_trusted(fake, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "a.txt").write_text("right")
    tree = tree_of(folder)
    store_tree(fake.root, folder, tree)
    for oid, wrong in ((tree.files["a.txt"].md5, b"wrong"), (tree.digest.md5, b"[]")):
        path = object_path(fake.root, oid)
        right = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(wrong)
        store_tree(fake.root, folder, tree)
        assert path.read_bytes() == right
        assert path.stat().st_mode & 0o777 == 0o444
    inode = path.stat().st_ino
    store_tree(fake.root, folder, tree)
    assert path.stat().st_ino == inode  # what is intact is not written again


@pytest.mark.parametrize("name", ["../../out", "", "0" * 31, "/etc/passwd"])
def test_a_name_that_is_no_hash_is_no_object(fake, name):
    with pytest.raises(PublishError, match="is no hash"):
        is_intact(fake.root, name)
    with pytest.raises(PublishError, match="is no hash"):
        store_object(fake.root, name, lambda: io.BytesIO(b"x"), "x")
