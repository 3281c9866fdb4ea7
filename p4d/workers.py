"""Worker processes that end with the process that started them.

A worker waits for its next job on a pipe of which it holds both ends: when its parent is killed, it
would wait for ever, with all its memory and every file that it inherited open.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.process import BaseProcess


def end_with_parent() -> None:
    """Give as `initializer` of a pool: its workers end when their parent does, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
