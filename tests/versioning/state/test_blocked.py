"""The list of blocked shards follows from the recorded checks, and is an input of every fan-in."""

import re

import pytest

from p4d import audit
from p4d.audit.proof import verify as verification
from p4d.errors import ConfigError
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.lock_file import LockFile
from p4d.versioning.dvc.pipeline_file import BLOCKED_LIST
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.problem import Problem
from p4d.versioning.state.blocked import EMPTY_DIGEST, read_blocked, render
from p4d.versioning.state.check_records import expected_blocked, record_checks, refresh_blocked
from p4d.versioning.state.workspace import Workspace, status
from tests.versioning.fake import SHARDS

FIRST, SECOND = SHARDS
GATES = {"take": ("decoded", "long_enough"), "label": ("finite",)}


def check(fake, made, **passed):
    results = [
        CheckResult(name=name, passed=ok, severity="critical", description=name)
        for name, ok in passed.items()
    ]
    rest = {"run_id": "r", "gates": GATES}
    record_checks(fake.project, made.version, results, **rest)


def text(fake):
    return (fake.root / BLOCKED_LIST).read_text()


@pytest.fixture
def made(fake):
    made = fake.make_all()
    for shard in SHARDS:
        check(fake, made[f"take@{shard}"], decoded=True, long_enough=True)
        check(fake, made[f"label@{shard}"], finite=True)
    return made


def test_it_is_written_in_one_form_and_only_when_its_content_changes(fake, made):
    assert text(fake) == "blocked: {}\n"
    check(fake, made[f"label@{SECOND}"], finite=False)
    check(fake, made[f"take@{SECOND}"], long_enough=False, decoded=False)
    check(fake, made[f"label@{FIRST}"], finite=False)
    assert text(fake) == (
        f"blocked:\n  {FIRST}:\n    label:\n    - finite\n"
        f"  {SECOND}:\n    label:\n    - finite\n    take:\n    - decoded\n    - long_enough\n"
    )
    before = (fake.root / BLOCKED_LIST).stat()
    check(fake, made[f"label@{FIRST}"], finite=False)
    assert (fake.root / BLOCKED_LIST).stat() == before
    assert read_blocked(fake.project)[SECOND] == {
        "label": ["finite"], "take": ["decoded", "long_enough"],
    }  # fmt: skip


def test_checks_that_do_not_block_and_stages_without_shards_block_no_shard(fake, made):
    check(fake, made[f"label@{FIRST}"], blurred=False)
    check(fake, made["teach"], finite=False)
    assert text(fake) == "blocked: {}\n"


def test_checks_that_an_earlier_release_named_otherwise_are_history(fake, made):
    check(fake, made[f"label@{FIRST}"], labels_complete=False)
    assert text(fake) == "blocked: {}\n"
    assert {item.state for item in status(fake.project)} == {"fresh"}
    node = audit.why(fake.project, f"label@{FIRST}")
    assert node.version["checks"]["labels_complete"]["passed"] is False
    assert "FAILED labels_complete" in node.render_text()


def test_a_new_version_stays_blocked_until_its_own_checks_ran(fake, made):
    check(fake, made[f"label@{FIRST}"], finite=False)
    blocked = text(fake)
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make("teach", gates=GATES)
    again = fake.make(f"label@{FIRST}", gates=GATES)
    assert text(fake) == blocked
    check(fake, again, finite=True)
    assert text(fake) == "blocked: {}\n"


def test_a_shard_that_is_no_longer_listed_is_no_longer_blocked(fake, made):
    check(fake, made[f"label@{FIRST}"], finite=False)
    (fake.root / "shards" / "index.yaml").write_text(f"shards:\n- {SECOND}\n")
    assert audit.verify(fake.project).ok is False  # its folder is still there
    assert fake.make("gather", gates=GATES).excluded == {}
    assert text(fake) == "blocked: {}\n"
    assert set(fake.dvc_status()) == {"choose"}


