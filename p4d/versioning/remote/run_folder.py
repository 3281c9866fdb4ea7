"""A folder of one run in the object store: files by hash, and one record that says which count.

Machines that share nothing else keep there what must outlive each of them, such as the checkpoints
of a training run. It lies beside the objects of the project, below `runs/NAME`, so neither `p4d gc`
nor DVC sees it. Files are sent first and the record last: whoever dies between leaves the earlier
record with its files. Each file is hashed where it arrives.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from p4d.errors import ContractError, StoreError
from p4d.paths import FILE_ID, checked_id, relative_path
from p4d.versioning.files.hashes import file_md5, walk_files
from p4d.versioning.remote.object_store import WORKERS, ObjectStore, StoreAddress

RECORD = "record.json"


class RunFolder:
    """Files and the record of one run; see `p4d.pipeline.SharedFolder`.

    Attributes:
        url: where it is, for messages.
        used: whether this object wrote the record.
    """

    def __init__(self, address: StoreAddress, name: str) -> None:
        """Open the folder of the run `name`; nothing is asked of the store before the first call.

        Raises:
            StoreError: the name is no plain name.
        """
        if not name.strip(".") or not all(each.isalnum() or each in "._-" for each in name):
            raise StoreError(
                f"{name!a} cannot name a run in a store; letters, digits, '.', '_' and '-' can"
            )
        self.url = f"{address.url.rstrip('/')}/runs/{name}"
        self._store = ObjectStore(StoreAddress(self.url, address.options))
        self.used = False

    def read(self) -> dict[str, Any] | None:
        """What the record says besides its files; None if there is no record.

        Raises:
            StoreError: the store does not answer or refuses, or the record is none of ours.
        """
        record = self._record()
        return None if record is None else record["about"]

    def send(self, folder: Path, *, without: str | None = None) -> dict[str, str]:
        """Upload all files below `folder`; returns their hashes by name, for `write`.

        Args:
            folder: of this machine.
            without: a folder in it that is left out.

        Raises:
            StoreError: the store does not answer or refuses.
        """
        names = sorted(name for name, _ in walk_files(folder))
        files = {name: folder / name for name in names if name.partition("/")[0] != without}
        with ThreadPoolExecutor(WORKERS) as pool:
            md5s = dict(zip(files, pool.map(file_md5, files.values()), strict=True))
        self._store.send_all({md5: files[name] for name, md5 in md5s.items()})
        return md5s

    def write(self, files: Mapping[str, str], about: Mapping[str, Any]) -> None:
        """Make sent files those that count, and remove the earlier ones.

        Args:
            files: hashes by name, of every process that sent some.
            about: plain values that `read` returns.

        Raises:
            StoreError: the store does not answer or refuses.
        """
        self.used = True
        before = self._record()
        with tempfile.TemporaryDirectory() as scratch:
            value = {"files": dict(files), "about": dict(about)}
            self._store.write_record(RECORD, value, Path(scratch))
        old = set(before["files"].values()) if before else set()
        for md5 in sorted(old - set(files.values())):
            self._store.delete(md5)

    def fetch(self, folder: Path) -> None:
        """Download the files that count to `folder`, which appears once all are there.

        Raises:
            StoreError: there is no record, or a file is missing or altered in the store.
        """
        record = self._record()
        if record is None:
            raise StoreError(f"{self.url} holds no record")
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            partial.mkdir()
            with ThreadPoolExecutor(WORKERS) as pool:
                sent = record["files"].items()
                list(pool.map(lambda item: self._store.fetch(item[1], partial / item[0]), sent))
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def clear(self) -> None:
        """Remove record and files.

        Raises:
            StoreError: the store does not answer or refuses.
        """
        record = self._record()
        if record is not None:
            self._store.delete_record(RECORD)
            for md5 in sorted(set(record["files"].values())):
                self._store.delete(md5)

    def _record(self) -> dict[str, Any] | None:
        record = self._store.read_record(RECORD)
        if record is None:
            return None
        try:
            files = {
                relative_path(name): checked_id(FILE_ID, md5, "the hash")
                for name, md5 in record["files"].items()
            }
            return {"files": files, "about": dict(record["about"])}
        except (ContractError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{self.url}/{RECORD} is no record of a run ({error}); remove it to start over"
            ) from error
