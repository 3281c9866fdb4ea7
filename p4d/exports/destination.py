"""The folder of an export: it appears whole, with the SHA-256 of every file, and is recorded.

Everything is written into a hidden folder beside it. An export that was killed, or that filled the
disk, is continued by the same command: files whose hash is in the journal of the hidden folder are
kept. Two exports with equal inputs and options have equal bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from p4d.artifacts import read_json, write_bytes, write_json
from p4d.atomic import out_of_space, sync_folder
from p4d.audit.exported import DESCRIPTION, SUMS, sums_text
from p4d.errors import ContractError, PublishError
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.ledger.ledger import Ledger

_JOURNAL = ".done.jsonl"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        path: the folder.
        export_id: depends on what was exported and how, and on nothing else.
        counts: rows, clips, videos and files, and what was left out, by name.
        again: whether the folder was there already, whole, from an equal export.
    """

    path: Path
    export_id: str
    counts: Mapping[str, int]
    again: bool = False

    def __str__(self) -> str:
        """The folder and what it holds, one line."""
        what = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"{self.path}: {self.export_id}, {what}{'; was there already' if self.again else ''}"


class Staging:
    """The hidden folder in which an export is written.

    Attributes:
        folder: where to write.
    """

    def __init__(self, folder: Path) -> None:
        """Open `folder`, with what an interrupted export left in it."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / _JOURNAL
        self._hashes = self._read()

    def has(self, names: Iterator[str] | list[str]) -> bool:
        """Whether an earlier try wrote all these files, and they are as it wrote them."""
        return all(
            name in self._hashes
            and (self.folder / name).is_file()
            and sha256_file(self.folder / name) == self._hashes[name]
            for name in names
        )

    def done(self, names: Iterator[str] | list[str]) -> None:
        """Note that these files are complete."""
        with self._journal.open("a", encoding="utf-8") as stream:
            for name in names:
                self._hashes[name] = sha256_file(self.folder / name)
                stream.write(json.dumps([name, self._hashes[name]]) + "\n")

    def clean(self) -> None:
        """Remove the journal, and what a killed process had not finished."""
        self._journal.unlink(missing_ok=True)
        for path in self.folder.rglob(".*.tmp*"):
            path.unlink()

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._journal.is_file():
            for line in self._journal.read_text(encoding="utf-8").splitlines():
                try:
                    name, digest = json.loads(line)
                except ValueError:  # the last line, cut by a kill
                    continue
                found[name] = digest
        return found


def existing_export(path: Path, export_id: str) -> Exported | None:
    """The same export, if `path` holds it whole; None if `path` is free.

    Raises:
        ContractError: `path` holds something else.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    description = path / DESCRIPTION
    if path.is_dir() and description.is_file():
        said = read_json(description)
        if said.get("export_id") == export_id:
            sums = path / SUMS
            if sums.is_file() and sums.read_text(encoding="utf-8") == sums_text(path):
                return Exported(path=path, export_id=export_id, counts=said["counts"], again=True)
            raise ContractError(
                f"{path} holds {export_id}, and files were altered since; remove it, or name "
                "another folder"
            )
    raise ContractError(f"{path} is not empty; name a folder that does not exist yet")


def refuse_artifacts(project: Project, path: Path) -> None:
    """Refuse a folder among the artifacts.

    Raises:
        ContractError: `path` lies in data/.
    """
    if path.resolve().is_relative_to(project.data.resolve()):
        raise ContractError(f"{path} lies among the artifacts; name a folder outside of data/")


@contextmanager
def staged(path: Path, export_id: str) -> Iterator[Staging]:
    """Write an export into a hidden folder, which becomes `path` if the block ends.

    Raises:
        ContractError: another process writes this export, or its place cannot be written.
        PublishError: the disk is full; the hidden folder is kept, and the same command continues.
    """
    hidden = path.with_name(f".{path.name}.{export_id}.partial")
    hidden.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(hidden.with_suffix(".lock"))
    try:
        Path(lock.lock_file).touch()  # FileLock takes any failure for another process
    except OSError as error:
        raise ContractError(
            f"{path.parent} cannot be written ({error.strerror}); name another place"
        ) from error
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ContractError(f"another process is writing {path}; let it finish") from error
    try:
        staging = Staging(hidden)
        yield staging
        staging.clean()
        write_bytes(hidden / SUMS, sums_text(hidden).encode())
        for folder in (hidden, *(each for each in hidden.rglob("*") if each.is_dir())):
            folder.chmod(0o755)
        os.sync()
        if path.exists():
            path.rmdir()  # it is empty: `existing_export` has looked
        hidden.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        if out_of_space(error):
            raise PublishError(
                f"the disk of {path} is full. What is written is kept in {hidden}: free space and "
                "type the same command again, or remove that folder"
            ) from error
        raise
    finally:
        lock.release()
        hidden.with_suffix(".lock").unlink(missing_ok=True)


def describe(staging: Staging, description: Mapping[str, Any]) -> None:
    """Write what the folder is: ids, versions, options and counts."""
    write_json(staging.folder / DESCRIPTION, dict(description))


def record(project: Project, path: Path) -> None:
    """Record an export in the ledger, unless its last record is of the same bytes at this place."""
    said = read_json(path / DESCRIPTION)
    place = os.path.relpath(path.resolve(), project.root.resolve())
    body = {
        "subject": said["kind"],
        "export_id": said["export_id"],
        "path": Path(place).as_posix(),
        "sums_sha256": sha256_file(path / SUMS),
        "release_id": said["release_id"],
        "upstream": said["upstream"],
        "options": said["options"],
        "counts": said["counts"],
    }
    ledger = Ledger(project)
    same = [
        each for each in ledger.records("export")
        if each["path"] == body["path"]
    ]  # fmt: skip
    if not same or any(same[-1][name] != value for name, value in body.items()):
        ledger.append("export", body)
