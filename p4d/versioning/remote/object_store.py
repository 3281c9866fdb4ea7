"""The object store: objects by their MD5, and small records by name.

It is a remote of DVC, with DVC's layout, so `dvc pull` and `p4d push` read and write the same
objects. Beside them lie the records `results/<fingerprint>.json`. DVC's own client opens it.
Credentials come from the client's usual chain (environment, profile, role of the machine): an
address that is sent to a worker holds none.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from p4d.atomic import out_of_space, replacing
from p4d.errors import ConfigError, ContractError, StoreError
from p4d.ids import canonical_json
from p4d.paths import OBJECT_ID
from p4d.versioning.dvc.config import default_remote, read_config
from p4d.versioning.files.hashes import file_md5

WORKERS = 8
"""Concurrent requests of one process."""

SENDABLE = frozenset({
    "endpointurl", "region", "profile", "use_ssl", "allow_anonymous_login", "connect_timeout",
    "read_timeout", "sse", "sse_kms_key_id", "acl", "account_name", "projectname", "version_aware",
})  # fmt: skip
"""Options of a remote that a worker is told. All others, with every secret, stay with the driver:
a worker has credentials of its own."""

_TIMEOUTS = {"connect_timeout": 5, "read_timeout": 60}
CLOCK = ("RequestTimeTooSkewed", "difference between the request time and")
"""How S3 refuses a request whose time is more than 15 minutes off."""


@dataclass(frozen=True)
class StoreAddress:
    """Where an object store is.

    Attributes:
        url: as DVC takes it: `s3://BUCKET/PREFIX`, or a folder.
        options: of DVC's remote, those that a worker may know.
    """

    url: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_project(cls, root: Path, remote: str | None = None) -> StoreAddress:
        """The address of a remote (default: DVC's default remote).

        Raises:
            ConfigError: no such remote is configured.
        """
        name = remote or default_remote(root)
        found = read_config(root).get("remote", {}).get(name) if name else None
        if found is None or "url" not in found:
            known = ", ".join(read_config(root).get("remote", {})) or "none"
            raise ConfigError(
                f"{f'no remote {name}' if name else 'no default remote'} is configured (remotes: "
                f"{known}); `dvc remote add --default NAME URL` adds the object store"
            )
        options = {key: value for key, value in found.items() if key in SENDABLE}
        return cls(found["url"], options)


class ObjectStore:
    """Objects and records at an address; safe to use from several threads."""

    def __init__(self, address: StoreAddress) -> None:
        """Open the store; nothing is asked of it before the first call."""
        self.address = address

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """DVC's file system of the store, and the path of the store in it."""
        from dvc.exceptions import DvcException
        from dvc.fs import get_cloud_fs

        options = dict(self.address.options)
        if self.address.url.startswith("s3:"):
            options = {**_TIMEOUTS, **options}
        try:
            kind, settings, path = get_cloud_fs({}, url=self.address.url, **options)
            return kind(**settings), str(path).rstrip("/")
        except (DvcException, ImportError, ValueError) as error:
            raise StoreError(f"{self.address.url} cannot be opened: {error}") from error

    def present(self, oids: Iterable[str]) -> set[str]:
        """Which of the objects the store has, by name.

        Raises:
            StoreError: it does not answer, or refuses.
        """
        wanted = sorted(set(oids))
        with ThreadPoolExecutor(WORKERS) as pool:
            found = pool.map(lambda oid: self.size(oid) is not None, wanted)
            return {oid for oid, there in zip(wanted, found, strict=True) if there}

    def size(self, oid: str) -> int | None:
        """Bytes of an object, or None if the store lacks it."""
        files, path = self._object(oid)
        with self._errors(f"object {oid}"):
            try:
                return int(files.info(path)["size"])
            except FileNotFoundError:
                return None

    def send(self, source: Path, oid: str) -> int:
        """Upload a file as an object, unless one of this size is there; returns the bytes sent.

        Raises:
            StoreError: the store does not answer or refuses, or the file has another hash.
        """
        nbytes = source.stat().st_size
        if self.size(oid) == nbytes:
            return 0
        if file_md5(source) != oid.removesuffix(".dir"):
            raise StoreError(f"{source} is not object {oid}: its content has another hash")
        files, path = self._object(oid)
        with self._errors(f"object {oid}"):
            self._put(files, source, path)
        return nbytes

    def send_all(self, sources: Mapping[str, Path]) -> int:
        """`send` several, those that list others (`.dir`) last; returns the bytes sent."""
        lists = {oid: path for oid, path in sources.items() if oid.endswith(".dir")}
        files = {oid: path for oid, path in sources.items() if oid not in lists}
        with ThreadPoolExecutor(WORKERS) as pool:
            sent = sum(pool.map(lambda item: self.send(item[1], item[0]), files.items()))
            return sent + sum(pool.map(lambda item: self.send(item[1], item[0]), lists.items()))

    def fetch(self, oid: str, target: Path) -> int:
        """Download an object, and verify it; returns its bytes.

        The target appears only once it is complete and verified.

        Raises:
            StoreError: the store lacks it, does not answer, refuses, or returned other bytes; or no
                room is left here.
        """
        files, path = self._object(oid)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
        with self._errors(f"object {oid}"), replacing(target, temporary=temporary):
            files.get_file(path, str(temporary))
            if file_md5(temporary) != oid.removesuffix(".dir"):
                raise StoreError(
                    f"{self.address.url} returned other bytes for object {oid}; where the cache "
                    "holds it, `p4d push` after deleting that object sends it again"
                )
            return temporary.stat().st_size

    def delete(self, oid: str) -> None:
        """Remove an object, if it is there: one with other bytes than its name says."""
        files, path = self._object(oid)
        with self._errors(f"object {oid}"):
            self._remove(files, path)

    def read_record(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        """The record of that name, or None if there is none.

        Raises:
            StoreError: the store does not answer or refuses.
            ContractError: the record is no JSON.
        """
        files, root = self._opened
        with self._errors(f"record {name}"):
            try:
                with files.open(f"{root}/{name}", "rb") as stream:
                    payload = stream.read()
            except FileNotFoundError:
                return None
        try:
            return json.loads(payload)
        except ValueError as error:
            raise ContractError(
                f"record {name} at {self.address.url} is no JSON: {error}"
            ) from error

    def write_record(self, name: str, value: object, scratch: Path) -> None:
        """Write a record, whole or not at all, by way of a file in `scratch`."""
        files, root = self._opened
        source = scratch / f"record-{uuid.uuid4().hex}.json"
        source.write_text(canonical_json(value), encoding="utf-8")
        try:
            with self._errors(f"record {name}"):
                self._put(files, source, f"{root}/{name}")
        finally:
            source.unlink(missing_ok=True)

    def delete_record(self, name: str) -> None:
        """Remove a record, if it is there."""
        files, root = self._opened
        with self._errors(f"record {name}"):
            self._remove(files, f"{root}/{name}")

    def _object(self, oid: str) -> tuple[Any, str]:
        if not OBJECT_ID.fullmatch(oid):
            raise StoreError(f"{oid[:80]!a} is no hash of an object")
        files, root = self._opened
        return files, f"{root}/files/md5/{oid[:2]}/{oid[2:]}"

    def _put(self, files: Any, source: Path, path: str) -> None:  # noqa: ANN401
        """Upload so that the name appears with the whole content: S3 does, a folder needs help."""
        if files.protocol == "local":
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
            with replacing(target, durable=True, temporary=temporary):
                files.put_file(str(source), str(temporary))
        else:
            files.put_file(str(source), path)

    @staticmethod
    def _remove(files: Any, path: str) -> None:  # noqa: ANN401
        try:
            files.rm_file(path) if files.protocol != "local" else os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            return

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Errors of the client, as ours."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(self._said(what, self._reason(error))) from error

    def _reason(self, error: Exception) -> Exception:
        """The error, or a better one: S3's refusal of a HEAD has no body, so no reason."""
        files, root = self._opened
        if not isinstance(error, PermissionError) or files.protocol != "s3":
            return error
        try:
            files.fs.call_s3("list_objects_v2", Bucket=root.partition("/")[0], MaxKeys=1)
        except Exception as reason:  # noqa: BLE001 - whatever the store says of it
            return reason
        return error

    def _said(self, what: str, error: Exception) -> str:
        where = f"the object store {self.address.url}"
        if isinstance(error, OSError) and out_of_space(error):
            return f"no room left here for {what} of {where} ({error}); free space and run again"
        if any(text in f"{error} {error.__cause__}" for text in CLOCK):
            return (
                f"{where} refuses {what}, as the clock of this machine is off by more than 15 "
                f"minutes ({error}); set it (NTP), then run again"
            )
        if isinstance(error, PermissionError) or "Forbidden" in str(error):
            return (
                f"{where} refuses {what} ({error}); the credentials come from the environment, the "
                "profile or the role of this machine"
            )
        endpoint = self.address.options.get("endpointurl")
        return f"{where}{f' ({endpoint})' if endpoint else ''} failed at {what}: {error!r}"
