"""Jobs that workers import."""

import os
import signal
import threading
import time
from pathlib import Path

from p4d.compute.stage_call import StageCall
from p4d.errors import PublishError
from p4d.pipeline import Stage, StageInputs, StageReport

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


def make(folder, name, *, before=(), behind=(), progress, compute):
    """Compute a stage that meets `before`; then, as one that publishes would, meet `behind`."""
    entry = f"{__name__}:stage"
    given = StageInputs(
        stage=Stage(name=name, group="labels", entry=entry, description="Meets others."),
        all_params=None,
        folders={},
        versions=dict.fromkeys(before, "md5:0"),
    )
    call = StageCall(
        name=name, root=Path(__file__).parents[2], given=given, new=Path(folder), code={},
        inputs={}, fingerprint="0",
    )  # fmt: skip
    done = compute(call, progress)
    meet(folder, f"{name} publishes", behind, progress=progress, compute=compute)
    return {"cost": done.cost, **done.report.metrics}


def stage(inputs, folder):
    alone = folder / "computing"
    alone.touch(exist_ok=False)
    meet(folder, f"{inputs.stage.name} computes", inputs.versions, progress=None, compute=None)
    time.sleep(0.05)  # another one would be seen
    alone.unlink()
    here = threading.current_thread() is threading.main_thread()
    return StageReport(metrics={"pid": os.getpid(), "in main thread": int(here)})


def make_and_die(folder, name, *, behind, progress, compute):
    """Compute, and die when the others are there."""
    make(folder, name, behind=behind, progress=progress, compute=compute)
    os.kill(os.getpid(), signal.SIGKILL)


def make_busily(folder, name, seconds, *, behind, progress, compute):
    """Compute; then take a processor for some seconds, and say so."""
    made = make(folder, name, behind=behind, progress=progress, compute=compute)
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        sum(range(1000))
    (Path(folder) / f"{name} was busy").touch()
    return made
