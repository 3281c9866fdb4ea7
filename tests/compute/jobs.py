"""Jobs that workers import."""

import os
import signal
import time
from pathlib import Path

from p4d.errors import PublishError

prepared = []
"""What a worker prepared, in its process."""


def prepare_first():
    prepared.append("first")


def prepare_fails():
    raise ImportError("no such package")


def prepare_last(folder, who):
    prepared.append("last")
    (Path(folder) / who).touch()


def what_is_prepared(*, progress, compute):
    return os.getpid(), prepared


def answer(value, *, progress, compute):
    progress(1, 2, "half")
    progress(2, 2, "whole")
    return {
        "value": value,
        "pid": os.getpid(),
        "device": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "waits": os.environ.get("OMP_WAIT_POLICY"),
    }


def fail(kind, *, progress, compute):
    if kind == "ours":
        raise PublishError("the store is damaged")
    if kind == "unpicklable":
        raise UnpicklableError("a", "b")
    raise ValueError("no such thing")


class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def unsendable(*, progress, compute):
    return lambda: None


def die(*, progress, compute):
    os.kill(os.getpid(), signal.SIGKILL)


def meet(folder, name, others, *, progress, compute):
    """Wait until `others` run as well."""
    (Path(folder) / name).touch()
    deadline = time.monotonic() + 60
    while not all((Path(folder) / other).exists() for other in others):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} met nobody")
        time.sleep(0.01)
    return os.getpid()


def sleep_for_ever(mark, *, progress, compute):
    Path(mark).write_text(str(os.getpid()))
    time.sleep(600)