def test_what_a_killed_process_left_behind_is_brought_up_to_date(fake, made):
    body = {"stage": "label", "shard": FIRST, "md5": made[f"label@{FIRST}"].md5,
            "name": "finite", "passed": False}  # fmt: skip
    Ledger(fake.project).append("check", body)  # and died before it wrote the list
    assert refresh_blocked(fake.project, GATES)
    assert list(read_blocked(fake.project)) == [FIRST]
    assert not refresh_blocked(fake.project, GATES)


def test_a_check_is_of_the_version_that_dvc_has_not_recorded_yet(fake, made):
    """Inside DVC, dvc.lock names the new version only after the command."""
    other = ArtifactVersion(made[f"label@{FIRST}"].key, "0" * 32 + ".dir")
    with Workspace(fake.project) as workspace:
        body = {"stage": "label", "shard": FIRST, "md5": other.md5, "name": "finite"}
        Ledger(fake.project).append("check", {**body, "passed": False})
        assert expected_blocked(workspace, GATES) == {}
        assert expected_blocked(workspace, GATES, checked=other) == {FIRST: {"label": ["finite"]}}


def test_a_project_without_the_list_is_stale_and_no_error(fake, made):
    assert text(fake) == render({})
    (fake.root / BLOCKED_LIST).unlink()
    lock = fake.root / "dvc.lock"
    pattern = rf"    - path: {BLOCKED_LIST}\n      hash: md5\n      md5: \S+\n      size: \d+\n"
    lock.write_text(re.sub(pattern, "", lock.read_text()))
    states = {str(s.key): (s.state, s.reasons) for s in status(fake.project)}
    assert states["gather"] == ("stale", (f"input added: {BLOCKED_LIST}",))
    assert states["choose"][0] == "fresh"
    assert verification.verify(fake.project).problems == (
        Problem("altered", "dvc.lock", "entry gather is not the one published"),
    )
    assert not fake.make("gather", gates=GATES).skipped
    entry = LockFile.read(fake.root).entry("gather")
    assert entry.deps[BLOCKED_LIST] == EMPTY_DIGEST
    assert fake.dvc_status() == {}


@pytest.mark.parametrize(
    "content", ["", "blocked:\n", "blocked: [a]\n", "blocked: {} \n", "{", "blocked: {a: 1}\n"]
)
def test_a_damaged_list_is_named_with_the_way_out(fake, content):
    (fake.root / BLOCKED_LIST).write_text(content)
    with pytest.raises(ConfigError, match=r"shards/blocked.yaml is damaged .*delete it"):
        read_blocked(fake.project)


def test_verify_compares_the_list_with_the_recorded_checks(fake, made, monkeypatch):
    monkeypatch.setattr("p4d.versioning.state.check_records.blocking_gates", lambda: GATES)
    assert verification.verify(fake.project).problems == ()
    check(fake, made[f"label@{FIRST}"], finite=False)
    assert verification.verify(fake.project).problems == ()
    (fake.root / BLOCKED_LIST).write_text("blocked: {}\n")
    (problem,) = verification.verify(fake.project).problems
    assert (problem.kind, problem.path) == ("altered", BLOCKED_LIST)


@pytest.mark.parametrize("is_blocked", [False, True])
def test_a_deleted_list_is_noticed_by_all_and_put_back_by_any_run(fake, made, is_blocked):
    if is_blocked:
        check(fake, made[f"label@{FIRST}"], finite=False)
        for name in ("gather", "choose"):
            fake.make(name, gates=GATES)
    before = text(fake)
    (fake.root / BLOCKED_LIST).unlink()
    states = {str(s.key): (s.state, s.reasons) for s in status(fake.project)}
    stale = {key for key, (state, _) in states.items() if state != "fresh"}
    assert stale == set(fake.dvc_status()) == {"gather"}
    assert states["gather"] == ("stale", (f"input missing: {BLOCKED_LIST}",))
    (problem,) = verification.verify(fake.project).problems
    assert (problem.kind, problem.path) == ("missing", BLOCKED_LIST)
    assert fake.make(f"take@{SECOND}", gates=GATES).skipped  # any run, also one that makes nothing
    assert text(fake) == before
    assert {s.state for s in status(fake.project)} == {"fresh"}
    assert fake.dvc_status() == {}
