"""The worker: takes inputs by hash, runs a stage in a scratch folder, puts the result by hash.

It needs the package, the address of the object store and credentials of its own; it shares nothing
else with the driver and keeps nothing that a later task depends on. It may die at any moment: the
files of a result are in the store before the record that names them, and nothing refers to those of
a dead worker.

    <scratch>/objects/xx/yyyy    verified inputs, kept for the next task on this machine
    <scratch>/tasks/<random>/    one task: inputs (hard links), what the stage writes
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from p4d.atomic import out_of_space
from p4d.compute.cost import Cost
from p4d.compute.place import computed_on
from p4d.config import Params
from p4d.errors import ContractError, P4DError, RefusedError, StoreError
from p4d.held_mark import held
from p4d.pipeline import StageInputs, StageReport
from p4d.versioning.files.crash_points import reached
from p4d.versioning.files.hashes import Tree, file_md5, tree_of
from p4d.versioning.ledger.record import plain
from p4d.versioning.remote import task as messages
from p4d.versioning.remote.object_store import WORKERS, ObjectStore, StoreAddress
from p4d.versioning.remote.run_folder import RunFolder
from p4d.versioning.remote.same_code import refuse_other_code, refuse_other_environment
from p4d.versioning.remote.task import Failure, RemoteResult, RemoteTask, result_name
from p4d.versioning.run.staging import check_staged

WORKER_POINTS = (
    "task_read", "inputs_fetched", "computed_there", "objects_sent", "result_written",
)  # fmt: skip
"""Points of `crash_points.reached` here, in order: a test lets the worker die at each."""
Progress = Callable[[int, int, str], None]


def answer(
    payload: bytes,
    scratch: Path,
    *,
    engine: str = "process",
    progress: Progress = lambda done, total, note: None,
) -> bytes:
    """Carry out a task that another machine wrote; never raises for what is wrong with it.

    Args:
        payload: `RemoteTask.to_json`.
        scratch: a folder of this machine for inputs and results.
        engine: who carried the task here, for the ledger.
        progress: as `StageInputs.progress`.

    Returns:
        What `task.read_answer` reads.
    """
    host = socket.gethostname()
    try:
        task = RemoteTask.from_json(payload)
        compute(task, scratch, engine=engine, progress=progress)
    except RefusedError as error:
        return messages.answer_failed(Failure(kind="refused", host=host, message=str(error)))
    except StoreError as error:
        kind = "room" if "no room left here" in str(error) else "store"
        return messages.answer_failed(Failure(kind=kind, host=host, message=str(error)))
    except Exception as error:  # noqa: BLE001 - whatever a stage raises is the answer
        full = isinstance(error, OSError) and out_of_space(error)
        return messages.answer_failed(
            Failure(
                kind="room" if full else "stage",
                host=host,
                message=str(error),
                error=type(error).__name__,
                trace="" if isinstance(error, P4DError) else traceback.format_exc(),
            )
        )
    return messages.answer_ok(task.fingerprint)


def compute(
    task: RemoteTask,
    scratch: Path,
    *,
    engine: str = "process",
    progress: Progress = lambda done, total, note: None,
) -> RemoteResult:
    """Make the result of a task and put it into the store; a result that is there is returned.

    Raises:
        RefusedError: code, packages or devices of this machine are others.
        StoreError: the object store fails or lacks an input.
        Exception: whatever the stage raises.
    """
    store = ObjectStore(StoreAddress(**task.store))
    known = store.read_record(result_name(task.fingerprint))
    if known is not None:
        return RemoteResult.from_plain(known, task.fingerprint)
    refuse_other_environment(task)
    device = _device(task)
    refuse_other_code(task)
    reached("task_read")
    with _task_folder(scratch) as folder:
        begun = time.monotonic()
        # What a node leaves there when it dies, the next one goes on from.
        shared = RunFolder(store.address, f"task-{task.fingerprint}")
        given, fetched = _inputs(task, store, scratch / "objects", folder, progress)
        given = replace(given, shared=shared)
        fetch_s = time.monotonic() - begun
        reached("inputs_fetched")
        with Cost() as cost:
            report = _run(task, given, folder / "new")
        reached("computed_there")
        check_staged(folder / "new")
        _refuse_edits(folder)
        begun = time.monotonic()
        tree = tree_of(folder / "new")
        sent = _send(store, folder, tree)
        moved: dict[str, float | int] = {
            "fetched_bytes": fetched,
            "fetch_s": round(fetch_s, 3),
            "sent_bytes": sent,
            "send_s": round(time.monotonic() - begun, 3),
        }
        result = RemoteResult(
            fingerprint=task.fingerprint,
            md5=tree.digest.md5,
            nbytes=tree.digest.nbytes or 0,
            rows=plain(dict(report.rows)),
            metrics=plain(dict(report.metrics)),
            cost=cost.values,
            computed_on=computed_on(device, engine),
            moved=moved,
        )
        store.write_record(result_name(task.fingerprint), result.to_plain(), folder)
        reached("result_written")
        if shared.used:
            shared.clear()
    return result


def _device(task: RemoteTask) -> str:
    """The device that the task runs on.

    Raises:
        RefusedError: this machine has none of the kind that the task asks for.
    """
    if task.device == "cpu":
        return "cpu"
    import torch

    found = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    if found == "no CUDA device" or (task.device != "cuda" and task.device != found):
        raise RefusedError(f"{task.name} needs {task.device}, and this worker has {found}")
    return f"cuda {found}"


@contextlib.contextmanager
def _task_folder(scratch: Path) -> Iterator[Path]:
    """A folder of this task alone; those of killed workers are removed."""
    home = scratch / "tasks"
    home.mkdir(parents=True, exist_ok=True)
    for left in [path for path in home.iterdir() if path.is_dir()]:
        with held(left.with_suffix(".alive")) as ours:
            if ours:
                shutil.rmtree(left, ignore_errors=True)
                left.with_suffix(".alive").unlink(missing_ok=True)
    folder = home / uuid.uuid4().hex
    with held(folder.with_suffix(".alive")):
        (folder / "new").mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".alive").unlink(missing_ok=True)


def _inputs(
    task: RemoteTask, store: ObjectStore, objects: Path, folder: Path, progress: Progress
) -> tuple[StageInputs, int]:
    """What the stage is called with, and the bytes that had to be downloaded."""
    versions = _wanted(task)
    take = _Taker(store, objects)
    for where, md5 in versions.items():
        take.version(md5, folder / "in" / where)
    for relpath, md5 in task.inbox.items():
        take.link(md5, folder / "in" / "inbox" / relpath)
    take.finish()
    home = folder / "in"
    folders: dict[str, Path | Mapping[str, Path]] = {
        name: home / "stages" / name
        if isinstance(found, str)
        else {shard: home / "stages" / name / shard for shard in found}
        for name, found in task.inputs.items()
    }
    (folder / "work").mkdir()
    (home / "inbox").mkdir(parents=True, exist_ok=True)
    given = StageInputs(
        stage=task.stage,
        all_params=Params.from_mapping(task.all_params),
        folders=folders,
        shard=task.shard,
        manifest=task.manifest,
        inbox=home / "inbox",
        tracked_folders={name: home / "tracked" / name for name in task.tracked},
        versions=task.versions,
        excluded=task.excluded,
        previous=home / "previous" if task.previous else None,
        work=folder / "work",
        progress=progress,
    )
    return given, take.fetched


def _wanted(task: RemoteTask) -> dict[str, str]:
    """The versions that a task reads, by the folder where the worker lays them."""
    found: dict[str, str] = {}
    for name, md5 in task.inputs.items():
        if isinstance(md5, str):
            found[f"stages/{name}"] = md5
        else:
            found |= {f"stages/{name}/{shard}": each for shard, each in md5.items()}
    found |= {f"tracked/{name}": md5 for name, md5 in task.tracked.items()}
    if task.previous:
        found["previous"] = task.previous
    return found


class _Taker:
    """Takes objects out of the store into the machine's own cache, and links them into place."""

    def __init__(self, store: ObjectStore, objects: Path) -> None:
        self._store, self._objects = store, objects
        self._links: list[tuple[str, Path]] = []
        self.fetched = 0

    def version(self, md5: str, folder: Path) -> None:
        """Note the files of a version; its list is fetched now."""
        if not md5.endswith(".dir"):
            self.link(md5, folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.fetched += self._have(md5)
        try:
            tree = Tree.from_payload(self._path(md5).read_bytes())
        except ContractError as error:
            raise StoreError(f"object {md5} is no list of files: {error}") from error
        for name, digest in tree.files.items():
            self.link(digest.md5, folder / name)

    def link(self, md5: str, target: Path) -> None:
        """Note a file."""
        self._links.append((md5, target))

    def finish(self) -> None:
        """Fetch what is noted, several at a time, and link all of it into place."""
        with ThreadPoolExecutor(WORKERS) as pool:
            self.fetched += sum(pool.map(self._have, sorted({md5 for md5, _ in self._links})))
        for md5, target in self._links:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self._path(md5), target)
            except OSError:  # another file system, or too many links
                shutil.copyfile(self._path(md5), target)

    def _have(self, md5: str) -> int:
        """Make sure that the cache has an object, unaltered; returns the bytes downloaded."""
        path = self._path(md5)
        if path.is_file():
            if file_md5(path) == md5.removesuffix(".dir"):
                return 0
            path.unlink(missing_ok=True)  # a stage wrote into its input, or the disk is bad
        nbytes = self._store.fetch(md5, path)
        path.chmod(0o444)
        return nbytes

    def _path(self, md5: str) -> Path:
        return self._objects / md5[:2] / md5[2:]


