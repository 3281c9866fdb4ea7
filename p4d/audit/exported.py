"""Exported folders, as the ledger records them: what they hold, and whether they still do.

An export is a record of kind `export`: its id, its place relative to the project, the versions that
it read, and the SHA-256 of its list of files. Where a folder is gone, or was moved to another
machine, the report notes it, and it is no fault: `sha256sum -c SHA256SUMS` checks it anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.problem import Problem
from p4d.versioning.ledger.record import Record

DESCRIPTION, SUMS = "p4d_export.json", "SHA256SUMS"
"""Files at the top of every exported folder: what it is, and the SHA-256 of all its files."""


def sums_text(folder: Path) -> str:
    """The content of `SHA256SUMS`: digest and name of every other file, by name."""
    return "".join(f"{sha256_file(folder / name)}  {name}\n" for name in _files(folder))


def _files(folder: Path) -> list[str]:
    """Names of all files but the list itself, and but what Python leaves beside a loaded module."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != SUMS and path.parent.name != "__pycache__"
    )


def exports_in_place(project: Project) -> list[Record]:
    """The last export recorded at each place, oldest first."""
    last: dict[str, Record] = {}
    for record in Ledger(project).records("export"):
        last.pop(record["path"], None)
        last[record["path"]] = record
    return list(last.values())


def export_problems(project: Project) -> tuple[list[Problem], list[str]]:
    """Compare every exported folder that is there with its record.

    Returns:
        What is wrong, and a note for each folder that is gone.
    """
    problems: list[Problem] = []
    notes = []
    for record in exports_in_place(project):
        folder = project.root / record["path"]
        if not folder.is_dir():
            notes.append(f"{record['export_id']} at {record['path']} is gone")
            continue
        problems += _problems_of(folder, record)
    return problems, notes


def _problems_of(folder: Path, record: Record) -> Iterator[Problem]:
    shown = record["path"]
    sums = folder / SUMS
    if not sums.is_file():
        yield Problem("missing", f"{shown}/{SUMS}", f"of {record['export_id']}")
        return
    if sha256_file(sums) != record["sums_sha256"]:
        detail = f"is not the list of {record['export_id']}; export again to an empty folder"
        yield Problem("altered", f"{shown}/{SUMS}", detail)
        return
    said: dict[str, str] = {}
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        said[name] = digest
    present = set(_files(folder))
    for name, digest in said.items():
        if name not in present:
            yield Problem("missing", f"{shown}/{name}", f"of {record['export_id']}")
        elif sha256_file(folder / name) != digest:
            yield Problem("altered", f"{shown}/{name}", f"SHA-256 is not {digest}")
    for name in sorted(present - said.keys()):
        yield Problem("orphaned", f"{shown}/{name}", f"is not part of {record['export_id']}")
