"""A ledger that was rewritten, cut or moved to another history is refused, however it was done."""

import hashlib
import json
import shutil
import subprocess

import pytest

from p4d.errors import HistoryError, LedgerError
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.continuity import (
    MARKER,
    broken_continuity,
    holds_head,
    is_anchored,
    require_marked,
)
from p4d.versioning.ledger.ledger import BRANCH, Ledger
from tests.versioning.fake import SHARDS

LEDGER = "data/ledger/ledger.jsonl"


def forge(fake, lines=None):
    """Write the ledger again with a valid chain, as a forger does who computes every hash."""
    ledger = Ledger(fake.project)
    records = [dict(record) for record in ledger.records()][:lines]
    ledger.path.unlink()
    for record in records:
        body = {k: v for k, v in record.items() if k not in ("kind", "prev", "digest")}
        ledger.append(record["kind"], {**body, "run_id": "forged"})
    assert ledger.verify_chain().ok


def cut(fake):
    path = fake.root / LEDGER
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def tip(fake):
    return fake.git("rev-parse", BRANCH).strip()


def made_twice(fake):
    """Three versions in two anchors; returns the commits."""
    fake.make("teach")
    first = anchor(fake.project, "one")
    fake.make(f"take@{SHARDS[0]}")
    fake.make(f"take@{SHARDS[1]}")
    second = anchor(fake.project, "two")
    assert second != first
    assert is_anchored(fake.project)
    assert list(broken_continuity(fake.project, whole_history=True)) == []
    return first, second