def _run(task: RemoteTask, given: StageInputs, new: Path) -> StageReport:
    report = task.stage.load()(given, new)
    if not isinstance(report, StageReport):
        raise ContractError(f"{task.name}: the stage returned {type(report).__name__}, no report")
    return report


def _refuse_edits(folder: Path) -> None:
    """Refuse the result of a stage that wrote into its inputs: they are read-only links.

    Raises:
        ContractError: a file is writable or was replaced.
    """
    home = folder / "in"
    for path in home.rglob("*"):
        if path.is_file() and path.stat().st_nlink > 1 and path.stat().st_mode & 0o222:
            raise ContractError(f"the stage wrote into its input {path.relative_to(home)}")


def _send(store: ObjectStore, folder: Path, tree: Tree) -> int:
    """Upload the files of the result, then their list; returns the bytes sent."""
    listing = folder / "listing.dir"
    listing.write_bytes(tree.payload)
    sources = {digest.md5: folder / "new" / name for name, digest in tree.files.items()}
    sent = store.send_all(sources)
    reached("objects_sent")
    return sent + store.send(listing, tree.digest.md5)


def main(arguments: list[str]) -> int:
    """`python -m p4d.versioning.remote.worker SCRATCH < TASK > ANSWER`: one task in one process."""
    payload = sys.stdin.buffer.read()
    answered = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr):
        said: dict[str, Any] = {}
        text = answer(payload, Path(arguments[0]), engine=os.environ.get("P4D_ENGINE", "process"))
        said.update(json.loads(text))
    answered.write(text)
    answered.flush()
    return 0 if "done" in said else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
