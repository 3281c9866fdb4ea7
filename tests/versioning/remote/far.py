"""Workers that share nothing with a project but the object store: own code, own scratch folder."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from p4d.compute.carrier import WORKER_MODULE, ProcessCarrier
from p4d.versioning.remote.drive import RemoteCompute
from p4d.versioning.remote.object_store import ObjectStore, StoreAddress
from tests.versioning.fake import REPOSITORY, Fake


@dataclass
class Far:
    """A project, a store, and another root where workers live."""

    fake: Fake
    root: Path
    address: StoreAddress

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.address)

    def environment(self, **more: str) -> dict[str, str]:
        """Of a worker: the package and its own copy of the stages' code; nothing of the project."""
        kept = {
            name: value for name, value in os.environ.items()
            if name.startswith(("AWS_", "DVC_")) or name in ("PATH", "HOME", "LD_LIBRARY_PATH")
        }  # fmt: skip
        path = os.pathsep.join([str(self.root / "code"), str(REPOSITORY), *_packages()])
        return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}

    def compute(self, module: str = WORKER_MODULE, **environment: str) -> RemoteCompute:
        return RemoteCompute(self.address, self.carrier(module, **environment))

    def carrier(self, module: str = WORKER_MODULE, **environment: str) -> ProcessCarrier:
        return ProcessCarrier(
            self.scratch, self.environment(**environment), module=module, timeout_s=300
        )

    def killed_at(self, point: str) -> RemoteCompute:
        """A worker that dies by SIGKILL at a point."""
        return self.compute("tests.versioning.remote.dying_worker", DIE_AT=point)

    def results(self) -> list[str]:
        files, root = self.store._opened
        files.fs.invalidate_cache()
        return sorted(files.find(f"{root}/results"))


def _packages() -> list[str]:
    """Where this environment's packages are, if its interpreter would not find them by itself."""
    return [path for path in sys.path if path.endswith("site-packages")]


def install(fake: Fake, root: Path) -> None:
    """Put the stages' code where the workers import it."""
    (root / "code").mkdir(parents=True)
    shutil.copytree(
        fake.root / fake.package, root / "code" / fake.package,
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    # An extra file of one stage's code: a package whose folder is `gates`.
    shutil.copytree(fake.root / "gates", root / "code" / "gates")
