"""A checkout with the product's own versioning and orchestration, and five trivial stages.

Publisher, DVC files, Dagster definitions, sensors and command line are the repository's, byte for
byte; only the stage table, the stage functions, the asset bodies and the gates are replaced, so
that a whole run takes seconds and thousands of kills, edits and races can be tried.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.project import Project

REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = (
    "p4d",
    "dagster_project",
    "sql",
    "dagster.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
)
SHARDS = ("0001-aaaaaaaa", "0002-bbbbbbbb")

TABLE = """\
STAGES: tuple[Stage, ...] = (
    Stage(name="videos", group="ingest", entry="p4d.toy.videos:make", description="Sources.",
          params=("landing",), per_shard=True, manifest=True),
    Stage(name="expert", group="teacher", entry="p4d.toy.expert:make", description="A teacher.",
          params=("expert",)),
    Stage(name="labels", group="labels", entry="p4d.toy.labels:make", description="By workers.",
          inputs=("videos", "expert"), params=("labels",), per_shard=True),
    Stage(name="release", group="release", entry="p4d.toy.release:make", description="All shards.",
          inputs=("labels",), params=("release",)),
    Stage(name="champion", group="evaluation", entry="p4d.toy.champion:make",
          description="Appends.", inputs=("release",), params=("promotion",),
          previous="required"),
)

"""

STEP = """\
from p4d.toy.writing import {function}

VERSION = 1


def make(inputs, out):
    return {function}(inputs, out, VERSION)
"""

WRITING = '''\
"""What the trivial stages write: text that depends on everything they may read."""

import hashlib
import json
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from contextvars import ContextVar
from multiprocessing import get_context, parent_process
from pathlib import Path

from p4d.pipeline import StageReport
from p4d.versioning.files import crash_points
from p4d.workers import end_with_parent


def _die_once(point):
    """`TOY_CRASHES=FOLDER`: at each crash point the first worker process that reaches it dies."""
    if parent_process() is None:
        return
    try:
        (Path(os.environ["TOY_CRASHES"]) / point).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


if "TOY_CRASHES" in os.environ:  # in the processes that make artifacts: they import this
    crash_points._observer = ContextVar("of all threads", default=_die_once)


def _read(inputs):
    parts = []
    for name in inputs.stage.inputs:
        found = inputs.folders[name]
        folders = [found] if isinstance(found, Path) else list(found.values())
        for folder in folders:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                digest = hashlib.md5(path.read_bytes()).hexdigest()
                text = path.read_text() if path.suffix == ".txt" else ""
                bad = "".join(f" {word}" for word in ("BAD", "ODD") if word in text)
                parts.append(f"{path.relative_to(folder)} {digest}{bad}")
    return parts


def _pause(inputs):
    """`TOY_PAUSE=STAGE:FOLDER`: say `began` there, and go on when there is `go`."""
    name, _, folder = os.environ.get("TOY_PAUSE", "").partition(":")
    if name == inputs.stage.name:
        place = Path(folder)
        (place / "began").write_text(inputs.shard or "")
        while not (place / "go").exists():
            time.sleep(0.01)
    time.sleep(float(os.environ.get("TOY_SLEEP_S", "0")))


def _text(inputs, version):
    sections = {name: repr(inputs.params(name)) for name in inputs.stage.params}
    said = (inputs.manifest or {}).get("text", "").upper()
    if "CRASH" in said:
        raise ValueError(f"cannot decode {said}")
    content = [f"{inputs.stage.name} {inputs.shard} version {version}", said, json.dumps(sections)]
    return "\\n".join([*content, *_read(inputs), *sorted(inputs.excluded)]) + "\\n"


def write(inputs, out, version):
    text = _text(inputs, version)
    (out / "content.txt").write_text(text)
    _pause(inputs)
    (out / "deeper").mkdir()
    (out / "deeper" / "bulk.bin").write_bytes(hashlib.sha256(text.encode()).digest() * 2000)
    (out / "weights.safetensors").write_text(hashlib.sha256(text.encode()).hexdigest())
    if inputs.excluded:
        (out / "excluded.json").write_text(json.dumps(dict(inputs.excluded), sort_keys=True))
    return StageReport(rows={"ok": 1}, metrics={"length": len(text)})


def part(path, text):
    time.sleep(float(os.environ.get("TOY_SLEEP_S", "0")))
    Path(path).write_bytes(hashlib.sha256(text.encode()).digest() * 500)


def write_by_workers(inputs, out, version):
    text = _text(inputs, version)
    _pause(inputs)
    context = get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context, initializer=end_with_parent) as pool:
        jobs = [pool.submit(part, str(out / f"part-{n}.bin"), f"{n} {text}") for n in range(4)]
        [job.result() for job in jobs]
    (out / "content.txt").write_text(text)
    return StageReport(rows={"ok": 4})


def append(inputs, out, version):
    past = (inputs.previous / "log.txt").read_text() if inputs.previous else ""
    line = hashlib.sha256(_text(inputs, version).encode()).hexdigest()
    _pause(inputs)
    (out / "log.txt").write_text(past + line + "\\n")
    return StageReport()
'''

GATES = '''\
"""Gates of the trivial stages: what says BAD is blocked, what says ODD is warned of."""

from dataclasses import dataclass

from p4d.quality.results import CheckResult


WORD = "BAD"


@dataclass(frozen=True)
class Gate:
    name: str
    word: str = WORD
    blocking: bool = True

    @property
    def description(self):
        return f"Nothing says {self.word}."


GATES = {
    "labels": (Gate("labels_are_good"), Gate("labels_are_usual", "ODD", blocking=False)),
    "release": (Gate("release_is_good"),),
}


def blocking_gates():
    return {
        stage: tuple(gate.name for gate in gates if gate.blocking) for stage, gates in GATES.items()
    }


def check_folders(stage, folders):
    raise NotImplementedError


def check_artifact(project, stage, shard=None, only=None):
    if stage not in GATES:
        return []
    folder = project.data / stage / (shard or "")
    text = (folder / "content.txt").read_text()
    return [
        CheckResult(
            name=gate.name,
            passed=gate.word not in text,
            severity="critical" if gate.blocking else "warning",
            description=gate.description,
            metrics={"words": text.count(gate.word)},
        )
        for gate in GATES[stage]
        if only is None or gate.name in only
    ]
'''

ASSETS = """\
import dagster as dg

