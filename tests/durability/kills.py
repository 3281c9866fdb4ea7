"""Kill runs at random points, start again, and compare the end with an undisturbed twin.

What runs: `python -m dagster_project up` of a toy checkout (see `toy`), forked from a process that
has imported it already, with a real Dagster instance on SQLite, real DVC files and worker
processes; and now and then a real `dvc repro`. In every episode both checkouts get the same change;
one runs in peace, the other is killed several times before it is let finish. Kills are SIGKILLs: of
the whole process tree or of one worker at a random moment, or of the publisher at one of its crash
points. Every choice comes from the seed; moments depend on the machine's speed as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zc.lockfile
from filelock import FileLock, Timeout

from p4d.versioning.files.crash_points import CRASH_POINTS
from p4d.versioning.files.hashes import tree_of, walk_files
from tests.durability.toy import SHARDS, Toy, build, kill_tree

SERVER = Path(__file__).with_name("server.py")
BEFORE_ANCHOR = "before_anchor"
"""A crash point of `server.up`, beside those of the publisher: all is made and nothing anchored."""


class Server:
    """A process in a checkout that runs commands in forked children."""

    def __init__(self, toy: Toy, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self.toy = toy
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(scratch)], cwd=toy.root, env=toy.environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        while (line := self._read()) != "ready\n":
            assert line, "the server did not start"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def start(self, do: str, environment: dict[str, str] | None = None, **more: Any) -> Child:
        told = self._ask({"do": do, "environment": environment or {}, **more})
        return Child(self, told["pid"], Path(told["answer"]))

    def run(self, do: str, environment: dict[str, str] | None = None, **more: Any) -> Any:
        child = self.start(do, environment, **more)
        status = child.wait()
        assert status == 0, f"{do} ended with {status}\n{child.log()}"
        return json.loads(child.answer.read_text())

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._read())


@dataclass(frozen=True)
class Child:
    """A command that runs."""

    server: Server
    pid: int
    answer: Path

    def wait(self) -> int:
        """Its exit status, or minus the signal that ended it."""
        return self.server._ask({"wait": self.pid})["status"]

    def log(self) -> str:
        """What it printed."""
        return self.answer.with_name(self.answer.name + ".log").read_text()

    def kill_tree(self) -> None:
        """SIGKILL it and all its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def workers(self) -> list[int]:
        """Process ids of its children, and of theirs."""
        found, todo = [], [self.pid]
        while todo:
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{todo[0]}/task/{todo[0]}/children").read_text()
                found += (new := [int(pid) for pid in text.split()])
                todo += new
            todo.pop(0)
        return found


@dataclass
class Tally:
    """What a series of kills did.

    Attributes:
        kills: processes that a SIGKILL really ended.
        by_kind: the same, by kind of kill.
        torn: artifacts, dvc.lock or ledger found half written, after all was done.
        lost: versions of the undisturbed twin that are missing.
        events_lost: published versions that Dagster never heard of.
        recovered: times that the log tells of a recovery, by its words.
        problems: everything else that was not as in the twin, in words.
    """

    kills: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    lost: int = 0
    events_lost: int = 0
    byte_equal: bool = True
    episodes: int = 0
    recovered: Counter[str] = field(default_factory=Counter)
    reconciled: int = 0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "kills": self.kills, "kills_by_kind": dict(sorted(self.by_kind.items())),
            "episodes": self.episodes, "torn": self.torn, "lost": self.lost,
            "events_lost": self.events_lost, "byte_equal": self.byte_equal,
            "recoveries": dict(sorted(self.recovered.items())),
            "reconciled_versions": self.reconciled, "problems": self.problems,
        }  # fmt: skip


