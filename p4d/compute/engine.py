"""Engines: how many artifacts are made side by side, and by which processes.

An engine runs jobs. A job is everything about one artifact: prepare, compute, publish, check. A
caller has as many threads as the engine is wide, and each gives the engine one job after another
(`side_by_side`). The job's own function takes `compute`, which runs the function of the stage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from p4d.compute.stage_call import compute_here
from p4d.pipeline import Needs
from p4d.progress import Progress

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Job(Generic[Result]):
    """One call that may run in another process.

    Attributes:
        name: of the artifact, for messages.
        needs: what it takes of a machine.
        function: importable; called `(*arguments, progress=..., compute=...)`.
        arguments: picklable, as the result must be.
        checks: whether it checks what is published; an engine may have processes for these alone.
    """

    name: str
    needs: Needs
    function: Callable[..., Result]
    arguments: tuple[Any, ...]
    checks: bool = False


class Engine(ABC):
    """Runs jobs; a context manager, whose end stops what still runs.

    Attributes:
        width: how many jobs may run side by side.
        elsewhere: whether jobs run in other processes, so that the caller may work meanwhile.
    """

    width: int = 1
    elsewhere: bool = False

    @abstractmethod
    def run(self, job: Job[Result], progress: Progress) -> Result:
        """Run a job once what it needs is free; may be called from several threads.

        Raises:
            ComputeError: its process died, or the engine cannot run it.
            Exception: what the job raised.
        """

    def close(self) -> None:  # noqa: B027 - an engine without processes has nothing to end
        """Stop what runs and end all processes of the engine."""

    def __enter__(self) -> Self:
        """The engine itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class ThisProcess(Engine):
    """One job after another, in the process of the caller."""

    def run(self, job: Job[Result], progress: Progress) -> Result:
        """Run it now."""
        return job.function(*job.arguments, progress=progress, compute=compute_here)
