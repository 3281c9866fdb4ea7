"""`p4d audit verify` finds every flipped byte, and is not confused by runs beside it."""

import json
import shutil

import numpy as np
import pytest

from p4d.audit.proof import hash_journal
from p4d.audit.proof import verify as verification
from p4d.ids import seed_for
from p4d.pipeline import Needs, Stage
from p4d.project import Project
from tests.durability.toy import SHARDS


@pytest.fixture(scope="module")
def verified(made_toy, tmp_path_factory):
    return made_toy.copy_to(tmp_path_factory.mktemp("verify") / "toy")


def project_of(toy) -> Project:
    """The toy with its own stage table, read by its own code."""
    code = (
        "import json, dataclasses; from p4d.pipeline import STAGES\n"
        "print(json.dumps([dataclasses.asdict(s) for s in STAGES]))"
    )
    told = json.loads(toy.run("python", "-c", code).stdout)
    stages = tuple(
        Stage(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in each.items()}
            | {"needs": Needs(**each["needs"])}
        )
        for each in told
    )
    return Project(toy.root, stages)


def witnesses(toy):
    """Every file that a version, a manifest, the record or the ledger consists of."""
    root = toy.root
    found = [p for p in (root / "data").rglob("*") if p.is_file()]
    found += [p for p in (root / "shards").iterdir() if p.is_file()]
    found += [p for p in (root / ".dvc" / "cache" / "files").rglob("*") if p.is_file()]
    return [*sorted(found), root / "dvc.lock"]


def test_a_flip_of_any_byte_of_any_file_is_found(verified):
    project = project_of(verified)
    assert verification.verify(project).problems == ()
    rng = np.random.default_rng(seed_for("flips", "verify"))
    files = witnesses(verified)
    tried = 0
    for path in files:
        payload = path.read_bytes()
        path.chmod(0o644)
        # Small files and the record are tried more often: their bytes differ in meaning.
        times = 12 if path.name in ("dvc.lock", "ledger.jsonl", "index.yaml") else 1
        for offset in {0, len(payload) - 1, *rng.integers(0, len(payload), times).tolist()}:
            damaged = bytearray(payload)
            damaged[offset] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            report = verification.verify(project)
            assert not report.ok, f"byte {offset} of {path} was flipped unseen"
            tried += 1
        path.write_bytes(payload)
    assert tried > 100
    report = verification.verify(project)
    assert report.ok, report.render_text()


def test_what_is_missing_orphaned_or_unexplained_is_named(toy):
    project = project_of(toy)
    root = toy.root
    (root / "data" / "videos" / SHARDS[0] / "content.txt").unlink()
    (root / "data" / "release" / "more.txt").write_text("x")
    (root / "data" / "ledger" / "notes.txt").write_text("x")
    (root / "data" / "file.txt").write_text("x")
    (root / "shards" / "0009-ffffffff.json").write_text("{}")
    (root / "shards" / f"{SHARDS[1]}.json").unlink()
    stray = root / ".dvc" / "cache" / "files" / "md5" / "ab" / "cdef0123456789"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("x")
    report = verification.verify(project)
    assert {(p.kind, p.path) for p in report.problems} == {
        ("missing", f"data/videos/{SHARDS[0]}/content.txt"),
        ("orphaned", "data/release/more.txt"),
        ("orphaned", "data/ledger/notes.txt"),
        ("orphaned", "data/file.txt"),
        ("orphaned", "shards/0009-ffffffff.json"),
        ("missing", f"shards/{SHARDS[1]}.json"),
    }
    assert report.unexplained == (".dvc/cache/files/md5/ab/cdef0123456789",)


def test_a_ledger_that_was_rewritten_as_a_whole_does_not_continue_what_git_has(toy):
    from p4d.versioning.ledger.ledger import Ledger

    ledger = Ledger(toy.project)
    records = [dict(r) for r in ledger.records()]
    ledger.path.unlink()
    for record in records:  # a forger who computes every hash anew
        body = {k: v for k, v in record.items() if k not in ("kind", "prev", "digest")}
        body["run_id"] = "forged"
        ledger.append(record["kind"], body)
    assert ledger.verify_chain().ok
    report = verification.verify(project_of(toy))
    assert any("was rewritten or cut short" in p.detail for p in report.problems)


class StoppedError(Exception):
    pass


def test_an_interrupted_run_is_resumed_from_its_own_journal_alone(toy, monkeypatch):
    project = project_of(toy)
    hashed = []
    real = hash_journal.file_md5

    def counted(path):
        hashed.append(path)
        if len(hashed) == 20:
            raise StoppedError
        return real(path)

    monkeypatch.setattr(hash_journal, "file_md5", counted)
    with pytest.raises(StoppedError):
        verification.verify(project, workers=1)
    again = verification.verify(project, resume=True, workers=1)
    assert again.ok
    assert 0 < again.resumed < 20
    # What changed after it was read is read again; a run that ended leaves nothing to resume.
    assert verification.verify(project, resume=True).resumed == 0
    hashed.clear()
    with pytest.raises(StoppedError):
        verification.verify(project, workers=1)
    victim = next(p for p in hashed[:10] if "data" in p.parts)
    payload = victim.read_bytes()
    victim.write_bytes(bytes([payload[0] ^ 1]) + payload[1:])
    resumed = verification.verify(project, resume=True, workers=1)
    assert [p.kind for p in resumed.problems] == ["altered"]
    shutil.rmtree(toy.root)