def commit_ledger(fake, payload, parent):
    """Commit a ledger to the branch by plain git, as an attacker does."""
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=fake.root, input=payload,
        capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    index = {"GIT_INDEX_FILE": str(fake.root / ".git" / "attack")}
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    entry = f"100644,{blob},{LEDGER}"
    for arguments in (["read-tree", tip(fake)], ["update-index", "--add", "--cacheinfo", entry]):
        subprocess.run([*git, *arguments], cwd=fake.root, env=fake.environment(**index), check=True)
    tree = subprocess.run(
        [*git, "write-tree"], cwd=fake.root, env=fake.environment(**index), check=True,
        capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    parents = ["-p", parent] if parent else []
    commit = fake.git("commit-tree", tree, "-m", "artifacts as published", *parents).strip()
    fake.git("update-ref", f"refs/heads/{BRANCH}", commit)
    return commit


@pytest.mark.attack("H2")
@pytest.mark.parametrize("attack", [forge, lambda fake: forge(fake, 1), cut,
                                    lambda fake: (fake.root / LEDGER).unlink()])  # fmt: skip
@pytest.mark.parametrize("has_marker", [True, False])
def test_a_ledger_that_was_rewritten_cut_or_deleted_is_never_anchored(fake, attack, has_marker):
    _, second = made_twice(fake)
    if not has_marker:  # as in a project that an earlier version anchored
        (fake.project.state / MARKER).unlink()
    attack(fake)
    with pytest.raises(HistoryError, match="was rewritten or cut short"):
        anchor(fake.project, "artifacts as published")
    assert tip(fake) == second
    assert len(list(broken_continuity(fake.project, whole_history=True))) == 1
    if has_marker:
        with pytest.raises(HistoryError):
            require_marked(fake.project)
        with pytest.raises(HistoryError):
            fake.make("teach", force=True)
    # What the message says restores it, and the ledger goes on.
    (fake.root / LEDGER).write_text(fake.git("show", f"{BRANCH}:{LEDGER}"))
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make("teach")
    assert anchor(fake.project, "three") != second


@pytest.mark.attack("H2")
def test_a_deleted_branch_is_missed_and_not_begun_again(fake):
    _, second = made_twice(fake)
    fake.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    (problem,) = broken_continuity(fake.project)
    assert f"`git branch {BRANCH} {second}` restores it" in problem
    with pytest.raises(HistoryError, match="was deleted"):
        anchor(fake.project, "artifacts as published")
    fake.git("branch", BRANCH, second)
    assert list(broken_continuity(fake.project, whole_history=True)) == []
    shutil.rmtree(fake.root / ".git")
    (problem,) = broken_continuity(fake.project)
    assert "was deleted" in problem


@pytest.mark.attack("H2")
def test_a_branch_whose_tip_was_rewritten_is_found_in_its_history(fake):
    _, second = made_twice(fake)
    forge(fake)
    forged = commit_ledger(fake, (fake.root / LEDGER).read_bytes(), second)
    (fake.project.state / MARKER).unlink()  # this attacker knows of it
    assert list(broken_continuity(fake.project)) == []  # the tip alone agrees with the ledger
    (problem,) = broken_continuity(fake.project, whole_history=True)
    assert f"commit {forged[:12]} " in problem
    assert f"one of commit {second[:12]} before it" in problem
    # A genuine ledger on top of a forged one is a break as well.
    genuine = fake.git("show", f"{second}:{LEDGER}").encode()
    (fake.root / LEDGER).write_bytes(genuine)
    commit_ledger(fake, genuine, forged)
    assert len(list(broken_continuity(fake.project, whole_history=True))) == 2


@pytest.mark.attack("H2")
def test_a_branch_that_was_rewritten_as_a_whole_lacks_the_anchored_commit(fake):
    _, second = made_twice(fake)
    forge(fake)
    commit_ledger(fake, (fake.root / LEDGER).read_bytes(), None)
    problems = list(broken_continuity(fake.project, whole_history=True))
    assert any("was rewritten or cut short" in each for each in problems)
    assert any(f"does not contain commit {second}" in each for each in problems)
    with pytest.raises(HistoryError):
        anchor(fake.project, "artifacts as published")


@pytest.mark.attack("H2")
def test_a_branch_that_was_set_back_lacks_the_anchored_commit(fake):
    first, second = made_twice(fake)
    fake.git("update-ref", f"refs/heads/{BRANCH}", first)
    (problem,) = broken_continuity(fake.project)
    assert f"`git update-ref refs/heads/{BRANCH} {second}` restores it" in problem


@pytest.mark.attack("H2")
def test_a_history_that_shrank_in_between_is_found(fake):
    first, second = made_twice(fake)
    short = fake.git("show", f"{first}:{LEDGER}").encode()
    cut_off = commit_ledger(fake, short, second)
    commit_ledger(fake, (fake.root / LEDGER).read_bytes(), cut_off)
    (problem,) = broken_continuity(fake.project, whole_history=True)
    assert f"commit {cut_off[:12]} " in problem


@pytest.mark.attack("H2")
def test_only_a_published_head_proves_against_who_controls_every_witness(fake):
    made_twice(fake)
    published = Ledger(fake.project).verify_chain().head
    fake.make(f"label@{SHARDS[0]}")
    assert holds_head(fake.project, published) == 3
    assert holds_head(fake.project, Ledger(fake.project).verify_chain().head) == 4
    forge(fake)
    (fake.project.state / MARKER).unlink()
    commit_ledger(fake, (fake.root / LEDGER).read_bytes(), None)
    assert list(broken_continuity(fake.project, whole_history=True)) == []
    assert holds_head(fake.project, published) is None


@pytest.mark.attack("H2")
def test_replaced_objects_of_git_do_not_hide_a_forgery(fake):
    first, second = made_twice(fake)
    forge(fake)
    fake.git("replace", second, commit_ledger(fake, (fake.root / LEDGER).read_bytes(), first))
    fake.git("update-ref", f"refs/heads/{BRANCH}", second)
    assert len(list(broken_continuity(fake.project, whole_history=True))) == 1


def test_an_unfinished_line_that_was_anchored_is_no_forgery(fake):
    _, second = made_twice(fake)
    whole = (fake.root / LEDGER).read_bytes()
    commit = commit_ledger(fake, whole + b'{"at":"2026', second)  # by an earlier version
    (fake.project.state / MARKER).unlink()
    assert list(broken_continuity(fake.project, whole_history=True)) == []
    assert anchor(fake.project, "repaired") != commit
    # Today an anchor drops it first.
    (fake.root / LEDGER).write_bytes(whole + b'{"at":"2026')
    anchor(fake.project, "cut")
    assert fake.git("show", f"{BRANCH}:{LEDGER}").encode() == whole
    assert list(broken_continuity(fake.project, whole_history=True)) == []


def test_the_marker_names_what_was_anchored_and_a_damaged_one_is_refused(fake):
    _, second = made_twice(fake)
    path, payload = fake.project.state / MARKER, (fake.root / LEDGER).read_bytes()
    assert json.loads(path.read_text()) == {
        "commit": second, "nbytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest(),
    }  # fmt: skip
    path.unlink()
    assert not is_anchored(fake.project)  # so that the next run writes it
    assert anchor(fake.project, "nothing new") == second
    assert path.is_file()
    path.write_text("{}")
    with pytest.raises(LedgerError, match="is damaged"):
        anchor(fake.project, "three")


def test_the_history_is_compared_without_reading_it_from_git(fake, monkeypatch):
    from p4d.versioning.ledger import continuity

    made_twice(fake)
    asked = []
    real = continuity.git
    monkeypatch.setattr(
        continuity, "git", lambda root, *a, **k: asked.append(a[1:3]) or real(root, *a, **k)
    )
    assert list(broken_continuity(fake.project, whole_history=True)) == []
    assert asked == [("rev-list", "--first-parent"), ("cat-file", "--batch-check")]
