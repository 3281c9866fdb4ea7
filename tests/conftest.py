"""Fixtures of more than one area: an object store, and a tiny project that ran the whole flow."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from dagster_project.demo import ensure_history
from tests.versioning.s3_server import BUCKET, s3_bucket, s3_endpoint
from tests.workers import OneWorkerForProcesses

ROOT = Path(__file__).resolve().parent.parent

# Before torch is loaded: two workers on two cores have more threads than cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# `p4d` is compiled once, and not by every process that a test starts: half a second of each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish():
    """From here on, tests import modules that they edit within the second of a module's time."""
    sys.dont_write_bytecode = True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return OneWorkerForProcesses(config, log)


TINY = {
    "worlds": {"videos": 8, "size_px": 96, "duration_s": 4.0},
    "landing": {"max_clips_per_shard": 8},
    "expert": {
        "checkpoint": "",
        "worlds": 8,
        "holdout_worlds": 2,
        "width": 32,
        "steps": 6,
        "batch": 4,
    },
    "student": {
        "checkpoint": "",
        "vision_width": 32,
        "vision_blocks": 1,
        "text_width": 64,
        "text_blocks": 2,
    },
    "training": {"steps": 4, "batch": 2, "questions_per_clip": 3},
    "distillation": {"hidden_width": 32, "maps_every": 1, "until_fraction": 1.0},
    "evaluation": {"bootstrap_samples": 100},
}


@dataclass(frozen=True)
class Checkout:
    """A copy of this repository with its own data, parameters and history."""

    root: Path

    def run(self, *command, check=True, **environment):
        """Run a command of the environment in this checkout; returns the finished process."""
        env = {
            k: v for k, v in os.environ.items() if not k.startswith(("P4D_", "DAGSTER_", "DVC_"))
        }
        env |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
            "DAGSTER_HOME": str(self.root / ".dagster"),
            "P4D_ROOT": str(self.root),
            "PYTHONPATH": str(self.root),
            **environment,
        }
        done = subprocess.run(
            command, cwd=self.root, env=env, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(
                f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def set_params(self, **sections):
        """Change keys of params.yaml in place."""
        path = self.root / "params.yaml"
        raw = yaml.safe_load(path.read_text())
        for section, values in sections.items():
            raw[section].update(values)
        path.write_text(yaml.safe_dump(raw, sort_keys=False))


def make_checkout(folder):
    """Copy the files git would know, commit them, and shrink the parameters."""
    ensure_history(ROOT)
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith("shards/") and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)  # links of .code
    (folder / "shards").mkdir()
    (folder / "shards" / "index.yaml").write_text("shards: []\n")
    checkout = Checkout(folder)
    checkout.set_params(**TINY)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    checkout.run("git", "init", "--quiet", "--initial-branch=main")
    checkout.run("git", "add", "--all")
    checkout.run("git", *identity, "commit", "--quiet", "--message=as copied")
    return checkout


@pytest.fixture(scope="session")
def endpoint():
    """Address of an S3 interface on this machine."""
    with s3_endpoint() as address:
        yield address


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """An empty bucket there, named `BUCKET`."""
    with s3_bucket(endpoint, BUCKET, monkeypatch) as store:
        yield store


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory):
    """The finished process of one tiny demo, and its checkout. Treat the checkout as read-only."""
    checkout = make_checkout(tmp_path_factory.mktemp("demo"))
    done = checkout.run("python", "-m", "dagster_project", "demo", "--without-real-videos")
    return checkout, done


@pytest.fixture(scope="session")
def demo_checkout(demo_run):
    """The checkout of the tiny demo; read-only."""
    return demo_run[0]


@pytest.fixture
def own_checkout(demo_checkout, tmp_path):
    """A copy of the finished tiny demo that a test may change."""
    root = tmp_path / "checkout"
    shutil.copytree(demo_checkout.root, root, symlinks=True)
    return Checkout(root)
