"""Commands of an installed wheel, outside of any checkout; and a new project up to a decision."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import CHECKOUT
from benchmarks.ports import free_port
from benchmarks.trust.installed import Installed, build, install

_SERVED_S = 180
_DECISIONS = "data/champion/champions.jsonl"


def commands_outside() -> dict[str, object]:
    """Try each command with the wheel of this commit; whether it passed, and seconds."""
    with tempfile.TemporaryDirectory() as place:
        wheel = build(_committed(Path(place) / "source"), Path(place) / "wheel")
        tries = _Tries(install(wheel, Path(place) / "environment"))
        empty, root = Path(place) / "empty", Path(place) / "empty" / "corpus"
        empty.mkdir()
        for command in ("p4d --version", "p4d --help", "p4d world a.mp4 --seed 1"):
            tries.command(command, empty)
        _write_benchmark(empty / "questions", empty / "a.mp4")
        model = tries.installed.packages / "p4d" / "students" / "embedded"
        tries.command(f"p4d evaluate --benchmark questions --model {model} --out scores", empty)
        tries.command("p4d init corpus", empty)
        for command in ("p4d world inbox/a.mp4 --seed 1", "p4d land"):
            tries.command(command, root)
        shard = yaml.safe_load((root / "shards/index.yaml").read_text(encoding="utf-8"))["shards"][
            0
        ]
        for command in (
            f"p4d stage videos --shard {shard}", f"p4d stage clips --shard {shard}",
            "p4d status", "p4d sql current_versions", "p4d sql rejects", "p4d summary",
            f"p4d why clips@{shard}", "p4d audit verify", "p4d audit head",
            f"p4d audit report clips@{shard} -o report.html",
            f"p4d audit bundle clips@{shard} -o proof.zip", "python -m zipfile -e proof.zip proof",
            "python proof/verify.py", "p4d dvc-yaml --check", "python -m dvc status",
            "python -m dvc dag", "python -m dagster definitions validate",
            "python -m dagster_project sensors",
        ):  # fmt: skip
            tries.command(command, root)
        tries.server("python -m dagster_project ui --port", root)
        tries.server("python -m dagster dev --port", root)
        found = tries.found
        return {
            "wheel": {
                "bytes": wheel.stat().st_size,
                "sha256": sha256(wheel.read_bytes()).hexdigest(),
                "tried": len(found),
                "passed": sum(each["passed"] is True for each in found),
                "commands": [_shortened(each, place) for each in found],
            }
        }


def project_to_a_decision() -> dict[str, object]:
    """Make a project, run its demo with small parameters, and read the decision.

    Raises:
        RuntimeError: a command failed.
    """
    from tests.conftest import TINY

    with tempfile.TemporaryDirectory() as place:
        wheel = build(_committed(Path(place) / "source"), Path(place) / "wheel")
        installed = install(wheel, Path(place) / "environment")
        root = Path(place) / "corpus"
        installed.run("p4d", "init", "corpus", cwd=Path(place))
        params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        for section, values in TINY.items():
            params[section].update(values)
        (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        load, started, before_s = os.getloadavg()[0], time.monotonic(), _cpu_of_children_s()
        demo = ["python", "-m", "dagster_project", "demo", "--without-real-videos"]
        installed.run(*demo, cwd=root)
        wall_s, cpu_s = time.monotonic() - started, _cpu_of_children_s() - before_s
        verified = installed.run("p4d", "audit", "verify", cwd=root).stdout.strip()
        by_dvc = installed.run("python", "-m", "dvc", "status", cwd=root).stdout.strip()
        decision = json.loads((root / _DECISIONS).read_text(encoding="utf-8").splitlines()[-1])
        return {
            "init": {
                "demo": " ".join(demo),
                "wall_s": round(wall_s, 1),
                "cpu_s": round(cpu_s, 1),
                "load_before": round(load, 1),
                "p4d": installed.run("p4d", "--version", cwd=root).stdout.split()[-1],
                "distributions_named": _distributions(root),
                "versions": _versions(root),
                "p4d_status": installed.run("p4d", "status", cwd=root).stdout.strip(),
                "dvc_status": by_dvc,
                "audit_verify": verified.partition(",")[0],
                "decision": {key: decision[key] for key in ("key", "decision", "reasons")},
            }
        }


class _Tries:
    """Runs commands of an environment and notes whether each passed."""

    def __init__(self, installed: Installed) -> None:
        self.installed = installed
        self.found: list[dict[str, Any]] = []

    def command(self, line: str, cwd: Path) -> None:
        """Run a command to its end; it passes with exit status 0."""
        started = time.monotonic()
        done = self.installed.run(*line.split(), cwd=cwd, status=None)
        self._note(line, done.returncode == 0, started, done.stderr or done.stdout)

    def server(self, line: str, cwd: Path) -> None:
        """Start a server on a free port; it passes when it lists the code location's assets."""
        port = free_port()
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as said:
            process = self.installed.start(*line.split(), str(port), cwd=cwd, output=said)
            try:
                assets = _served_assets(process, port)
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            said.seek(0)
            self._note(f"{line} PORT", len(assets) >= 15, started, said.read())

    def _note(self, line: str, passed: bool, started: float, said: str) -> None:
        entry: dict[str, Any] = {"command": line, "passed": passed}
        entry["wall_s"] = round(time.monotonic() - started, 1)
        if not passed:
            entry["said"] = said[-500:]
        self.found.append(entry)


def _served_assets(process: subprocess.Popen[str], port: int) -> Sequence[object]:
    """The assets that a webserver lists; empty if it ended or took too long."""
    query = json.dumps({"query": "{ assetNodes { id } }"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"}
    )
    until = time.monotonic() + _SERVED_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                nodes = json.load(answer)["data"]["assetNodes"]
        except OSError:
            nodes = []
        if nodes:
            return list(nodes)
        time.sleep(0.5)
    return []


def _committed(folder: Path) -> Path:
    """The tree of the current commit: what is measured is what is named."""
    folder.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "archive", "HEAD"], cwd=CHECKOUT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=listed.stdout, check=True)
    return folder


def _write_benchmark(folder: Path, video: Path) -> None:
    """One question in the files of VLM4D."""
    record = {
        "id": "1", "video": f"videos/{video.name}", "question_type": "multiple-choice",
        "question": "Which way does the camera move?", "answer": "left",
        "choices": {"A": "left", "B": "right", "C": "up", "D": "down"},
    }  # fmt: skip
    (folder / "videos").mkdir(parents=True)
    (folder / "real_mc.json").write_text(json.dumps([record]), encoding="utf-8")
    (folder / "videos" / video.name).write_bytes(video.read_bytes())


def _shortened(entry: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Without the folder of this run, which differs each time."""
    return {
        key: value.replace(place, "") if isinstance(value, str) else value
        for key, value in entry.items()
    }


def _materializations(root: Path) -> list[dict[str, Any]]:
    lines = (root / "data/ledger/ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [r for r in map(json.loads, lines) if r["kind"] == "materialization"]


def _distributions(root: Path) -> list[str]:
    """Every distribution that the ledger names as the code of a version."""
    found = {
        (r["package"]["version"], r["package"]["distribution"]) for r in _materializations(root)
    }
    return [f"{version} {digest}" for version, digest in sorted(found)]


def _cpu_of_children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _versions(root: Path) -> int:
    return len({(r["stage"], r["shard"], r["md5"]) for r in _materializations(root)})
