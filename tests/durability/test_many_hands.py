"""Sixteen publishers, and people who use DVC meanwhile: waits and refusals, never damage."""

import os
import subprocess
import sys
import time

import pytest

from p4d import audit
from p4d.errors import PublishError
from p4d.versioning.dvc.pipeline_file import address
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.workspace import status
from tests.versioning.conftest import dvc_of_its_own, fake  # noqa: F401 - fixtures
from tests.versioning.run.test_publish import die_at, in_child

HANDS = 16
SHARDS = tuple(f"{n:04d}-{n:08x}" for n in range(1, 9))


@pytest.fixture
def crowd(fake):  # noqa: F811
    """A project with eight shards, everything made."""
    for path in (fake.root / "shards").glob("*.json"):
        path.unlink()
    for shard in SHARDS:
        (fake.root / "shards" / f"{shard}.json").write_text(f'{{"text": "text of {shard}"}}\n')
    lines = "".join(f"- {shard}\n" for shard in SHARDS)
    (fake.root / "shards" / "index.yaml").write_text(f"shards:\n{lines}")
    for key in ("teach", *(f"take@{shard}" for shard in SHARDS)):
        fake.make(key)
    return fake


def forked(action):
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except PublishError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(3)  # refused, in words
        except BaseException as error:  # noqa: BLE001 - the parent judges the status
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    return pid


def dvc(crowd, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments], cwd=crowd.root, env=crowd.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def settle(crowd, expected=SHARDS):
    recover(crowd.project)
    report = audit.verify(crowd.project)
    assert report.ok, report.render_text()
    takes = [f"take@{shard}" for shard in expected]
    fresh = {str(s.key) for s in status(crowd.project) if s.state == "fresh"}
    assert fresh >= set(takes)
    assert crowd.dvc_status(*(address(ArtifactKey("take", shard)) for shard in expected)) == {}


def test_sixteen_publishers_of_different_and_of_the_same_shards(crowd):
    crowd.edit("params.yaml", "duration_s: 600.0", "duration_s: 60.0")
    before = len(list(Ledger(crowd.project).records("materialization")))
    hands = [
        forked(lambda n=n: crowd.make(f"take@{SHARDS[n % 8] if n < 12 else SHARDS[0]}", force=True))
        for n in range(HANDS)
    ]
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in hands]
    assert ended == [0] * HANDS  # equal bytes: nobody is refused
    made = list(Ledger(crowd.project).records("materialization"))[before:]
    assert len(made) == HANDS
    settle(crowd)


def test_people_use_dvc_while_publishers_work(crowd, tmp_path):
    crowd.dvc("remote", "add", "-q", "-d", "local", str(tmp_path / "remote"))
    crowd.edit("params.yaml", "duration_s: 600.0", "duration_s: 60.0")
    people = [
        dvc(crowd, *command)
        for command in (("push",), ("checkout",), ("gc", "--all-commits", "-f"))
    ]
    hands = [forked(lambda n=n: crowd.make(f"take@{SHARDS[n % 8]}")) for n in range(8)]
    views = []
    while any(person.poll() is None for person in people):
        views.append(audit.verify(crowd.project))
        time.sleep(0.05)
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in hands]
    assert set(ended) <= {0, 3}
    for person in people:
        told = person.communicate()[0]
        # A checkout before anything is recorded says that there is nothing to check out yet.
        clear = ("lock", "is busy", "No file hash info found")
        assert person.returncode == 0 or any(words in told for words in clear), told
    # Every look meanwhile saw whole versions, whoever had published last.
    assert [view.render_text() for view in views if not view.ok] == []
    for shard in SHARDS:
        crowd.make(f"take@{shard}")
    settle(crowd)


def test_collecting_garbage_takes_no_version_of_the_ledger(crowd):
    key = f"take@{SHARDS[0]}"
    versions = [crowd.make(key).md5]
    for seconds in (60, 61, 62):  # superseded again and again, with no anchor asked for between
        crowd.edit("params.yaml", "duration_s: 6", f"duration_s: {seconds}")
        versions.append(crowd.make(key).md5)
    crowd.dvc("gc", "--all-commits", "-f", "-q")
    report = audit.verify(crowd.project)
    assert report.ok, report.render_text()
    assert len(set(versions)) == 4


def test_garbage_collected_between_a_death_and_its_recovery_is_stored_again(crowd):
    key = f"take@{SHARDS[0]}"
    crowd.edit("params.yaml", "duration_s: 600.0", "duration_s: 60.0")
    in_child(lambda: crowd.make(key, checkpoint=die_at("journaled")))
    crowd.dvc("gc", "--all-commits", "-f", "-q")  # knows nothing of the decided version
    settle(crowd, SHARDS[:1])


def test_garbage_collected_before_the_record_is_stored_again(crowd):
    key = f"take@{SHARDS[0]}"
    crowd.edit("params.yaml", "duration_s: 600.0", "duration_s: 60.0")

    def collect(point):
        if point == "cached":
            crowd.dvc("gc", "--all-commits", "-f", "-q")

    crowd.make(key, checkpoint=collect)
    settle(crowd, SHARDS[:1])
