"""Deterministic torch: equal inputs give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic as torch_deterministic


@contextmanager
def deterministic(threads: int, seed: int) -> Iterator[None]:
    """Use deterministic kernels, a fixed number of threads and a seeded generator in the block.

    All settings are restored afterwards. The number of threads is part of the result, because sums
    are split by thread.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    fill = torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        # Filling new memory protects code that reads it before writing. No kernel here does, and
        # it would cost a fifth of a training step.
        torch_deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0])
            torch_deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
            torch.set_num_threads(before[1])
