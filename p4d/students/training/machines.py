"""The processes of a run: how many there are, what they agree on, and which of them share a folder.

Processes of one machine see one folder. Those of several machines may see several, and then no
folder holds all of a checkpoint.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch.distributed

from p4d.errors import P4DError, StoreError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Role:
    """What a process does in a folder.

    Attributes:
        leads: it is the first of those that see this folder.
        one_folder: all processes see it.
    """

    leads: bool
    one_folder: bool


def process() -> tuple[int, int]:
    """Rank of this process and how many there are."""
    if not torch.distributed.is_initialized():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def barrier() -> None:
    """Wait for the other processes, if there are any."""
    if process()[1] > 1:
        torch.distributed.barrier()


def gathered(call: Callable[[], Value]) -> list[Value]:
    """What `call` returns in every process, by rank; all processes take part.

    If it fails in one process, it fails in all, so none waits for another.

    Raises:
        P4DError: what it raised here, else what it raised in the first process where it failed.
    """
    rank, count = process()
    value: Value | None = None
    failure: P4DError | None = None
    try:
        value = call()
    except P4DError as error:
        failure = error
    except OSError as error:
        failure = StoreError(f"a checkpoint could not be read or written: {error}")
    said = (type(failure), str(failure)) if failure is not None else None
    every = [(value, said)] * count
    if count > 1:
        torch.distributed.all_gather_object(every, every[rank])
    if failure is not None:
        raise failure
    for number, (_, failed) in enumerate(every):
        if failed is not None:
            raise failed[0](f"process {number}: {failed[1]}")
    return [found for found, _ in every]  # type: ignore[misc]


def role_in(folder: Path) -> Role:
    """The role of this process in `folder`, which is made; all processes take part."""
    rank, count = process()
    if count == 1:
        return Role(leads=True, one_folder=True)
    token = gathered(lambda: uuid.uuid4().hex)[0]
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f".seen-{token}-{rank}"
    own.touch()
    barrier()
    seen = {int(path.name.rpartition("-")[2]) for path in folder.glob(f".seen-{token}-*")}
    everywhere = all(gathered(lambda: len(seen) == count))
    own.unlink()
    return Role(leads=rank == min(seen), one_folder=everywhere)
