"""A checkout whose stages run on a Ray cluster of this machine, over S3, with PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.cluster.local_ray import LocalRay, local_ray
from benchmarks.cluster.servers import CREDENTIALS, Server, postgres_server, s3_server

BUCKET = "farm"


@dataclass
class Farm:
    """Everything around a checkout.

    Attributes:
        root: the checkout of the driver.
        ray: the cluster.
        store, database: the servers.
        store_url: of the object store.
        database_url: of Dagster's database.
    """

    root: Path
    ray: LocalRay
    store: Server
    store_url: str
    database: Server
    database_url: str

    def environment(self, **more: str) -> dict[str, str]:
        """Of the driver."""
        return {
            **driver_environment(self.root),
            **CREDENTIALS,
            "P4D_DAGSTER_POSTGRES_URL": self.database_url,
            **more,
        }

    def configure(self, workers: int) -> None:
        """Name the object store and the cluster, as a user does."""
        begin = "from pathlib import Path; from p4d.versioning.dvc import cache; "
        begin += "cache.ensure_initialised(Path.cwd())"
        run_in(self.root, "-c", begin, environment=self.environment())
        for arguments in (
            ("remote", "add", "--quiet", "--force", "--default", "store", f"s3://{BUCKET}/p4d"),
            ("remote", "modify", "--quiet", "store", "endpointurl", self.store_url),
        ):
            run_in(self.root, "-m", "dvc", *arguments, environment=self.environment())
        settings = {"engine": "ray", "workers": workers, "ray": {"address": self.ray.address}}
        (self.root / "compute.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


@contextlib.contextmanager
def farm(folder: Path, root: Path, *, nodes: int = 3, **environment: str) -> Iterator[Farm]:
    """Servers and nodes for the checkout `root`, below `folder`.

    Every node imports a copy of the checkout's package: it sees nothing of the checkout.
    """
    code = folder / "code"
    code.mkdir(parents=True)
    shutil.copytree(
        root / "p4d", code / "p4d", symlinks=False, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(root / "sql", code / "sql")
    shutil.copy(root / "params.yaml", code)
    own = {**CREDENTIALS, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    own |= {"PYTHONDONTWRITEBYTECODE": "1", **environment}
    with (
        s3_server(folder / "s3", BUCKET) as (store, store_url),
        postgres_server(folder / "postgres") as (database, database_url),
        local_ray(folder / "ray", own, nodes=nodes) as ray,
    ):
        yield Farm(root, ray, store, store_url, database, database_url)


def driver_environment(root: Path) -> dict[str, str]:
    """Of a process that works in the checkout `root` with its own code and its own state."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("P4D_", "DAGSTER_", "DVC_"))}
    own = {
        f"DVC_{name}_DIR": str(root / ".dvc" / "own" / name.lower())
        for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")
    }
    return {
        **kept, **own, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(root), "P4D_ROOT": str(root), "DVC_NO_ANALYTICS": "1",
        "DAGSTER_HOME": str(root / ".dagster"), "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }  # fmt: skip


def run_in(root: Path, *arguments: str, environment: dict[str, str]) -> str:
    """Run Python with arguments in a folder; returns what it printed.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True,
        text=True, encoding="utf-8",
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr
