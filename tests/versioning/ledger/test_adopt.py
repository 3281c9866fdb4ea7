"""A clone brings its ledger by one command, and everything says so until it has."""

import shutil
import subprocess
import sys

import pytest

from p4d import audit
from p4d.errors import LedgerError
from p4d.project import Project
from p4d.versioning.ledger.adopt import adopt, left_behind
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.continuity import broken_continuity
from p4d.versioning.ledger.ledger import LEDGER_PATH, Ledger
from tests.versioning.fake import Fake


@pytest.fixture
def published(fake, tmp_path):
    """A project whose artifacts and ledger are where a clone finds them."""
    fake.make_all(gates={})
    anchor(fake.project, "all made")
    fake.git("add", "-f", "dvc.lock", "dvc.yaml", ".dvc/config", ".dvc/.gitignore", "shards")
    fake.git("commit", "-qam", "made")
    return fake


def clone_of(fake, folder):
    subprocess.run(["git", "clone", "-q", str(fake.root), str(folder)], check=True)
    shutil.copytree(fake.root / ".dvc" / "cache", folder / ".dvc" / "cache")
    # The stages' code is that of the clone from here on.
    fake.forget()
    sys.path.remove(str(fake.root))
    sys.path.insert(0, str(folder))
    return Fake(Project(folder, fake.project.stages), fake.package)


def test_a_clone_is_told_and_gets_the_whole_history(published, tmp_path):
    before = Ledger(published.project).verify_chain()
    clone = clone_of(published, tmp_path / "clone")
    try:
        told = left_behind(clone.project)
        assert "origin/p4d-ledger has one: `p4d audit fetch` brings it" in told
        assert f"{before.lines} lines of origin/p4d-ledger" in adopt(clone.project)
        assert left_behind(clone.project) is None
        assert (clone.root / LEDGER_PATH).read_bytes() == (
            published.root / LEDGER_PATH
        ).read_bytes()
        assert list(broken_continuity(clone.project, whole_history=True)) == []
        clone.dvc("checkout")
        assert audit.verify(clone.project).render_text().startswith("OK")
        assert all(made.skipped for made in clone.make_all(gates={}).values())
        with pytest.raises(LedgerError, match="is here already"):
            adopt(clone.project)
    finally:
        clone.forget()
        sys.path.remove(str(clone.root))
        sys.path.insert(0, str(published.root))


def test_a_clone_of_a_project_whose_branch_was_never_published_says_how(fake, tmp_path):
    fake.git("commit", "-qm", "more", "--allow-empty")
    subprocess.run(["git", "clone", "-q", str(fake.root), str(tmp_path / "c")], check=True)
    clone = Project(tmp_path / "c", fake.project.stages)
    assert left_behind(clone) is None
    with pytest.raises(LedgerError, match="`git push REMOTE p4d-ledger`"):
        adopt(clone)


def test_a_project_that_begins_has_nothing_to_bring(fake):
    assert left_behind(fake.project) is None
    fake.make("teach")
    assert left_behind(fake.project) is None
