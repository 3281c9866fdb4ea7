"""What a worker is given and what it answers: plain JSON, so that any engine can carry it.

A task names everything by hash: the code it must run, the packages it must run with, the inputs it
must read. Its fingerprint is the name of its result, so equal tasks have one result, for every
driver. The list of an input's files is an object of the store itself (`<md5>.dir`), which keeps a
task small however many files it reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from p4d.errors import ContractError
from p4d.ids import canonical_json
from p4d.pipeline import Stage

SCHEMA = 1
"""The form of tasks and results; another one is refused."""

_SENT = (
    "name", "group", "entry", "description", "inputs", "params", "per_shard", "manifest",
    "tracked", "extra_code", "pins", "pinned", "previous",
)  # fmt: skip
"""What a worker is told of a stage: all but how DVC draws it."""


@dataclass(frozen=True, kw_only=True)
class RemoteTask:
    """One artifact to compute.

    Attributes:
        stage: the declaration.
        shard: which, or None.
        cmd: the stage's command; a part of the fingerprint as in dvc.lock.
        all_params: params.yaml. The stage can read only the sections that it declares, so only
            these are a part of the fingerprint.
        code: MD5 of each code file, by its path beside the package.
        environment: SHA-256 of the list of installed packages.
        packages: that list, `name==version` per line, so that a worker can name what differs.
        device: kind of device: `cpu`, or `cuda` for any of NVIDIA's, or the name of one model.
        inputs: per upstream stage the MD5 of its version, or of its version by shard.
        versions: data version of every artifact that is read, keyed `stage` or `stage@shard`.
        tracked: MD5 of each declared folder of the repository.
        inbox: MD5 of each file of the drop folder that the manifest names, by relative path.
        manifest: the parsed `shards/<shard>.json`, if declared.
        excluded: shards that a fan-in leaves out, with the reason.
        previous: MD5 of the stage's own last version, if declared and there is one.
        store: where the object store is (`StoreAddress` as a mapping).
    """

    stage: Stage
    shard: str | None
    cmd: str
    all_params: Mapping[str, Any]
    code: Mapping[str, str]
    environment: str
    packages: str
    device: str = "cpu"
    inputs: Mapping[str, str | Mapping[str, str]]
    versions: Mapping[str, str]
    tracked: Mapping[str, str] = field(default_factory=dict)
    inbox: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    previous: str | None = None
    store: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`stage` or `stage@shard`."""
        return self.stage.name + (f"@{self.shard}" if self.shard else "")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that decides the bytes of the result, and nothing else."""
        made_of = {
            "schema": SCHEMA,
            "cmd": self.cmd,
            "params": {name: self.all_params.get(name) for name in self.stage.params},
            "code": dict(self.code),
            "environment": self.environment,
            "device": self.device,
            "inputs": self.inputs,
            "versions": dict(self.versions),
            "tracked": dict(self.tracked),
            "inbox": dict(self.inbox),
            "manifest": self.manifest,
            "excluded": dict(self.excluded),
            "previous": self.previous,
        }
        return hashlib.sha256(_in_order(made_of)).hexdigest()

    def to_json(self) -> bytes:
        """The task as a worker reads it."""
        plain = {**asdict(self), "schema": SCHEMA}
        plain["stage"] = {name: plain["stage"][name] for name in _SENT}
        return _in_order(plain)

    @classmethod
    def from_json(cls, payload: bytes) -> RemoteTask:
        """The task that another process wrote.

        Raises:
            ContractError: it is none, or has another form.
        """
        try:
            plain = json.loads(payload)
            if plain.pop("schema") != SCHEMA:
                raise ContractError("the task has another form; driver and worker need one version")
            stage: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in plain["stage"].items()
            }
            return cls(**{**plain, "stage": Stage(**stage)})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(f"it is no task ({error!r})") from error


def _in_order(value: object) -> bytes:
    """JSON with keys in the order that they have: a stage may write in the order of a mapping."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, kw_only=True)
class RemoteResult:
    """What a worker puts into the store last, under the fingerprint of its task.

    Attributes:
        fingerprint: of the task.
        md5: DVC's hash of the computed folder; its object lists the files.
        nbytes: of all files.
        rows, metrics: what the stage reported.
        cost: as `run/cost.py` measures it, on the worker.
        computed_on: `host`, `device`, `cpu`, and who carried the task (`engine`).
        moved: `fetched_bytes`, `sent_bytes`, and seconds of both, of the worker.
    """

    fingerprint: str
    md5: str
    nbytes: int
    rows: Mapping[str, int]
    metrics: Mapping[str, float | int | str]
    cost: Mapping[str, float | int]
    computed_on: Mapping[str, str]
    moved: Mapping[str, float | int]

    def to_plain(self) -> dict[str, Any]:
        """The record of the store."""
        return {**asdict(self), "schema": SCHEMA}

    @classmethod
    def from_plain(cls, plain: object, fingerprint: str) -> RemoteResult:
        """The result that a worker put into the store.

        Raises:
            ContractError: it is none, or that of another task.
        """
        try:
            content = dict(plain)  # type: ignore[call-overload]
            if content.pop("schema") != SCHEMA:
                raise ContractError("the result has another form")
            found = cls(**content)
        except (ValueError, KeyError, TypeError) as error:
            raise ContractError(f"results/{fingerprint}.json is no result ({error!r})") from error
        if found.fingerprint != fingerprint:
            raise ContractError(f"results/{fingerprint}.json is the result of another task")
        return found


def result_name(fingerprint: str) -> str:
    """The record of the store that holds the result of a task."""
    return f"results/{fingerprint}.json"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a worker has no result.

    Attributes:
        kind: `refused` (this worker may not compute it), `store` (the object store), `stage` (the
            stage raised), `room` (no room is left on the worker).
        host: of the worker.
        message: for the user.
        error: type of the exception.
        trace: of the stage's exception, for the log.
    """

    kind: str
    host: str
    message: str
    error: str = ""
    trace: str = ""


def answer_ok(fingerprint: str) -> bytes:
    """A worker's answer: the result is in the store."""
    return canonical_json({"done": fingerprint}).encode()


def answer_failed(failure: Failure) -> bytes:
    """A worker's answer: there is no result."""
    return canonical_json({"failed": asdict(failure)}).encode()


def read_answer(payload: bytes) -> Failure | None:
    """The failure in a worker's answer, or None if it is done.

    Raises:
        ContractError: it is no answer.
    """
    try:
        plain = json.loads(payload)
        return Failure(**plain["failed"]) if "failed" in plain else None
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"the worker's answer cannot be read ({error!r})") from error
