"""Verification names what is altered, missing, orphaned or not recorded."""

import shutil

from p4d.audit.proof.verify import verify
from p4d.versioning.dvc.cache import object_path
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
