"""Pools of worker processes that end with the process that started them.

A worker waits for its next job on a pipe of which it holds both ends. If its parent is killed, it
would wait for ever, with all its memory and every inherited file open.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess


def spawn_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of at most `workers` fresh processes, and at most one per CPU.

    They are spawned, because an OpenGL context does not survive a fork.
    """
    return ProcessPoolExecutor(
        max(1, min(workers, os.cpu_count() or 1)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=end_with_parent,
    )


def end_with_parent() -> None:
    """End this process when its parent ends; pass it to a pool as `initializer`."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
