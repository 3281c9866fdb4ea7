"""Where a model runs and in which precision: a device, and the type of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from p4d.errors import ConfigError
from p4d.students.model.attention import attention_of, use_attention
from p4d.students.model.pretrained import weight_count
from p4d.students.model.student import Student

LARGE = 1_000_000_000
"""From this many weights on, `auto` runs in bfloat16 on a GPU."""


@dataclass(frozen=True)
class Placement:
    """What was chosen.

    Attributes:
        device: as torch names it, for example `cuda:0`.
        device_name: the name of the GPU; `cpu` otherwise.
        dtype: of the weights, for example `bfloat16`.
        attention: the implementation that transformers uses.
    """

    device: str
    device_name: str
    dtype: str
    attention: str


class LoadStudent(Protocol):
    """A function that loads a student of a folder."""

    def __call__(self, folder: Path, *, dtype: torch.dtype) -> Student:
        """The student, with weights of `dtype`."""


def load_placed(
    load: LoadStudent, folder: Path, *, device: str, dtype: str, attention: str = "sdpa"
) -> tuple[Student, Placement]:
    """Load a student in the precision in which it computes, and move it to a device.

    Its weights are never in memory in another precision: those of 8 B in float32 are 32 GB. What a
    network computes for itself, such as the frequencies of rotary embeddings, stays in float32, as
    in transformers.

    Args:
        load: reads the folder.
        folder: of a student, or of a checkpoint.
        device: `auto` is the first GPU if there is one, else the CPU.
        dtype: `auto` is bfloat16 for a large model on a GPU, else float32.
        attention: the implementation to use (`p4d.students.model.attention`).

    Raises:
        ConfigError: torch does not know the device or it is not there, or the device or the network
            cannot use that attention.
        ContractError: the folder holds no student, or is damaged.
    """
    chosen = _device(device)
    name = dtype
    if dtype == "auto":
        large = chosen.type == "cuda" and weight_count(folder) >= LARGE
        name = "bfloat16" if large else "float32"
    student = load(folder, dtype=getattr(torch, name))
    model = student.adapter.model
    try:
        model.to(device=chosen)  # type: ignore[call-arg, arg-type]
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {device}: {str(error).splitlines()[0]}") from error
    use_attention(model, attention, chosen, "evaluation.attention")
    on_gpu = chosen.type == "cuda"
    placement = Placement(
        device=str(chosen),
        device_name=torch.cuda.get_device_name(chosen) if on_gpu else chosen.type,
        dtype=name,
        attention=attention_of(model),
    )
    return student, placement


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is unknown; give auto, cpu, cuda or cuda:N") from error
