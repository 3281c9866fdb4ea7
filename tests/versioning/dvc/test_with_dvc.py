"""Everything the adapter writes by itself, held against the real DVC."""

import json
import os
import shutil

import pytest
from dvc.repo import Repo

from p4d import audit
from p4d.errors import PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.lock_file import LockFile
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.hashes import HashCache
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.workspace import status
from tests.versioning.fake import SHARDS

FIRST, SECOND = SHARDS


def not_fresh(fake):
    return {str(s.key) for s in status(fake.project) if s.state != "fresh"}


def dvc_changed(fake):
    return set(fake.dvc_status())


def test_dvc_agrees_with_every_byte_of_the_record(fake):
    made = fake.make_all()
    assert not any(m.skipped for m in made.values())
    assert fake.dvc_status() == {}
    assert not_fresh(fake) == set()
    ours = (fake.root / "dvc.lock").read_bytes()
    # DVC writes its own record of the same state: the very same file.
    fake.dvc("commit", "-f")
    assert (fake.root / "dvc.lock").read_bytes() == ours
    assert "Running stage" not in fake.repro()
    with Repo(str(fake.root)) as repo:
        shown = repo.metrics.show()[""]["data"]
    assert shown == {"data/gather/m.json": {"data": {"n": 2}}}
    objects = [p for p in (fake.root / ".dvc/cache/files").rglob("*") if p.is_file()]
    assert {p.stat().st_mode & 0o777 for p in objects} == {0o444}
    # Nothing but our files lies in the outputs, so fan-in hashes are of our files alone.
    data = fake.root / "data"
    lists = {*(data / "ledger/environments").iterdir(), *(data / "ledger/code").iterdir()}
    names = {p.name for p in data.rglob("*") if p.is_file() and p not in lists}
    assert names == {"name.txt", "size.txt", "weights.safetensors", "label.txt", "all.txt",
                     "m.json", "excluded.json", "log.txt", "ledger.jsonl"}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("params.yaml", "seed: 17", "seed: 18", {"teach"}),
        ("{package}/text.py", "'!", "'?", {"take@" + FIRST, "take@" + SECOND, "teach",
                                           "label@" + FIRST, "label@" + SECOND, "gather",
                                           "choose"}),
        (f"shards/{FIRST}.json", "text of", "TEXT OF", {"take@" + FIRST}),
        ("gates/one.sql", "1", "2", {"gather"}),
        ("notes/one.txt", "a note", "another", {"gather"}),
        (f"data/label/{SECOND}/label.txt", "TEXT", "T3XT", {"label@" + SECOND, "gather"}),
    ],
)  # fmt: skip
def test_both_call_the_same_instances_stale(fake, path, old, new, expected):
    fake.make_all()
    fake.edit(path.format(package=fake.package), old, new)
    assert not_fresh(fake) == expected
    assert dvc_changed(fake) == expected


def test_a_rerun_with_equal_bytes_stops_the_cascade(fake):
    fake.make_all()
    fake.edit(f"{fake.package}/text.py", "def shout", "# a remark\ndef shout")
    assert not fake.make(f"take@{FIRST}").skipped
    assert f"label@{FIRST}" in not_fresh(fake)  # its own code changed
    fake.edit(f"shards/{SECOND}.json", "text of", "Text of")  # upper case hides the difference
    fake.make(f"take@{SECOND}")
    for key in (f"label@{FIRST}", f"label@{SECOND}", "teach"):
        fake.make(key)
    assert not_fresh(fake) == dvc_changed(fake) == {"gather", "choose"}
    reasons = {str(s.key): s.reasons for s in status(fake.project)}
    assert reasons["gather"] == (f"code changed: {fake.package}/text.py",)


def test_repro_runs_our_stages_and_our_runner_finds_nothing_left(fake):
    fake.make_all()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    output = fake.repro()
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    assert ran == {"teach", f"label@{FIRST}", f"label@{SECOND}", "gather", "choose"}
    assert fake.dvc_status() == {}
    assert recover(fake.project) == []
    assert all(m.skipped for m in fake.make_all().values())
    assert audit.verify(fake.project).render_text().startswith("OK")
    assert Ledger(fake.project).index().latest(ArtifactKey("choose"))["run_id"] == "dvc"


