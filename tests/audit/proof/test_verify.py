"""Verification names what is altered, missing, orphaned or not recorded."""

import shutil

import pytest

from p4d.audit.proof.verify import verify
from p4d.errors import LedgerError
from p4d.versioning.dvc.cache import object_path
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import BRANCH, Ledger
from tests.audit.flip import flip
from tests.versioning.fake import SHARDS

FIRST = SHARDS[0]


def problems(fake):
    return {(p.kind, p.path) for p in verify(fake.project).problems}


def test_one_flipped_bit_is_found_in_files_cache_and_ledger(fake):
    made = fake.make_all()
    assert problems(fake) == set()
    name = f"data/take/{FIRST}/sub/size.txt"
    flip(fake.root / name)
    assert problems(fake) == {("altered", name)}
    flip(fake.root / name)
    assert problems(fake) == set()

    folder = object_path(fake.root, made["choose"].md5)
    flip(folder, 20)
    assert problems(fake) == {("altered", str(folder.relative_to(fake.root)))}
    flip(folder, 20)

    ledger = fake.root / "data/ledger/ledger.jsonl"
    flip(ledger, ledger.read_bytes().index(b"wall_s"))
    assert problems(fake) == {("altered", "data/ledger/ledger.jsonl")}


def test_missing_orphaned_and_unrecorded_things_are_named(fake):
    fake.make_all()
    (fake.out("gather") / "m.json").unlink()
    (fake.out("gather") / "more.txt").write_text("x")
    shutil.rmtree(fake.out("choose"))
    (fake.root / "data" / "stranger").mkdir()
    (fake.root / "data" / "take" / "0009-ffffffff").mkdir()
    found = problems(fake)
    assert found == {
        ("missing", "data/gather/m.json"),
        ("orphaned", "data/gather/more.txt"),
        ("missing", "data/choose"),
        ("orphaned", "data/stranger"),
        ("orphaned", "data/take/0009-ffffffff"),
    }
    (fake.root / "data/ledger/ledger.jsonl").unlink()
    assert ("unrecorded", "data/teach") in problems(fake)
    assert "problems" in verify(fake.project).render_text()


def test_an_earlier_commit_is_called_older_and_nothing_is_called_altered(fake):
    fake.make_all()
    lock = (fake.root / "dvc.lock").read_text()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make_all()
    fake.edit("params.yaml", "seed: 18", "seed: 17")
    (fake.root / "dvc.lock").write_text(lock)
    fake.dvc("checkout", "-q", "--force")
    problems = verify(fake.project).problems
    assert problems
    assert {problem.kind for problem in problems} == {"older"}
    details = [each.detail for each in problems if each.path == "data/teach"]
    assert details
    assert "older than the latest in the ledger" in details[0]


def test_a_published_head_is_found_and_a_missing_anchor_is_a_notice(fake):
    fake.make("teach")
    ledger = Ledger(fake.project)
    published = ledger.verify_chain().head
    report = verify(fake.project)
    assert report.ok
    assert "note: data/ledger/ledger.jsonl: was never anchored in git" in report.render_text()
    anchor(fake.project, "one")
    fake.make(f"take@{FIRST}")
    report = verify(fake.project, head=published)
    assert report.ok
    assert "the published head is line 1" in report.render_text()
    assert "note:" not in report.render_text()
    with pytest.raises(LedgerError, match="is no head"):
        verify(fake.project, head=published[:16])
    (problem,) = verify(fake.project, head="0" * 64).problems
    assert "does not continue the published head" in problem.detail
    fake.git("branch", "-D", BRANCH)
    (problem,) = verify(fake.project).problems
    assert "was deleted" in problem.detail
