"""A look-up reads versions by the ledger: the exact ones, from the cache or the working files."""

import pytest

from p4d.audit.lookup.lookup import Lookup
from p4d.versioning.dvc.cache import object_path, read_tree
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from tests.versioning.fake import SHARDS

FIRST, SECOND = SHARDS


def version(made, key):
    return ArtifactVersion(ArtifactKey.parse(key), made[key].md5)


def test_upstream_is_the_version_that_was_read_of_the_same_shard(fake):
    made = fake.make_all()
    label = version(made, f"label@{FIRST}")
    fake.edit(f"shards/{FIRST}.json", "text of", "other text of")
    again = fake.make(f"take@{FIRST}")
    with Lookup(fake.project) as lookup:
        read = lookup.upstream(label, "take")
        assert read == version(made, f"take@{FIRST}")
        assert read.md5 != again.md5
        assert not lookup.is_current(read)
        assert lookup.is_current(label)
        assert lookup.upstream(label, "gather") is None
        # gather reads the labels, and takes only through them; it has no shard of its own.
        assert lookup.upstream(version(made, "choose"), "gather") == version(made, "gather")
        assert lookup.upstream(version(made, "choose"), "take") is None
        assert lookup.current(ArtifactKey("no_such_stage")) is None


@pytest.mark.parametrize("cached", [True, False])
def test_a_file_comes_from_the_cache_or_from_the_same_working_files(fake, cached):
    made = version(fake.make_all(), f"take@{FIRST}")
    stored = object_path(fake.root, read_tree(fake.root, made.md5).files["name.txt"].md5)
    if not cached:
        stored.unlink()
    working = fake.out(f"take@{FIRST}") / "name.txt"
    with Lookup(fake.project) as lookup:
        assert lookup.file(made, "name.txt") == (stored if cached else working)
        assert lookup.file(made, "none.txt") is None
        assert sorted(lookup.files(made)) == ["name.txt", "sub/size.txt"]
    if not cached:
        working.unlink()
        working.write_text("edited")
        with Lookup(fake.project) as lookup:
            assert lookup.file(made, "name.txt") is None
