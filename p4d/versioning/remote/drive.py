"""The driver's side: sends what the store lacks, has a result computed or finds it, fetches it.

`RemoteCompute` takes the place of this process in `run_stage`; preparing, checking and publishing
stay there. What it returns is files below `StageCall.new` that hash to what the worker named, so a
store that lies, or a worker that dies, costs time and never a version.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from p4d.compute.carrier import Carrier
from p4d.compute.stage_call import Computed, StageCall
from p4d.errors import ComputeError, ContractError, P4DError, PublishError, RefusedError, StoreError
from p4d.pipeline import StageReport
from p4d.progress import Progress
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.pipeline_file import command
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.crash_points import reached
from p4d.versioning.files.hashes import Digest, Tree, file_md5, tree_of
from p4d.versioning.ledger import environment
from p4d.versioning.remote.object_store import WORKERS, ObjectStore, StoreAddress
from p4d.versioning.remote.task import Failure, RemoteResult, RemoteTask, read_answer, result_name

logger = logging.getLogger(__name__)

DRIVER_POINTS = ("inputs_sent", "answered", "result_fetched")
"""Points of `crash_points.reached` here, in order; publishing has its own."""
ATTEMPTS = 3
"""How often a task is sent when its result is lost or damaged between the worker and here."""


@dataclass(frozen=True)
class Moved:
    """Bytes and seconds of one artifact between the driver and the store, for measurements.

    Attributes:
        name: the artifact.
        looked_up: the result was there: nothing was computed.
        sent_bytes, fetched_bytes: by the driver.
        worker: what the worker moved (`RemoteResult.moved`).
    """

    name: str
    looked_up: bool
    sent_bytes: int
    fetched_bytes: int
    worker: Mapping[str, float | int]


class RemoteCompute:
    """Has the function of a stage run by a worker that shares only the object store.

    Attributes:
        moved: what each call moved, in the order in which they ended.
    """

    def __init__(self, address: StoreAddress, carrier: Carrier) -> None:
        """Nothing is asked of the store or the carrier before the first call.

        Args:
            address: of the object store, without secrets.
            carrier: brings a task to a worker.
        """
        self._store, self._carrier = ObjectStore(address), carrier
        self._there: set[str] = set()
        self._lock = threading.Lock()
        self.moved: list[Moved] = []

    def __call__(self, call: StageCall, progress: Progress) -> Computed:
        """Fill `call.new` with the files of the result.

        Raises:
            RefusedError: no worker has this code, these packages or the device.
            StoreError: the object store does not answer, refuses or returned other bytes.
            ComputeError: the stage failed on the worker, or the worker was lost.
        """
        device = self._carrier.device_of(call.given.stage)
        task, sources = describe(call, self._store.address, device)
        sent, looked_up = 0, True
        for attempt in range(1, ATTEMPTS + 1):
            found = self._result(task)
            if found is None:
                looked_up = False
                sent += self._send_inputs(task, sources, again=attempt > 1)
                reached("inputs_sent")
                found = self._computed(task, call, progress)
            try:
                fetched = fetch_result(self._store, found, call.new)
            except (StoreError, ContractError) as error:
                # The record names what the store does not have as it says: it is worth nothing.
                if attempt == ATTEMPTS:
                    raise
                logger.warning("%s is computed again: %s", call.name, error)
                self._store.delete_record(result_name(task.fingerprint))
                continue
            reached("result_fetched")
            moved = Moved(call.name, looked_up, sent, fetched, found.moved)
            with self._lock:
                self.moved.append(moved)
            report = StageReport(rows=found.rows, metrics=found.metrics)
            return Computed(report=report, cost=found.cost, where=found.computed_on)
        raise AssertionError("the last attempt returns or raises")

    def stop(self) -> None:
        """Give up what workers compute; each call under way raises `ComputeError`."""
        self._carrier.stop()

    def _result(self, task: RemoteTask) -> RemoteResult | None:
        """The result in the store, or None; one that cannot be read counts as none."""
        try:
            plain = self._store.read_record(result_name(task.fingerprint))
            return None if plain is None else RemoteResult.from_plain(plain, task.fingerprint)
        except ContractError as error:
            logger.warning("%s is computed again: %s", task.name, error)
            self._store.delete_record(result_name(task.fingerprint))
            return None

    def _send_inputs(self, task: RemoteTask, sources: Mapping[str, Path], *, again: bool) -> int:
        """Upload the inputs that the store lacks; `again`: believe nothing that was seen before."""
        with self._lock:
            if again:
                self._there.difference_update(sources)
            unknown = {oid: path for oid, path in sources.items() if oid not in self._there}
        try:
            sent = self._store.send_all(unknown)
        except StoreError as error:
            raise StoreError(f"{task.name}: {error}") from error
        with self._lock:
            self._there.update(unknown)
        return sent

    def _computed(self, task: RemoteTask, call: StageCall, progress: Progress) -> RemoteResult:
        answered = self._carrier.carry(task.to_json(), call.given.stage, task.name, progress)
        failure = read_answer(answered)
        if failure is not None:
            raise _error(task, failure)
        reached("answered")
        found = self._result(task)
        if found is None:
            raise ComputeError(
                f"{task.name}: the worker is done, and its result is not at "
                f"{self._store.address.url}; do driver and workers name the same store?"
            )
        return found


def describe(
    call: StageCall, store: StoreAddress, device: str
) -> tuple[RemoteTask, dict[str, Path]]:
    """The task of a call, and the file behind every object that a worker may have to fetch.

    Raises:
        PublishError: an input is not as recorded.
    """
    given, root = call.given, call.root
    sources: dict[str, Path] = {}
    inputs: dict[str, str | dict[str, str]] = {}
    lists = call.new.parent / "lists"
    for name, found in given.folders.items():
        if isinstance(found, Path):
            own = f"{name}@{given.shard}"
            version = given.versions[own if own in given.versions else name]
            inputs[name] = _version(root, found, version, lists, sources)
        else:
            inputs[name] = {
                shard: _version(root, folder, given.versions[f"{name}@{shard}"], lists, sources)
                for shard, folder in found.items()
            }
    tracked = {
        name: _folder(folder, lists, sources)
        for name, folder in given.tracked_folders.items()
        if folder.is_dir()
    }
    inbox: dict[str, str] = {}
    for relpath in dict.fromkeys(_inbox_files(given.manifest)):
        path = given.inbox / relpath if given.inbox else None
        if path is not None and path.is_file():
            inbox[relpath] = md5 = file_md5(path)
            sources[md5] = path
    previous = None if given.previous is None else _folder(given.previous, lists, sources)
    key = ArtifactKey(given.stage.name, given.shard)
    task = RemoteTask(
        stage=given.stage,
        shard=given.shard,
        cmd=command(key),
        all_params=asdict(given.all_params),
        code=call.code,
        environment=environment.environment_digest(),
        packages=environment.installed(),
        device=device,
        inputs=inputs,
        versions=given.versions,
        tracked=tracked,
        inbox=inbox,
        manifest=given.manifest,
        excluded=given.excluded,
        previous=previous,
        store=asdict(store),
    )
    return task, sources


def _version(
    root: Path, folder: Path, data_version: str, lists: Path, sources: dict[str, Path]
) -> str:
    """The MD5 of an input; its objects are noted, with files of `folder` as their content."""
    md5 = data_version.removeprefix("md5:")
    try:
        tree = dvc_store.read_tree(root, md5)
    except PublishError:  # not in the cache: `dvc checkout --relink`, or a lost cache
        tree = tree_of(folder)
        if tree.digest.md5 != md5:
            raise PublishError(f"{folder} is not the recorded version {md5[:8]}") from None
    return _note(tree, folder, lists, sources)


def _folder(folder: Path, lists: Path, sources: dict[str, Path]) -> str:
    return _note(tree_of(folder), folder, lists, sources)


def _note(tree: Tree, folder: Path, lists: Path, sources: dict[str, Path]) -> str:
    lists.mkdir(exist_ok=True)
    listing = lists / tree.digest.md5
    listing.write_bytes(tree.payload)
    sources[tree.digest.md5] = listing
    for name, digest in tree.files.items():
        sources[digest.md5] = folder / name
    return tree.digest.md5


def _inbox_files(manifest: object) -> Iterator[str]:
    """Relative paths of the files that a manifest names: each mapping of `relpath` and `sha256`."""
    if isinstance(manifest, Mapping):
        if isinstance(manifest.get("relpath"), str) and "sha256" in manifest:
            yield manifest["relpath"]
        for value in manifest.values():
            yield from _inbox_files(value)
    elif isinstance(manifest, list):
        for value in manifest:
            yield from _inbox_files(value)


def fetch_result(store: ObjectStore, found: RemoteResult, new: Path) -> int:
    """Download the files of a result and make sure that they hash to what it names.

    Raises:
        StoreError: an object is missing or has other bytes.
        ContractError: the list of files is none.
    """
    listing = new.parent / "result.dir"
    fetched = store.fetch(found.md5, listing)
    tree = Tree.from_payload(listing.read_bytes())
    if tree.digest.md5 != found.md5:
        raise StoreError(f"object {found.md5} is no list in DVC's form")

    def fetch(item: tuple[str, Digest]) -> int:
        name, digest = item
        target = new / name
        if target.is_file() and file_md5(target) == digest.md5:
            return 0
        return store.fetch(digest.md5, target)

    with ThreadPoolExecutor(WORKERS) as pool:
        return fetched + sum(pool.map(fetch, tree.files.items()))


def _error(task: RemoteTask, failure: Failure) -> P4DError:
    """The error of ours that says what a worker could not do."""
    where = f"{task.name} on {failure.host}"
    if failure.kind == "refused":
        return RefusedError(f"{where}: {failure.message}")
    if failure.kind == "store":
        return StoreError(f"{where}: {failure.message}")
    if failure.kind == "room":
        return ComputeError(
            f"{where}: no room left on the worker ({failure.message}); free space there, or let "
            "its scratch folder (P4D_WORKER_SCRATCH) lie on a larger disk. Nothing is published"
        )
    if failure.trace:
        logger.error("%s\n%s", where, failure.trace)
    return ComputeError(f"{where}: {failure.error}: {failure.message}")
