"""Opens what a project computes with: this machine, or workers that share only the object store."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from p4d.compute import choose
from p4d.compute.engine import Engine, Job, Result
from p4d.compute.settings import ComputeSettings, read_settings
from p4d.compute.stage_call import Compute, Computed, StageCall, compute_here
from p4d.progress import Progress
from p4d.versioning.remote.drive import RemoteCompute
from p4d.versioning.remote.object_store import StoreAddress

_opened: dict[tuple[Path, str], RemoteCompute] = {}
_opening = threading.Lock()


def open_engine(root: Path, settings: ComputeSettings | None = None) -> Engine:
    """The engine of a project, for many artifacts.

    Args:
        root: of the project.
        settings: default: those of the project on this machine.

    Raises:
        ConfigError: the settings cannot be read, or name no object store.
        ComputeError: the cluster cannot be reached.
    """
    settings = read_settings(root) if settings is None else settings
    if settings.engine != "ray":
        return choose.open_engine(root, settings)
    return RemoteEngine(_ray_compute(root, settings), settings.workers)


def compute_of(root: Path, settings: ComputeSettings | None = None) -> Compute:
    """Where one stage of a project runs: on the cluster that the settings name, or here.

    Raises:
        ConfigError: the settings cannot be read, or name no object store.
        ComputeError: the cluster cannot be reached.
    """
    settings = read_settings(root) if settings is None else settings
    return _ray_compute(root, settings) if settings.engine == "ray" else compute_here


def _ray_compute(root: Path, settings: ComputeSettings) -> RemoteCompute:
    """One per project and process: it knows which inputs the store has already."""
    from p4d.compute.ray import RayCarrier, RaySettings

    ray = RaySettings.of(settings)
    address = StoreAddress.of_project(root, ray.remote)
    with _opening:
        key = (root, repr((ray, address)))
        if key not in _opened:
            _opened[key] = RemoteCompute(address, RayCarrier(ray))
        return _opened[key]


class RemoteEngine(Engine):
    """Jobs in threads of this process, of which all but the computing goes one at a time.

    Preparing, publishing and checking take turns, as they would by the project's lock anyway; while
    a worker computes for one thread, the next goes on.
    """

    def __init__(self, compute: RemoteCompute, width: int) -> None:
        """An engine over `compute`, which is safe to call from several threads.

        Args:
            compute: has the stage computed elsewhere.
            width: artifacts that are under way at once.
        """
        self.width = width
        self._compute = compute
        self._turn = threading.Lock()

    def run(self, job: Job[Result], progress: Progress) -> Result:
        """Run a job, once it is its turn."""
        with self._turn:
            return job.function(*job.arguments, progress=progress, compute=self._elsewhere)

    def close(self) -> None:
        """Give up what workers still compute."""
        self._compute.stop()

    def _elsewhere(self, call: StageCall, progress: Progress) -> Computed:
        with self._others_turn():
            return self._compute(call, progress)

    @contextlib.contextmanager
    def _others_turn(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()
