"""Carriers bring a task to a worker and its answer back. They know neither stages nor stores.

A task and an answer are bytes (`p4d/versioning/remote/task.py`). The worker is named by the text
`module:function`, so that a machine imports it only there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from p4d.errors import ComputeError
from p4d.pipeline import Stage
from p4d.progress import Progress

WORKER_MODULE = "p4d.versioning.remote.worker"
SCRATCH = "P4D_WORKER_SCRATCH"
"""Environment variable of a worker: the folder for its inputs and results."""

_SHOWN_CHARACTERS = 2000


class Carrier(ABC):
    """Brings tasks to workers; may be used from several threads."""

    @abstractmethod
    def carry(self, task: bytes, stage: Stage, name: str, progress: Progress) -> bytes:
        """Have a worker carry out a task; returns its answer.

        Args:
            task: for the worker alone.
            stage: what it computes: `stage.needs` says what that takes of a machine.
            name: of the artifact, for messages.
            progress: called as the worker reports.

        Raises:
            ComputeError: no worker can be reached, or every one that was tried died.
        """

    def stop(self) -> None:  # noqa: B027 - a carrier without a queue has nothing to stop
        """Give up what is under way: `carry` raises `ComputeError` in the threads that wait."""

    def device_of(self, stage: Stage) -> str:
        """The kind of device that the stage is computed on: a part of its result's name."""
        del stage
        return "cpu"


class ProcessCarrier(Carrier):
    """A fresh process for each task, which knows nothing of the project.

    It has another root, its own scratch folder and the object store: the smallest engine that
    shares nothing. The tests kill its processes at every write.
    """

    def __init__(
        self,
        scratch: Path,
        environment: Mapping[str, str] | None = None,
        *,
        module: str = WORKER_MODULE,
        timeout_s: float = 86400,
    ) -> None:
        """Start nothing yet.

        Args:
            scratch: folder of the workers; also their working folder.
            environment: of the workers; default: that of this process. It must let them import the
                package and find their credentials.
            module: what they run, with the scratch folder as its argument.
            timeout_s: after which a worker is ended.
        """
        self._scratch, self._module, self._timeout_s = scratch, module, timeout_s
        self._environment = dict(os.environ if environment is None else environment)
        self._environment.pop("P4D_ROOT", None)

    def carry(self, task: bytes, stage: Stage, name: str, progress: Progress) -> bytes:
        """Run a task in a fresh process."""
        del stage, progress
        self._scratch.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", self._module, str(self._scratch)]
        try:
            done = subprocess.run(
                command, input=task, cwd=self._scratch, env=self._environment,
                capture_output=True, check=False, timeout=self._timeout_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ComputeError(f"{name}: its worker took over {self._timeout_s:.0f} s") from error
        if done.returncode not in (0, 3) or not done.stdout:
            said = done.stderr.decode(errors="replace").strip()[-_SHOWN_CHARACTERS:]
            raise ComputeError(
                f"{name}: its worker process ended with code {done.returncode}; nothing is torn, "
                f"run it again{f'. It printed: {said}' if said else ''}"
            )
        return done.stdout
