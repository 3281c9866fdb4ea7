"""Kills everything at random, again and again, and compares the end with an undisturbed run.

What runs: `python -m dagster_project up` in a checkout of trivial stages (tests/durability/toy.py)
with the product's own versioning and orchestration, on Ray nodes over S3, with Dagster on
PostgreSQL. What is killed, by SIGKILL: a worker process, a whole node, the driver, the object
store, the database. Servers come back with their data, a node is replaced by a new one, a driver is
started again. In the end a twin of the checkout is made alone, on this machine.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cluster.demo import artifacts, differences
from benchmarks.cluster.farm import Farm, farm, run_in
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.ledger.ledger import Ledger
from tests.durability.toy import Toy, build

SHARDS = tuple(f"{number:04d}-aaaaaaaa" for number in range(1, 7))
KINDS = ("worker", "node", "driver", "store", "database")
PAUSE_S = (0.2, 2.0)
STAGE_S = "0.8"
"""How long each trivial stage sleeps, so that kills meet it."""
UP_S = 3600.0


@dataclass
class Tally:
    """What happened.

    Attributes:
        kills: by kind, processes that really ended by it.
        ups: drivers started, those that ended well, and those of them that had been disturbed.
        runs: Dagster runs on PostgreSQL.
        torn: files or chains found damaged after a kill.
    """

    kills: Counter[str] = field(default_factory=Counter)
    ups: Counter[str] = field(default_factory=Counter)
    torn: list[str] = field(default_factory=list)


def kill_everything(folder: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """Run until so many kills are done; returns figures of `scale.json`: `kills`."""
    toy = build(folder / "toy", SHARDS)
    twin = toy.copy_to(folder / "twin")
    chance, tally = random.Random(seed), Tally()
    with farm(folder / "farm", toy.root, TOY_SLEEP_S=STAGE_S) as around:
        around.configure(workers=3)
        episode = 0
        while sum(tally.kills.values()) < kills:
            episode += 1
            for checkout in (toy, twin):
                _edit(checkout, episode)
            _disturbed(around, toy, tally, chance, kills)
            _audit(toy, around, tally)
            print(f"episode {episode}: {dict(tally.kills)} {dict(tally.ups)}", flush=True)
        database = _database_figures(around)
        lost = _lost(toy)
    twin.up()
    different = differences(twin.root, toy.root)
    return {
        "kills": {
            "kinds": dict(sorted(tally.kills.items())),
            "kills": sum(tally.kills.values()),
            "episodes": episode,
            "drivers": dict(tally.ups),
            "torn": len(tally.torn),
            "lost": len(lost),
            "byte_equal": not different,
            "files": len(artifacts(toy.root)),
            "database": database,
            "seed": seed,
            "command": f"{Path(sys.executable).name} -m benchmarks.cluster kills",
        }
    }


def _edit(checkout: Toy, episode: int) -> None:
    """Another seed of the expert: it and all labels are stale."""
    path = checkout.root / "params.yaml"
    head, _, rest = path.read_text(encoding="utf-8").partition("\nexpert:")
    before, _, after = rest.partition("  seed: ")
    number, _, tail = after.partition("\n")
    del number
    path.write_text(f"{head}\nexpert:{before}  seed: {1000 + episode}\n{tail}", encoding="utf-8")


def _disturbed(around: Farm, toy: Toy, tally: Tally, chance: random.Random, kills: int) -> None:
    """Bring the checkout up to date although things are killed meanwhile."""
    deadline = time.monotonic() + UP_S
    driver, disturbed = _start(around, tally), False
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = driver.wait(timeout=chance.uniform(*PAUSE_S))
            if code == 0:
                tally.ups["ended well"] += 1
                return
            tally.ups["failed, started again"] += disturbed
            driver, disturbed = _start(around, tally), False
            continue
        if (done := sum(tally.kills.values())) >= kills:
            continue
        if done and done % 10 == 0:
            print(f"{done} kills: {dict(tally.kills)}", flush=True)
        kind = chance.choice(KINDS)
        if kind == "driver":
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()
            tally.kills[kind] += 1
            driver, disturbed = _start(around, tally), False
        elif _kill(kind, around, chance):
            tally.kills[kind] += 1
            disturbed = True
    driver.kill()
    raise RuntimeError(f"not up to date after {UP_S:.0f} s")


def _start(around: Farm, tally: Tally) -> subprocess.Popen[bytes]:
    tally.ups["started"] += 1
    with (around.root.parent / "drivers.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dagster_project", "up"],
            cwd=around.root,
            stdout=log,
            stderr=log,
            env=around.environment(),
            start_new_session=True,
        )


_next_node = 100


def _kill(kind: str, around: Farm, chance: random.Random) -> bool:
    """Kill something that is no driver, and let it come back; False if there was none."""
    global _next_node
    if kind == "worker":
        found = _worker_processes(around)
        if not found:
            return False
        os.kill(chance.choice(found), signal.SIGKILL)
    elif kind == "node":
        around.ray.kill(chance.choice(sorted(around.ray.nodes)))
        _next_node += 1
        around.ray.add(_next_node)
    else:
        server = around.store if kind == "store" else around.database
        server.kill()
        time.sleep(chance.uniform(0.0, 1.5))
        server.start()
    return True


def _worker_processes(around: Farm) -> list[int]:
    """Worker processes of this cluster's nodes: Ray names them `ray::...`."""
    mark = f"P4D_WORKER_SCRATCH={around.ray.root}".encode()
    found = []
    for home in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (home / "cmdline").read_bytes().startswith(b"ray::") and mark in (
                home / "environ"
            ).read_bytes():
                found.append(int(home.name))
    return found


def _audit(toy: Toy, around: Farm, tally: Tally) -> None:
    """Every file is what dvc.lock and the ledger say, after an episode of kills."""
    chain = Ledger(toy.project).verify_chain()
    tally.torn += chain.faults
    status = run_in(toy.root, "-m", "dvc", "status", "--quiet", environment=around.environment())
    tally.torn += [status] if status.strip() else []


def _lost(toy: Toy) -> list[str]:
    """Versions that the ledger names and the cache no longer holds, or holds with other bytes."""
    cache, lost = toy.root / ".dvc" / "cache" / "files" / "md5", []
    for record in Ledger(toy.project).records("materialization"):
        md5 = record["md5"]
        if not (cache / md5[:2] / md5[2:]).is_file():
            lost.append(f"{record['path']} {md5}")
    for folder in (toy.root / "data").glob("*/"):
        if folder.name != "ledger" and any(folder.iterdir()):
            tree_of(folder)
    return lost


def _database_figures(around: Farm) -> dict[str, Any]:
    """What the database holds: runs by their status."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(around.database_url)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT status, count(*) FROM runs GROUP BY status")
        by_status = dict(cursor.fetchall())
    return {"runs": sum(by_status.values()), "by_status": by_status}
