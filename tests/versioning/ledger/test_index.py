"""The index reads on in its file, and starts over when the file is not a continuation."""

import os

import pytest

from p4d.errors import LedgerError
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger

KEY = ArtifactKey("label", "0001-aaaaaaaa")


def made(ledger, number, **upstream):
    body = {"id": f"id{number}", "stage": KEY.stage, "shard": KEY.shard, "md5": f"{number:032}"}
    ledger.append("materialization", {**body, "upstream": upstream})
    return ArtifactVersion(KEY, f"{number:032}")


def check(ledger, version, name, passed):
    body = {"stage": KEY.stage, "shard": KEY.shard, "md5": version.md5}
    ledger.append("check", {**body, "name": name, "passed": passed})


def test_versions_and_their_checks_are_found_by_key_and_by_hash(fake):
    ledger = Ledger(fake.project)
    first, second = made(ledger, 1), made(ledger, 2)
    index = ledger.index()
    assert index.latest(KEY)["id"] == "id2"
    assert index.record(first)["id"] == "id1"
    assert index.versions("label") == [first, second]
    assert index.named("0" * 31 + "1") == [first]
    check(ledger, first, "finite", False)
    check(ledger, first, "sharp", False)
    check(ledger, second, "finite", True)
    assert ledger.index() is index
    assert index.failing() == [first]
    check(ledger, first, "finite", True)
    ledger.index()
    assert {name: r["passed"] for name, r in index.checks(first).items()} == {
        "finite": True, "sharp": False,
    }  # fmt: skip
    assert index.failing() == [first]
    check(ledger, first, "sharp", True)
    assert ledger.index().failing() == []


def test_a_file_that_was_rewritten_in_place_is_read_again(fake):
    ledger = Ledger(fake.project)
    version, _ = made(ledger, 1), made(ledger, 2)
    assert ledger.index().record(version)
    before = ledger.path.read_bytes()
    ledger.path.write_bytes(before.replace(b'"id1"', b'"id9"'))
    os.utime(ledger.path, (1, 1))
    assert ledger.index().record(version)["id"] == "id9"
    ledger.path.write_bytes(before)
    assert ledger.index().record(version)["id"] == "id1"
    ledger.path.unlink()
    assert ledger.index().record(version) is None


def test_a_line_that_is_no_record_is_named(fake):
    ledger = Ledger(fake.project)
    made(ledger, 1)
    with ledger.path.open("a") as stream:
        stream.write('{"kind":"check","stage":"label"}\n')
    with pytest.raises(LedgerError, match=r"line 2 is not a record .*git show p4d-ledger:"):
        ledger.index()
