"""Where a stage computes: host, device, kind of processor and engine, for the ledger."""

from __future__ import annotations

import platform
import socket
import sys

from p4d.pipeline import Stage


def computed_on(device: str, engine: str) -> dict[str, str]:
    """Where this process computes.

    Args:
        device: `cpu`, or the name of a GPU.
        engine: who carried the call here.
    """
    return {
        "host": socket.gethostname(),
        "device": device,
        "cpu": " ".join(filter(None, (platform.machine(), _cpu_kernels()))),
        "engine": engine,
    }


def device_here(stage: Stage) -> str:
    """The device of a stage that ran in this process; call it after the stage."""
    torch = sys.modules.get("torch")
    if not stage.needs.gpu or torch is None or not torch.cuda.is_available():
        return "cpu"
    return str(torch.cuda.get_device_name())


def _cpu_kernels() -> str:
    """Which vector kernels torch uses here, as they change bits; empty if torch was not used."""
    torch = sys.modules.get("torch")
    return "" if torch is None else str(torch.backends.cpu.get_cpu_capability())
