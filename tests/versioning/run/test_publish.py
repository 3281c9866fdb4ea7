"""Publishing is whole or not at all, wherever the process dies."""

import os
import resource
import signal

import pytest

from p4d import audit
from p4d.errors import PublishError
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.crash_points import CRASH_POINTS
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.workspace import status
from tests.versioning.fake import SHARDS

DECIDED = CRASH_POINTS.index("journaled")


def in_child(action) -> int:
    """Run `action` in a forked process; returns the signal that ended it, or its status."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - the parent judges the status
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    ended = os.waitpid(pid, 0)[1]
    return os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)


def die_at(point):
    def observer(name):
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return observer


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_killed_publisher_leaves_one_whole_version(fake, point):
    fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    ended = in_child(lambda: fake.make("teach", checkpoint=die_at(point)))
    assert ended == signal.SIGKILL
    notices = recover(fake.project)
    expected = "18" if CRASH_POINTS.index(point) >= DECIDED else "17"
    assert (fake.out("teach") / "weights.safetensors").read_text() == expected
    assert [p.name for p in fake.out("teach").iterdir()] == ["weights.safetensors"]
    state = {str(s.key): s.state for s in status(fake.project)}["teach"]
    assert state == ("fresh" if expected == "18" else "stale")
    ledger = Ledger(fake.project)
    assert len(list(ledger.records("materialization"))) == (2 if expected == "18" else 1)
    assert audit.verify(fake.project).render_text().startswith("OK")
    assert notices
    assert recover(fake.project) == []
    assert list((fake.root / ".staging").iterdir()) == []
    assert (fake.dvc_status("teach") == {}) == (expected == "18")
    again = fake.make("teach")
    assert again.skipped == (expected == "18")
    assert ledger.index().latest(ArtifactKey("teach"))["md5"] == again.md5


@pytest.mark.parametrize("point", ["moved_aside", "swapped", "lock_prepared"])
def test_a_first_version_killed_half_way_is_finished(fake, point):
    assert in_child(lambda: fake.make("teach", checkpoint=die_at(point))) == signal.SIGKILL
    assert any("finished publishing teach" in notice for notice in recover(fake.project))
    assert fake.make("teach").skipped


def test_a_kill_inside_dvc_repro_leaves_the_record_to_dvc(fake, monkeypatch):
    fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    lock = (fake.root / "dvc.lock").read_bytes()
    with monkeypatch.context() as patch:
        patch.setenv("DVC_STAGE", "teach")
        assert in_child(lambda: fake.make("teach", checkpoint=die_at("swapped"))) == signal.SIGKILL
    assert recover(fake.project)[0] == "finished publishing teach"
    assert (fake.root / "dvc.lock").read_bytes() == lock
    reasons = {str(s.key): s.reasons for s in status(fake.project)}["teach"]
    assert reasons == ("output edited", "params changed: expert.seed")
    assert not fake.make("teach").skipped
    assert fake.dvc_status("teach") == {}


def test_recovery_takes_lost_content_from_the_cache_and_without_it_goes_back(fake):
    import shutil

    fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    in_child(lambda: fake.make("teach", checkpoint=die_at("journaled")))
    for folder in (fake.root / ".staging").glob("*/new"):
        shutil.rmtree(folder)
    assert recover(fake.project)[0] == "finished publishing teach"
    assert (fake.out("teach") / "weights.safetensors").read_text() == "18"

    fake.edit("params.yaml", "seed: 18", "seed: 19")
    in_child(lambda: fake.make("teach", checkpoint=die_at("moved_aside")))
    for folder in (fake.root / ".staging").glob("*/new"):
        shutil.rmtree(folder)
    shutil.rmtree(fake.root / ".dvc" / "cache")
    assert "undid" in recover(fake.project)[0]
    assert (fake.out("teach") / "weights.safetensors").read_text() == "18"


def test_dvc_killed_while_writing_its_record_is_mended_from_the_copy(fake):
    fake.make("teach")
    fake.make(f"take@{SHARDS[0]}")
    path = fake.root / "dvc.lock"
    whole = path.read_text()
    fake.make(f"take@{SHARDS[1]}")  # the copy is of the state before this
    for cut in (len(whole) // 2, len(whole) - 3, whole.rindex("      nfiles")):
        path.write_text(whole[:cut])
        notices = recover(fake.project)
        assert "restored dvc.lock" in notices[0]
        assert path.read_text() == whole
    assert fake.make("teach").skipped
    assert not fake.make(f"take@{SHARDS[1]}").skipped


def test_many_publishers_at_once_with_some_killed(fake):
    fake.make("teach")
    points = [None, "swapped", None, "lock_written", "cached", None]
    children = []
    for number, point in enumerate(points):
        shard = SHARDS[number % 2]
        pid = os.fork()
        if pid == 0:
            try:
                fake.make(f"take@{shard}", force=True, checkpoint=die_at(point))
            except PublishError:
                os._exit(3)
            except BaseException as error:  # noqa: BLE001 - the parent judges the status
                os.write(2, f"{error!r}\n".encode())
                os._exit(1)
            os._exit(0)
        children.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in children]
    assert all(os.WIFSIGNALED(e) or os.WEXITSTATUS(e) == 0 for e in ended), ended
    recover(fake.project)
    assert audit.verify(fake.project).render_text().startswith("OK")
    assert all(fake.make(f"take@{shard}").skipped for shard in SHARDS)
    assert fake.dvc_status(*(f"take@{shard}" for shard in SHARDS)) == {}


@pytest.mark.parametrize("phase", ["computing", "caching"])
def test_a_full_disk_leaves_the_old_version_and_says_so(fake, phase, capfd, monkeypatch):
    fake.make("teach")
    hook = "(out / 'large.bin').write_bytes(bytes(300_000))"

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))

    def make():
        if phase == "computing":
            limited()
        monkeypatch.setenv("FAKE_HOOK", hook)
        fake.make("teach", force=True, checkpoint=lambda name: name == "computed" and limited())

    assert in_child(make) == 1
    assert f"no room left while {phase.replace('caching', 'publishing')}" in capfd.readouterr().err
    recover(fake.project)
    assert audit.verify(fake.project).ok
    assert fake.make("teach").skipped
    assert not list((fake.root / ".dvc" / "cache").rglob(".*.tmp*"))


def test_no_room_for_the_record_puts_the_old_version_back(fake, capfd):
    fake.make("teach")
    fake.edit("params.yaml", "seed: 17", "seed: 18")

    def full_at_swap(name):
        if name == "swapped":
            # Smaller than dvc.lock: writing the record fails after the folders were exchanged.
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

    assert in_child(lambda: fake.make("teach", checkpoint=full_at_swap)) == 1
    assert "no room left" in capfd.readouterr().err
    assert (fake.out("teach") / "weights.safetensors").read_text() == "17"
    assert "finished" not in " ".join(recover(fake.project))
    assert not fake.make("teach").skipped


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("[p.unlink() for p in out.iterdir()]", "wrote no file"),
        ("os.symlink('/etc/hosts', out / 'link')", "a link, link"),
        ("(out / '.a.tmp1').write_text('x')", r"hidden file, \.a\.tmp1"),
    ],
)
def test_content_that_cannot_be_versioned_is_refused(fake, monkeypatch, hook, message):
    monkeypatch.setenv("FAKE_HOOK", hook)
    with pytest.raises(PublishError, match=message):
        fake.make("teach")
    assert not fake.out("teach").exists()


def test_a_failing_stage_leaves_nothing_behind(fake, monkeypatch):
    fake.make("teach")
    monkeypatch.setenv("FAKE_HOOK", "raise RuntimeError('no')")
    with pytest.raises(RuntimeError, match="no"):
        fake.make("teach", force=True)
    assert list((fake.root / ".staging").iterdir()) == []
    assert fake.make("teach").skipped
