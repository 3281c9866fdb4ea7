"""Where a model runs and in which precision: a device, and the type of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from p4d.errors import ConfigError
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


def place(student: Student, device: str, dtype: str) -> Placement:
    """Move a student to a device and a precision.

    Args:
        student: changed in place.
        device: `auto` is the first GPU if there is one, else the CPU.
        dtype: `auto` is bfloat16 for a large model on a GPU, else float32.

    Raises:
        ConfigError: torch does not know the device, or it is not there.
    """
    model = student.adapter.model
    chosen = _device(device)
    large = sum(weight.numel() for weight in model.parameters()) >= LARGE
    name = dtype
    if dtype == "auto":
        name = "bfloat16" if chosen.type == "cuda" and large else "float32"
    try:
        model.to(device=chosen, dtype=getattr(torch, name))  # type: ignore[call-arg, arg-type]
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {device}: {str(error).splitlines()[0]}") from error
    on_gpu = chosen.type == "cuda"
    return Placement(
        device=str(chosen),
        device_name=torch.cuda.get_device_name(chosen) if on_gpu else chosen.type,
        dtype=name,
        attention=str(getattr(model.config, "_attn_implementation", None) or "eager"),
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is unknown; give auto, cpu, cuda or cuda:N") from error