from dagster_project.resources import StageConfig, StageRunner
from dagster_project.shards.stage import ShardRun, shard_stage
from dagster_project.stage_assets import stage_asset
from p4d.versioning.run.run_stage import Materialization
"""
SHARD_ASSET = """

@shard_stage("{name}")
def {name}(run: ShardRun) -> Materialization:
    return run.make()
"""
ASSET = """

@stage_asset("{name}")
def {name}(
    context: dg.AssetExecutionContext, config: StageConfig, stage_runner: StageRunner
) -> dg.MaterializeResult:
    return stage_runner.materialize(context, config)
"""
VIEWS = "PICTURES = {}\nTABLES = {}\n"

FUNCTIONS = {
    "videos": "write", "expert": "write", "labels": "write_by_workers", "release": "write",
    "champion": "append",
}  # fmt: skip
PER_SHARD = ("videos", "labels")


@dataclass(frozen=True)
class Toy:
    """A checkout of trivial stages."""

    root: Path

    @property
    def project(self) -> Project:
        return Project(self.root)

    def environment(self, **more: str) -> dict[str, str]:
        """Of every process in this checkout: its own code, its own Dagster, its own DVC state."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("P4D_", "DAGSTER_", "DVC_"))
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        own = {
            f"DVC_{name}_DIR": str(self.root / ".dvc" / "own" / name.lower())
            for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")
        }
        return {
            **kept, **own, "PATH": path, "PYTHONPATH": str(self.root), "P4D_ROOT": str(self.root),
            "DAGSTER_HOME": str(self.root / ".dagster"), "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1", **more,
        }  # fmt: skip

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment(**environment), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(
        self, *command: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        started = self.start(*command, **environment)
        out, err = started.communicate(timeout=600)
        if check and started.returncode:
            raise AssertionError(f"{command} ended with {started.returncode}\n{out}\n{err}")
        return subprocess.CompletedProcess(command, started.returncode, out, err)

    def up(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Bring everything up to date through Dagster, as a user does."""
        return self.run("python", "-m", "dagster_project", "up", **environment)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert old in text, (path, old)
        before = file.stat().st_mtime
        file.write_text(text.replace(old, new))
        # Python compares a compiled module by whole seconds; nobody edits twice within one.
        later = max(file.stat().st_mtime, before + 1)
        os.utime(file, (later, later))

    def set_shards(self, shards: Sequence[str]) -> None:
        """Make `shards` the closed ones; a new one says its own name, a dropped one goes."""
        folder = self.root / "shards"
        folder.mkdir(exist_ok=True)
        for path in folder.glob("*.json"):
            if path.stem not in shards:
                path.unlink()
        for shard in shards:
            path = folder / f"{shard}.json"
            if not path.exists():
                manifest = {"shard": shard, "files": [], "text": f"text of {shard}"}
                path.write_text(json.dumps(manifest) + "\n")
        lines = "".join(f"- {shard}\n" for shard in shards)
        (folder / "index.yaml").write_text(f"shards:\n{lines}" if lines else "shards: []\n")

    def copy_to(self, root: Path) -> Toy:
        shutil.copytree(self.root, root, symlinks=True)
        return Toy(root)

    def git(self, *arguments: str) -> str:
        return self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments).stdout


def build(root: Path, shards: Sequence[str] = SHARDS) -> Toy:
    """Make a checkout of trivial stages below `root`, with a git history."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        source, target = REPOSITORY / name, root / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    table = root / "p4d" / "pipeline" / "table.py"
    text = table.read_text()
    replaced = re.sub(r"STAGES: tuple\[Stage, \.\.\.\] = \(.*?\n\)\n\n?", TABLE, text, flags=re.S)
    assert replaced != text
    table.write_text(replaced)
    (root / "p4d" / "quality" / "gates.py").write_text(GATES)
    steps = root / "p4d" / "toy"
    steps.mkdir()
    (steps / "__init__.py").write_text("")
    (steps / "writing.py").write_text(WRITING)
    for name, function in FUNCTIONS.items():
        (steps / f"{name}.py").write_text(STEP.format(function=function))
    assets = root / "assets"
    assets.mkdir()
    (assets / "__init__.py").write_text("")
    (root / "p4d" / "display" / "stage_views.py").write_text(VIEWS)
    bodies = [(SHARD_ASSET if n in PER_SHARD else ASSET).format(name=n) for n in FUNCTIONS]
    (assets / "toy.py").write_text(ASSETS + "".join(bodies))
    # A test that says nothing else has everything in one process, with its crash points.
    (root / "compute.yaml").write_text("checkers: 0\n")
    toy = Toy(root)
    toy.set_shards(shards)
    (root / "dvc.yaml").touch()  # makes the folder a project; the command writes it
    toy.run("python", "-m", "p4d.cli", "dvc-yaml")
    toy.git("init", "-q", "-b", "main")
    toy.git("add", "-A")
    toy.git("commit", "-q", "-m", "start")
    return toy


def kill_tree(started: subprocess.Popen[str]) -> None:
    """SIGKILL the whole process group of `started`."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    for stream in (started.stdout, started.stderr):
        if stream:
            stream.close()
