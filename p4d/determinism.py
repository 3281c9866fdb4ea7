"""Deterministic torch: equal inputs give equal bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic as torch_deterministic

CUBLAS_WORKSPACE = ":4096:8"
"""The setting with which cuBLAS is deterministic, as PyTorch documents it."""


@contextmanager
def deterministic(threads: int, seed: int, *, device: str = "cpu") -> Iterator[None]:
    """Use deterministic kernels, a fixed number of threads and a seeded generator in the block.

    On `cuda` an operation without a deterministic kernel warns and runs, such as the gradient of
    antialiased resizing; on a CPU it raises.

    All settings are restored afterwards. The number of threads is part of the result, because sums
    are split by thread.

    Args:
        threads: of torch.
        seed: of its generator.
        device: of the work, `cpu` or `cuda`.
    """
    if device == "cuda":  # cuBLAS reads it when its first handle is made
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    mode, threads_before = torch.get_deterministic_debug_mode(), torch.get_num_threads()
    fill = torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _set_mode(_WARN if device == "cuda" else _ERROR, device)
        # Filling new memory protects code that reads it before writing. No kernel here does, and
        # it would cost a fifth of a training step.
        torch_deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            _set_mode(mode, device)
            torch_deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
            torch.set_num_threads(threads_before)


_WARN, _ERROR = 1, 2
"""Torch's numbers of what it does where there is no deterministic kernel; 0 is nothing."""


def _set_mode(mode: int, device: str) -> None:
    """Set torch's mode; where there is a GPU, that of its compiler, too (`flex_attention`).

    Importing the compiler takes longer than the labels of a small shard, and without a GPU nothing
    is compiled.
    """
    if device == "cuda" or torch.cuda.is_available():
        torch.use_deterministic_algorithms(mode != 0, warn_only=mode == _WARN)
    else:
        torch.set_deterministic_debug_mode(mode)
