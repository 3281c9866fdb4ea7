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
def deterministic(
    threads: int, seed: int, *, device: str = "cpu", compiled: bool = True
) -> Iterator[None]:
    """Use deterministic kernels, a fixed number of threads and a seeded generator in the block.

    On `cuda` an operation without a deterministic kernel warns and runs, such as the gradient of
    antialiased resizing; on a CPU it raises.

    All settings are restored afterwards. The number of threads is part of the result, because sums
    are split by thread.

    Args:
        threads: of torch.
        seed: of its generator.
        device: of the work.
        compiled: whether a network may be compiled in the block. The setting of the compiler is
            reached by an import that takes longer than the labels of a small shard.
    """
    if device == "cuda":  # cuBLAS reads it when its first handle is made
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    mode = torch.get_deterministic_debug_mode()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if compiled:
            torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
        else:
            torch.set_deterministic_debug_mode("warn" if device == "cuda" else "error")
        # Filling new memory protects code that reads it before writing. No kernel here does, and
        # it would cost a fifth of a training step.
        torch_deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            if compiled:
                torch.use_deterministic_algorithms(before[0], warn_only=warned)
            else:
                torch.set_deterministic_debug_mode(mode)
            torch_deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
            torch.set_num_threads(before[1])