def test_push_pull_and_checkout_bring_the_same_bytes(fake, tmp_path):
    fake.make_all()
    fake.dvc("remote", "add", "-q", "-d", "local", str(tmp_path / "remote"))
    fake.dvc("push", "-q")
    with HashCache(fake.root, None) as cache:
        before = cache.digest(fake.out("label"))
    shutil.rmtree(fake.out("label"))
    shutil.rmtree(fake.out("choose"))
    fake.dvc("checkout", "-q")
    with HashCache(fake.root, None) as cache:
        assert cache.digest(fake.out("label")) == before
    shutil.rmtree(fake.root / ".dvc" / "cache")
    shutil.rmtree(fake.out("label"))
    fake.dvc("pull", "-q")
    with HashCache(fake.root, None) as cache:
        assert cache.digest(fake.out("label")) == before
    assert audit.verify(fake.project).ok
    assert all(m.skipped for m in fake.make_all().values())


def test_our_entry_leaves_all_other_bytes_of_the_record_alone(fake):
    fake.make_all()
    path = fake.root / "dvc.lock"
    # Comments and an unusual order survive; DVC parses the result.
    text = path.read_text().replace("stages:\n", "stages:\n  # kept by hand\n", 1)
    path.write_text(text)
    before = LockFile(text)
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make("teach")
    after = LockFile(path.read_text())
    assert after.names() == before.names()
    changed = [name for name in after.names() if after.block(name) != before.block(name)]
    assert changed == ["teach"]
    assert "# kept by hand" in after.text
    assert dvc_changed(fake) == {f"label@{FIRST}", f"label@{SECOND}"}


def test_a_new_shard_appears_as_one_missing_instance_per_stage(fake):
    index = fake.root / "shards" / "index.yaml"
    index.write_text(f"shards:\n- {FIRST}\n")
    for key in (f"take@{FIRST}", "teach", f"label@{FIRST}", "gather", "choose"):
        fake.make(key)
    assert fake.dvc_status() == {}
    index.write_text(f"shards:\n- {FIRST}\n- {SECOND}\n")
    expected = {f"take@{SECOND}", f"label@{SECOND}", "gather"}  # their list is an input of it
    assert not_fresh(fake) == dvc_changed(fake) == expected
    states = {str(s.key): s.state for s in status(fake.project)}
    assert states[f"take@{SECOND}"] == "missing"
    assert states[f"label@{SECOND}"] == "blocked"


def test_works_in_a_source_tree_without_git(fake_without_git):
    fake = fake_without_git
    made = fake.make_all()
    assert not any(m.skipped for m in made.values())
    assert fake.dvc_status() == {}
    record = Ledger(Project(fake.root)).index().latest(ArtifactKey("choose"))
    assert record["git"] == {"commit": None, "dirty": None}


def test_waits_for_a_running_dvc_command_and_gives_up_with_its_name(fake, monkeypatch):
    fake.make("teach")
    monkeypatch.setattr(dvc_store, "LOCK_WAIT_S", 0.3)
    rwlock = fake.root / ".dvc" / "tmp" / "rwlock"

    def held_by(pid):
        held = {"write": {str(fake.out("teach")): {"pid": pid, "cmd": "dvc repro"}}, "read": {}}
        rwlock.write_text(json.dumps(held))

    held_by(os.getppid())
    with pytest.raises(PublishError, match=r"data/teach is busy: pid \d+ \(dvc repro\)"):
        fake.make("teach", force=True)
    assert not fake.make(f"take@{FIRST}").skipped  # another path: no reason to wait
    held_by(2**22 + 1)  # nobody
    assert not fake.make("teach", force=True).skipped
    with (
        dvc_store.repository_lock(fake.root),
        pytest.raises(PublishError, match="a DVC command holds"),
    ):
        fake.make("teach", force=True)