def change(toy: Toy, episode: int, rng: np.random.Generator) -> None:
    """Give the next run something to do; the same for both twins, as the seed is."""
    choice = rng.integers(4)
    if episode == 0:
        return  # the first run makes everything
    params = toy.root / "params.yaml"
    if choice == 0:
        new = f"{toy.project.shards()[0]}-{episode}"
        for_shard = toy.root / "shards" / f"{toy.project.shards()[0]}.json"
        manifest = json.loads(for_shard.read_text())
        for_shard.write_text(json.dumps({**manifest, "text": f"text {new}"}) + "\n")
    elif choice == 1 and len(toy.project.shards()) < 6:
        toy.set_shards([*toy.project.shards(), f"{episode + 3:04d}-cccccccc"])
    else:
        import re

        text = params.read_text()
        section = re.search(r"^expert:\n(?:  .*\n|\n)*?  seed: (\d+)", text, flags=re.M)
        assert section
        start, end = section.span(1)
        params.write_text(text[:start] + str(1000 + episode) + text[end:])


def run_kills(
    folder: Path,
    kills: int,
    seed: int,
    *,
    per_episode: int = 4,
    repro_every: int = 8,
    progress: Any = lambda tally: None,
) -> Tally:
    """Kill until `kills` processes died, and say what was found.

    Args:
        folder: an empty folder; both checkouts are made there.
        kills: how many SIGKILLs must have ended something.
        seed: of all choices.
        per_episode: how many runs are killed between two changes.
        repro_every: every so many kills one hits a `dvc repro` instead; 0: none.
        progress: called with the tally after each episode.
    """
    tally, rng = Tally(), np.random.default_rng(seed)
    killed = build(folder / "killed", SHARDS)
    calm = killed.copy_to(folder / "calm")
    with (
        Server(killed, folder / "answers-killed") as rough,
        Server(calm, folder / "answers-calm") as gentle,
    ):
        wall_s = 2.0
        while tally.kills < kills:
            for toy in (killed, calm):
                change(toy, tally.episodes, np.random.default_rng([seed, tally.episodes]))
            started = time.monotonic()
            gentle.run("up")
            wall_s = time.monotonic() - started
            for _ in range(per_episode):
                if tally.kills >= kills:
                    break
                if repro_every and (tally.kills + 1) % repro_every == 0:
                    _kill_repro(killed, rng, wall_s, tally)
                else:
                    _kill_up(rough, rng, wall_s, tally)
            child = rough.start("up")
            status = child.wait()
            log = child.log()
            _read_log(log, tally)
            if status:
                tally.problems.append(f"episode {tally.episodes}: the last run failed: {log}")
            _compare(killed, calm, rough.run("facts"), gentle.run("facts"), tally)
            tally.episodes += 1
            progress(tally)
    return tally


def _kill_up(server: Server, rng: np.random.Generator, wall_s: float, tally: Tally) -> None:
    kind = str(rng.choice(["tree", "tree", "main", "worker", "crash point", "crash point"]))
    if kind == "crash point":
        point = str(rng.choice([*CRASH_POINTS, BEFORE_ANCHOR]))
        nth = 1 if point == BEFORE_ANCHOR else int(rng.integers(1, 4))
        child = server.start("up", checkpoint=point, nth=nth)
        kind = f"crash point {point}"
    else:
        child = server.start("up", environment={"TOY_SLEEP_S": "0.05"})
        _wait(child, rng.uniform(0, wall_s) if kind != "worker" else 0)
        if kind == "tree":
            child.kill_tree()
        elif kind == "main":
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        else:
            deadline = time.monotonic() + wall_s
            skipped = int(rng.integers(0, 3))  # not always the first worker
            while time.monotonic() < deadline:
                workers = child.workers()
                if workers:
                    if not skipped:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(workers[int(rng.integers(len(workers)))], signal.SIGKILL)
                            tally.kills += 1
                            tally.by_kind["worker"] += 1
                        break
                    skipped -= 1
                    time.sleep(0.05)
                time.sleep(0.005)
    status = child.wait()
    if status == -signal.SIGKILL:
        tally.kills += 1
        tally.by_kind[kind] += 1
    _read_log(child.log(), tally)


def _wait(child: Child, delay_s: float) -> None:
    deadline = time.monotonic() + delay_s
    while time.monotonic() < deadline and Path(f"/proc/{child.pid}").exists():
        time.sleep(0.002)


def _kill_repro(toy: Toy, rng: np.random.Generator, wall_s: float, tally: Tally) -> None:
    started = toy.start("dvc", "repro")
    time.sleep(rng.uniform(1.0, 6.0 + wall_s))
    if started.poll() is None:
        tally.kills += 1
        tally.by_kind["dvc repro tree"] += 1
    kill_tree(started)


