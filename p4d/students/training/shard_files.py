"""Files of sharded tensors: each process writes what it holds and reads what it needs.

`torch.distributed.checkpoint` plans who writes and reads which part, so that another number of
processes can read them. Its own files are pickled; these are safetensors with the place of each
part in their headers (`HuggingFaceStorageWriter`). All processes must see the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch.distributed
from torch import Tensor
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)

from p4d.errors import TrainingError


def write_parts(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write the parts of this process into files of its own; all processes take part.

    Args:
        folder: of nothing but these files.
        tensors: sharded or whole, with equal names in every process; none has 0 dimensions, and no
            two share their memory.

    Raises:
        TrainingError: a process cannot write.
    """
    try:
        dcp.save(
            dict(tensors),
            storage_writer=HuggingFaceStorageWriter(str(folder), save_distributed=True),
            no_dist=_alone(),
        )
    except CheckpointException as error:
        raise TrainingError(f"{folder} cannot be written: {_reason(error)}") from error


def names_in(folder: Path) -> set[str]:
    """Names of the tensors that were written into a folder."""
    return set(HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata)


def read_parts(folder: Path, into: Mapping[str, Tensor]) -> None:
    """Read the parts that this process holds; all processes take part.

    Args:
        folder: written by `write_parts`, by any number of processes.
        into: filled in place; sharded in any way, or whole.

    Raises:
        TrainingError: a tensor is missing, has another shape, or a file is damaged.
    """
    try:
        dcp.load(dict(into), storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=_alone())
    except CheckpointException as error:
        raise TrainingError(f"{folder} cannot be read: {_reason(error)}") from error


def _alone() -> bool:
    return not torch.distributed.is_initialized()


def _reason(error: CheckpointException) -> str:
    rank, failure = min(error.failures.items())
    return f"process {rank}: {str(failure[0]).splitlines()[0]}"
