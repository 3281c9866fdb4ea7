"""The ledger shows every change of itself, and git keeps it."""

import json

import pytest

from p4d import audit
from p4d.errors import LedgerError
from p4d.versioning.ledger import ledger as module
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger


def test_an_edited_a_lost_and_a_swapped_line_show(fake):
    ledger = Ledger(fake.project)
    for number in range(4):
        ledger.append("decision", {"number": number})
    assert ledger.verify_chain().ok
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    for damaged in (
        [lines[0].replace(b'"number":0', b'"number":7'), *lines[1:]],
        [lines[0], *lines[2:]],
        [lines[1], lines[0], *lines[2:]],
        [b"not json\n", *lines],
    ):
        ledger.path.write_bytes(b"".join(damaged))
        assert not Ledger(fake.project).verify_chain().ok
    with pytest.raises(LedgerError, match="line 1 is not a record"):
        list(Ledger(fake.project).records())


def test_a_line_cut_by_a_crash_is_dropped_and_the_chain_goes_on(fake, caplog):
    ledger = Ledger(fake.project)
    ledger.append("decision", {"number": 1})
    with ledger.path.open("ab") as stream:
        stream.write(b'{"kind":"decision","num')
    assert [r["number"] for r in ledger.records()] == [1]
    assert "unfinished" in ledger.verify_chain().faults[0]
    ledger.append("decision", {"number": 2})
    assert "dropped 23 bytes" in caplog.text
    assert ledger.verify_chain().ok
    assert [r["number"] for r in ledger.records()] == [1, 2]


def test_unknown_kinds_are_refused(fake):
    with pytest.raises(LedgerError, match="unknown ledger kind"):
        Ledger(fake.project).append("guess", {})


def test_kinds_of_older_ledgers_are_read_and_not_appended(fake, monkeypatch):
    ledger = Ledger(fake.project)
    with monkeypatch.context() as patch:
        patch.setattr(module, "KINDS", module.KINDS | {"landing"})
        ledger.append("landing", {"shard": "x"})
    assert [record["kind"] for record in ledger.records()] == ["landing"]
    assert ledger.verify_chain().ok
    with pytest.raises(LedgerError, match="unknown ledger kind"):
        ledger.append("landing", {"shard": "y"})


def test_a_table_that_an_older_version_wrote_beside_the_ledger_is_no_problem(fake):
    fake.make("teach")
    (fake.root / "data" / "ledger" / "ledger.parquet").write_bytes(b"PAR1 of another time")
    assert audit.verify(fake.project).problems == ()


def test_the_anchor_keeps_everything_and_touches_nothing(fake):
    made = fake.make("teach")
    fake.edit(f"{fake.package}/text.py", "'!", "'?")  # an edit that no commit has
    (fake.root / "staged.txt").write_text("staged by hand\n")
    fake.git("add", "staged.txt")
    before = [fake.git(*c) for c in (("status", "--porcelain"), ("rev-parse", "HEAD"),
                                     ("symbolic-ref", "HEAD"))]  # fmt: skip
    first = anchor(fake.project, "one")
    assert first == fake.git("rev-parse", module.BRANCH).strip()
    assert anchor(fake.project, "nothing new") == first
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make("teach")
    second = anchor(fake.project, "two")
    after = [fake.git(*c) for c in (("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"))]
    assert after == before[1:]
    assert "A  staged.txt" in fake.git("status", "--porcelain")
    assert fake.git("rev-list", module.BRANCH).split() == [second, first]
    names = fake.git("ls-tree", "-r", "--name-only", second).split()
    assert {"dvc.lock", "shards/index.yaml", "data/ledger/ledger.jsonl", "dvc.yaml"} <= set(names)
    assert "'?" in fake.git("show", f"{second}:{fake.package}/text.py")
    # The superseded version comes back through DVC itself, by the anchor alone.
    fake.dvc("get", ".", "data/teach", "--rev", first, "-o", "old")
    assert (fake.root / "old" / "weights.safetensors").read_text() == "17"
    assert made.md5 in fake.git("show", f"{first}:dvc.lock")


def test_without_git_there_is_no_anchor_but_a_notice(fake_without_git, caplog):
    fake_without_git.make("teach")
    assert anchor(fake_without_git.project, "one") is None
    assert "not anchored" in caplog.text


def test_a_repository_without_any_commit_can_be_anchored(fake_without_git):
    fake = fake_without_git
    fake.git("init", "-q", "-b", "main")
    fake.make("teach")
    commit = anchor(fake.project, "one")
    assert "data/ledger/ledger.jsonl" in fake.git("ls-tree", "-r", "--name-only", commit)


def test_a_line_names_its_form_and_an_unknown_form_is_refused(fake):
    ledger = Ledger(fake.project)
    assert ledger.append("decision", {"number": 1})["schema"] == 2
    before = ledger.path.read_bytes()
    for schema, said in ((3, "line 2 has schema 3, and p4d .* reads up to 2.*update p4d"),
                         ("2", "line 2 is not a record .*schema '2'")):  # fmt: skip
        newer = json.dumps({"schema": schema, "kind": "decision", "prev": "0" * 64})
        ledger.path.write_bytes(before + newer.encode() + b"\n")
        with pytest.raises(LedgerError, match=said):
            list(Ledger(fake.project).records())
