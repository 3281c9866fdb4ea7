"""Stages computed by processes of another root, which share the object store alone."""

import os
import shutil
import subprocess
import sys

import pytest

from p4d.errors import ComputeError
from p4d.versioning.files.crash_points import CRASH_POINTS
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.remote.drive import DRIVER_POINTS
from p4d.versioning.remote.worker import WORKER_POINTS
from tests.versioning.fake import SHARDS, build

LABEL = f"label@{SHARDS[0]}"


@pytest.fixture(scope="module")
def made_here(tmp_path_factory):
    """Hashes of everything, made in an undisturbed project on this machine."""
    twin = build(tmp_path_factory.mktemp("twin") / "project")
    yield {key: made.md5 for key, made in twin.make_all().items()}
    twin.forget()
    sys.path.remove(str(twin.root))


def test_a_project_made_far_away_is_that_made_here(far, made_here):
    compute = far.compute()
    made = far.fake.make_all(compute=compute)
    assert not any(each.skipped for each in made.values())
    assert {key: each.md5 for key, each in made.items()} == made_here
    assert far.fake.dvc_status() == {}
    assert len(far.results()) == len(made)
    assert not list((far.scratch / "tasks").iterdir())
    record = Ledger(far.fake.project).index().latest(made["teach"].key)
    where = record["computed_on"]
    assert set(where) == {"host", "device", "cpu", "engine"}
    assert (where["engine"], where["device"]) == ("process", "cpu")
    assert record["cost"]["wall_s"] >= 0
    # An input that one worker's machine has is not downloaded again: `label` of the second shard
    # reads its own `take` and the same `teach`.
    moved = {each.name: each for each in compute.moved}
    first, second = (moved[f"label@{shard}"].worker["fetched_bytes"] for shard in SHARDS)
    assert 0 < second < first
    # The store's objects are those of DVC: a clone without a cache pulls the project from there.
    far.fake.dvc("remote", "add", "-q", "-d", "store", far.address.url)
    far.fake.dvc(
        "remote", "modify", "-q", "store", "endpointurl", far.address.options["endpointurl"]
    )
    shutil.rmtree(far.fake.root / ".dvc" / "cache")
    shutil.rmtree(far.fake.out("teach"))
    far.fake.dvc("pull", "-q", "teach")
    assert tree_of(far.fake.out("teach")).digest.md5 == made["teach"].md5


def test_an_equal_fingerprint_is_looked_up(far):
    first = far.compute()
    made = far.fake.make("teach", compute=first)
    # Another project with the same code and parameters, and a worker that would die at once.
    shutil.rmtree(far.fake.root / "data")
    (far.fake.root / "dvc.lock").unlink()
    again = far.killed_at("task_read")
    assert far.fake.make("teach", compute=again).md5 == made.md5
    assert [each.looked_up for each in (*first.moved, *again.moved)] == [False, True]
    # Another parameter is another fingerprint.
    far.fake.edit("params.yaml", "seed: 17", "seed: 18")
    with pytest.raises(ComputeError, match="ended with code -9"):
        far.fake.make("teach", compute=again)


@pytest.mark.parametrize("point", WORKER_POINTS)
def test_a_worker_that_dies_costs_its_task(far, made_here, point):
    far.fake.make(f"take@{SHARDS[0]}")
    far.fake.make("teach")
    dies = far.killed_at(point)
    with pytest.raises(ComputeError, match="nothing is torn, run it again"):
        far.fake.make(LABEL, compute=dies)
    assert not far.fake.out(LABEL).exists()
    assert len(far.results()) == (1 if point == "result_written" else 0)
    compute = far.compute()
    made = far.fake.make(LABEL, compute=compute)
    assert made.md5 == made_here[LABEL]
    assert compute.moved[0].looked_up == (point == "result_written")
    left = list((far.scratch / "tasks").iterdir())
    assert bool(left) == compute.moved[0].looked_up, "the next worker removes what a dead one left"


@pytest.mark.parametrize("point", (*DRIVER_POINTS, "journaled"))
def test_a_driver_that_dies_costs_nothing_but_time(far, made_here, point):
    assert point in (*DRIVER_POINTS, *CRASH_POINTS)
    arguments = [
        str(far.fake.root), far.fake.package, str(far.root), far.address.url,
        far.address.options["endpointurl"], "teach",
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.versioning.remote.driver", *arguments]
    died = subprocess.run(
        [*command, point], env=far.fake.environment(), capture_output=True, check=False
    )
    assert died.returncode == -9, died.stderr.decode()
    compute = far.killed_at("task_read") if point != "inputs_sent" else far.compute()
    made = far.fake.make("teach", compute=compute)
    assert made.skipped == (point == "journaled")
    assert made.md5 == made_here["teach"]
    assert [each.looked_up for each in compute.moved] == {
        "inputs_sent": [False], "journaled": [],
    }.get(point, [True])  # fmt: skip


def test_two_drivers_of_one_project_publish_one_version(far, made_here):
    arguments = [
        str(far.fake.root), far.fake.package, str(far.root), far.address.url,
        far.address.options["endpointurl"], "teach",
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.versioning.remote.driver", *arguments]
    drivers = [
        subprocess.Popen(
            command, env=far.fake.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [driver.communicate(timeout=300) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    assert {out.decode().strip() for out, _ in said} == {made_here["teach"]}
    assert far.fake.dvc_status("teach") == {}
    assert Ledger(far.fake.project).verify_chain().ok
    assert len(far.results()) == 1


def test_no_secret_leaves_the_driver(far):
    far.fake.make("teach")
    far.fake.dvc("remote", "add", "-q", "-d", "store", far.address.url)
    for name, value in (
        ("endpointurl", far.address.options["endpointurl"]), ("secret_access_key", "hunter2"),
        ("access_key_id", "me"), ("session_token", "also-secret"),
    ):  # fmt: skip
        far.fake.dvc("remote", "modify", "--local", "-q", "store", name, value)
    from p4d.versioning.remote.object_store import StoreAddress

    address = StoreAddress.of_project(far.fake.root)
    assert address == far.address
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in repr(address)