def _read_log(log: str, tally: Tally) -> None:
    for line in log.splitlines():
        if "recovery: " in line:
            words = line.split("recovery: ")[1].split()
            tally.recovered[" ".join(words[:2]).rstrip(":")] += 1
        if line.startswith("New to Dagster: "):
            tally.reconciled += int(line.split()[3])


def _compare(
    killed: Toy, calm: Toy, facts: dict[str, Any], twin: dict[str, Any], tally: Tally
) -> None:
    def problem(text: str) -> None:
        tally.problems.append(f"episode {tally.episodes}: {text}")

    ours, theirs = (_artifacts(toy) for toy in (killed, calm))
    if ours != theirs:
        tally.byte_equal = False
        problem(
            f"bytes differ: {sorted(k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k))}"
        )
    if _lock_entries(killed) != _lock_entries(calm):
        problem("dvc.lock differs")
    if not facts["verified"]:
        tally.torn += 1
        problem(facts["verify_text"])
    made, made_calm = (sorted(set(map(tuple, each["made"]))) for each in (facts, twin))
    # Where a kill separates two changes, a version of the twin may never have been asked for;
    # in one episode both are asked for the same.
    missing = [version for version in made_calm if version not in made]
    tally.lost += len(missing)
    if missing:
        problem(f"versions lost: {missing}")
    repeated = _repeated(facts)
    # A `dvc repro` killed before DVC wrote down what its stage had published makes that again: the
    # same bytes, twice on record. Nothing else may.
    allowed = tally.by_kind["dvc repro tree"]
    if len(repeated) > allowed and not _repeated(twin):
        problem(f"published twice: {repeated}")
    silent = [v for v in made if f"md5:{v[1]}" not in facts["heard"].get(v[0], [])]
    tally.events_lost += len(silent) + len(facts["unreported"])
    if silent or facts["unreported"]:
        problem(f"Dagster has no record of {silent} {facts['unreported']}")
    for what in ("not_fresh", "hanging_runs", "occupied_slots"):
        if facts[what]:
            problem(f"{what}: {facts[what]}")
    for text in (*_dvc_problems(killed), *_leftovers(killed)):
        problem(text)


def _repeated(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    return [version for version, n in Counter(map(tuple, facts["made"])).items() if n > 1]


def _artifacts(toy: Toy) -> dict[str, str]:
    data = toy.root / "data"
    return {
        f"{path.name}/{name}": digest.md5
        for path in sorted(data.iterdir())
        if path.name != "ledger"
        for name, digest in tree_of(path).files.items()
    }


def _lock_entries(toy: Toy) -> dict[str, Any]:
    import yaml

    return yaml.safe_load((toy.root / "dvc.lock").read_text())["stages"]


def _dvc_problems(toy: Toy) -> list[str]:
    done = toy.run("dvc", "status", "--json", check=False)
    if done.returncode or json.loads(done.stdout):
        return [f"dvc status: {done.stdout} {done.stderr}"]
    return []


def _leftovers(toy: Toy) -> list[str]:
    """Locks that are still held, and files that no living process needs."""
    found = []
    try:
        FileLock(toy.project.state / "lock").acquire(timeout=0).lock.release()
    except Timeout:
        found.append("the project lock is still held")
    try:
        zc.lockfile.LockFile(str(toy.root / ".dvc" / "tmp" / "lock")).close()
    except zc.lockfile.LockError:
        found.append("DVC's lock is still held")
    if (toy.project.state / "journal.json").exists():
        found.append("a journal is left")
    staged = list((toy.root / ".staging").iterdir())
    if staged:
        found.append(f"staging is left: {staged}")
    if (toy.root / ".git" / "refs" / "heads" / "p4d-ledger.lock").exists():
        found.append("git's lock of the ledger branch is left")
    hidden = [n for n, _ in walk_files(toy.root / "data") if Path(n).name.startswith(".")]
    if hidden:
        found.append(f"unfinished files: {hidden}")
    return found
