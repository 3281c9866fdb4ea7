"""Altered things are named, superseded ones come back, and answers have a chain."""

import shutil

import pytest

from p4d import audit
from p4d.errors import LedgerError, PublishError
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.cache import object_path
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.state.check_records import record_checks
from tests.versioning.fake import SHARDS

FIRST, SECOND = SHARDS


def flip(path, position=0):
    payload = bytearray(path.read_bytes())
    payload[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(payload)


def problems(fake):
    return {(p.kind, p.path) for p in audit.verify(fake.project).problems}


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
    assert "problems" in audit.verify(fake.project).render_text()


def test_a_superseded_version_comes_back_whole(fake, tmp_path):
    old = fake.make(f"take@{FIRST}")
    fake.edit(f"shards/{FIRST}.json", "text of", "other text of")
    new = fake.make(f"take@{FIRST}")
    restored = audit.restore(fake.project, f"take@{FIRST}", tmp_path / "old", at=old.md5[:8])
    assert (restored.md5, restored.files) == (old.md5, 2)
    assert (tmp_path / "old/name.txt").read_text() == f"TEXT OF {FIRST.upper()}!\n"
    assert (tmp_path / "old/sub/size.txt").is_file()
    latest = audit.restore(fake.project, f"take@{FIRST}", tmp_path / "new")
    assert latest.md5 == new.md5
    by_hash = audit.restore(fake.project, old.data_version, tmp_path / "same")
    assert by_hash.key == f"take@{FIRST}"
    with pytest.raises(PublishError, match="exists already"):
        audit.restore(fake.project, old.md5, tmp_path / "same")
    with pytest.raises(LedgerError, match="no version dead of take"):
        audit.restore(fake.project, f"take@{FIRST}", tmp_path / "x", "dead")


def test_a_damaged_object_is_not_restored(fake, tmp_path):
    made = fake.make("teach")
    weights = fake.out("teach") / "weights.safetensors"
    import hashlib

    flip(object_path(fake.root, hashlib.md5(weights.read_bytes()).hexdigest()))
    with pytest.raises(PublishError, match="damaged"):
        audit.restore(fake.project, made.md5, tmp_path / "x")
    assert list(tmp_path.glob("*x*")) == []


def test_a_stage_is_explained_down_to_its_sources(fake):
    made = fake.make_all()
    check = CheckResult(name="good", passed=False, severity="critical", description="is good")
    record_checks(fake.project, made["gather"].version, [check], run_id="r")
    node = audit.why(fake.project, "choose")
    gather = node.children[0]
    assert gather.version["checks"]["good"]["passed"] is False
    assert gather.version["restore"] == f"p4d restore gather DEST --at {made['gather'].md5[:12]}"
    assert [c.id for c in gather.children] == [f"label@{FIRST}", f"label@{SECOND}"]
    assert {c.id for c in gather.children[0].children} == {f"take@{FIRST}", "teach"}
    assert gather.version["commit"] == fake.git("rev-parse", "HEAD").strip()
    text = node.render_text()
    assert "FAILED good" in text
    assert made[f"take@{FIRST}"].md5[:12] in text
    assert node.to_json()["children"][0]["id"] == "gather"
    assert audit.why(fake.project, made["teach"].md5[:10]).id == "teach"
    assert audit.why(fake.project, f"data/take/{FIRST}/name.txt").id == f"take@{FIRST}"
    with pytest.raises(LedgerError, match="nonsense is not recorded"):
        audit.why(fake.project, "nonsense")


def test_a_tree_names_the_version_that_was_read_although_it_is_superseded(fake):
    fake.make_all()
    old = audit.why(fake.project, "gather").children[0].version["md5"]
    fake.edit(f"shards/{FIRST}.json", "text of", "other text of")
    fake.make(f"take@{FIRST}")
    fake.make(f"label@{FIRST}")
    label = audit.why(fake.project, "gather").children[0]
    assert label.version["md5"] == old
    assert label.version["superseded_by"] != old
    assert "SUPERSEDED" in label.render_text()


def test_making_a_version_again_gives_its_bytes_or_names_what_differs(fake):
    fake.make_all()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make_all()
    for key in ("teach", "choose"):  # choose continues its former version
        assert audit.replay(fake.project, ArtifactKey(key)).ok
    with pytest.raises(PublishError, match=r"params changed: expert\.seed"):
        fake.edit("params.yaml", "seed: 18", "seed: 19")
        audit.replay(fake.project, ArtifactKey("teach"))
    fake.edit(f"{fake.package}/steps.py", "(out / \"log.txt\")", "(out / \"time.txt\").write_text("
              "str(__import__('time').time_ns()))\n    (out / \"log.txt\")")  # fmt: skip
    fake.make_all()
    found = audit.replay(fake.project, ArtifactKey("choose"))
    assert found.differing == ("time.txt",)
    assert "differs: time.txt\n    @@ -1 +1 @@\n    -" in found.render_text()
    assert (fake.out("choose") / "time.txt").exists()
