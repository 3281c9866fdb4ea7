"""Garbage collection spares every version that the ledger names."""

from p4d import audit
from p4d.versioning.dvc.cache import object_path
from p4d.versioning.storage.gc import collect_garbage
from tests.versioning.fake import supersede_twice


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
