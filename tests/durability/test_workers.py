"""Several shards at once in worker processes: the same bytes; a kill costs what it hit alone."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from p4d.versioning.files.crash_points import CRASH_POINTS
from p4d.versioning.files.hashes import tree_of
from tests.durability.toy import SHARDS, Toy

MORE = tuple(f"{n:04d}-cccccccc" for n in range(3, 7))
ALL = (*SHARDS, *MORE)


@pytest.fixture(scope="module")
def alone(made_toy, tmp_path_factory) -> Toy:
    """Made shard after shard in one process."""
    toy = made_toy.copy_to(tmp_path_factory.mktemp("alone") / "toy")
    toy.set_shards(ALL)
    toy.up()
    return toy


@pytest.fixture
def crowd(made_toy, tmp_path) -> Toy:
    """The same, not yet made, for two workers."""
    toy = made_toy.copy_to(tmp_path / "toy")
    toy.set_shards(ALL)
    (toy.root / "compute.yaml").write_text("workers: 2\n")
    return toy


def data_of(toy):
    return {p.name: tree_of(p).digest for p in (toy.root / "data").iterdir() if p.name != "ledger"}


def stale(toy):
    """Artifacts that are not fresh, by the toy's own code."""
    lines = toy.run("python", "-m", "p4d.cli", "status").stdout.splitlines()
    return {line.partition(":")[0] for line in lines if "@" in line.partition(":")[0]}


def verified(toy):
    return toy.run("python", "-m", "p4d.cli", "audit", "verify", check=False).returncode == 0


def children(pid):
    """Of all threads of a process: workers are started by the thread that has work for them."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


def command_of(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def worker_at_work(pid):
    """A worker that computes `labels`, which decodes in two processes of its own."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for child in children(pid):
            if "spawn_main" in command_of(child) and len(children(child)) >= 2:
                return child
        time.sleep(0.01)
    raise AssertionError("no worker came to labels")


def test_two_workers_make_the_same_bytes_and_one_run_of_all_shards(alone, crowd):
    done = crowd.up()
    assert "4 shards, 0003-cccccccc to 0006-cccccccc: videos, labels" in done.stderr
    assert "4 of 4 shards done" in done.stderr
    assert data_of(crowd) == data_of(alone)
    assert "Everything is fresh" in crowd.run("python", "-m", "p4d.cli", "status").stdout
    assert verified(crowd)
    assert crowd.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    assert "Nothing to do" in crowd.up().stdout


def test_a_killed_worker_costs_what_it_had_and_the_next_run_makes_it(alone, crowd):
    run = crowd.start("python", "-m", "dagster_project", "up", TOY_SLEEP_S="0.3")
    os.kill(worker_at_work(run.pid), signal.SIGKILL)
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "was ended by SIGKILL" in errors
    shards = {name.partition("@")[2] for name in stale(crowd)}
    # What the worker computed, and maybe what it published meanwhile.
    assert 1 <= len(shards) <= 2
    assert shards <= set(MORE)
    crowd.up()
    mine, theirs = data_of(crowd), data_of(alone)
    # The champion was decided without the lost shard first: its log has a line more.
    assert {**mine, "champion": None} == {**theirs, "champion": None}
    assert verified(crowd)


@pytest.mark.parametrize("settings", ["workers: 2\ncheckers: 0\n", "workers: 1\ncheckers: 1\n"])
def test_a_killed_run_leaves_no_worker_and_nothing_torn(alone, crowd, settings):
    (crowd.root / "compute.yaml").write_text(settings)
    run = crowd.start("python", "-m", "dagster_project", "up", TOY_SLEEP_S="0.3")
    workers = [worker_at_work(run.pid), *children(run.pid)]
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert verified(crowd)
    crowd.up()
    assert not list((crowd.root / ".staging").iterdir())
    assert data_of(crowd) == data_of(alone)


RECORDED = """\
import sys
import dagster as dg
from p4d.project import Project
from p4d.versioning.ledger.ledger import Ledger

with dg.DagsterInstance.get() as instance:
    ids = {run.run_id for run in instance.get_runs()}
made = [r for r in Ledger(Project.find()).records("materialization") if r["shard"] in sys.argv]
print(len(made), len({r["run_id"] for r in made}), {r["run_id"] for r in made} <= ids)
"""


def test_shards_that_were_begun_before_dagster_was_there_are_of_its_run(crowd):
    (crowd.root / "compute.yaml").write_text("checkers: 1\n")
    # Dagster's import waits until a shard was begun without it.
    waits = crowd.root / "sitecustomize.py"
    waits.write_text(
        "import sys, time\n"
        "from pathlib import Path\n\n\n"
        "class Wait:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'dagster':\n"
        "            sys.meta_path.remove(self)\n"
        f"            while not Path('data/labels/{MORE[0]}').exists():\n"
        "                time.sleep(0.01)\n\n\n"
        "if sys.orig_argv[-2:] == ['dagster_project', 'up']:\n"
        "    sys.meta_path.insert(0, Wait())\n"
    )
    done = crowd.up()
    waits.unlink()
    assert "4 of 4 shards done" in done.stderr
    assert crowd.run("python", "-c", RECORDED, *MORE).stdout.split() == ["8", "1", "True"]
    assert "Nothing to do" in crowd.up().stdout


def test_workers_that_die_at_every_point_of_publishing_tear_nothing(alone, crowd, tmp_path):
    (crowd.root / "compute.yaml").write_text("workers: 1\ncheckers: 1\n")
    (deaths := tmp_path / "deaths").mkdir()
    ended = []
    while not ended or (ended[-1].returncode and len(ended) <= len(CRASH_POINTS)):
        ended.append(
            crowd.run("python", "-m", "dagster_project", "up", check=False, TOY_CRASHES=str(deaths))
        )
    assert ended[-1].returncode == 0
    assert all("was ended by SIGKILL" in each.stderr for each in ended[:-1])
    assert {path.name for path in deaths.iterdir()} == set(CRASH_POINTS)
    mine, theirs = data_of(crowd), data_of(alone)
    # Champions were decided without the shards that were still missing.
    assert {**mine, "champion": None} == {**theirs, "champion": None}
    assert verified(crowd)
    assert not list((crowd.root / ".staging").iterdir())
    assert not (crowd.root / ".p4d" / "journal.json").exists()
    assert "Nothing to do" in crowd.up().stdout


def test_a_bad_shard_stops_itself_alone(crowd):
    path = crowd.root / "shards" / f"{MORE[1]}.json"
    path.write_text(json.dumps({"shard": MORE[1], "files": [], "text": "crash"}) + "\n")
    done = crowd.run("python", "-m", "dagster_project", "up", check=False)
    assert done.returncode == 1
    assert f"videos ({MORE[1]}): ValueError: cannot decode CRASH" in done.stderr
    assert stale(crowd) == {f"videos@{MORE[1]}", f"labels@{MORE[1]}"}
