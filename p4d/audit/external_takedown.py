"""`p4d takedown` of an external row (`ext_`) or medium (`med_`).

`external/takedowns.yaml` names what is out; the stage `external` reads it, so exactly this stage
becomes stale, and what is rebuilt holds neither the row nor, for a medium, any row that shows it.
The files of a medium below `external/` are removed. What superseded versions hold is purged as that
of a video (p4d/audit/takedown.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from p4d.artifacts import write_bytes
from p4d.audit.lookup.lookup import Lookup
from p4d.audit.takedown import Purge, decisions_of, purge_versions, render_derived
from p4d.errors import LedgerError
from p4d.external.takedowns import TAKEDOWNS, read_takedowns
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.ledger import Ledger

FOLDER = "external"
_TABLES = {"ext": ("rows.parquet", "row_id"), "med": ("media.parquet", "media_id")}


def is_external(identifier: str) -> bool:
    """Whether an id is that of an external row or medium."""
    return identifier.partition("_")[0] in _TABLES


@dataclass(frozen=True, kw_only=True)
class AffectedByExternal:
    """What was ever made from an external row or medium.

    Attributes:
        identifier: its id.
        row: of the table that holds it, in the last version that does.
        taken_down: whether `external/takedowns.yaml` names it.
        ids: its rows and the decisions that derive from it.
        versions: every recorded version that derives from it, oldest first.
        current: those of them that dvc.lock names now.
    """

    identifier: str
    row: Mapping[str, Any]
    taken_down: bool
    ids: Mapping[str, tuple[str, ...]]
    versions: tuple[ArtifactVersion, ...]
    current: frozenset[ArtifactVersion]

    def render_text(self) -> str:
        """What is affected, by kind, current and superseded."""
        state = "taken down" if self.taken_down else "in use"
        of = self.row.get("sha256") or f"{self.row.get('set')}, {self.row.get('file')}"
        lines = [f"{self.identifier}: {state}, {of}"]
        return "\n".join([*lines, *render_derived(self.ids, self.versions, self.current)])


def affected(project: Project, identifier: str) -> AffectedByExternal:
    """Everything downstream of an external row or medium, in all recorded versions.

    Raises:
        LedgerError: no recorded version holds it.
    """
    table, column = _TABLES[identifier.partition("_")[0]]
    with Lookup(project) as lookup:
        holders = {
            version: rows[0]
            for version in lookup.index.versions(FOLDER)
            if (rows := lookup.rows(version, table, column, [identifier]))
        }
        if not holders:
            raise LedgerError(
                f"{identifier} is no external row or medium; `p4d why {identifier}` lists similar "
                "ids"
            )
        versions = lookup.index.downstream(set(holders))
        own: dict[str, None] = {}
        decisions: dict[str, None] = {}
        for version in versions:
            if version in holders:
                own |= dict.fromkeys(_rows_of(lookup, version, identifier))
            if version.key.stage == "champion":
                decisions |= dict.fromkeys(decisions_of(lookup, version))
        current = frozenset(version for version in versions if lookup.is_current(version))
    down = {str(entry["id"]) for entry in read_takedowns(project.root / FOLDER)}
    return AffectedByExternal(
        identifier=identifier,
        row=list(holders.values())[-1],
        taken_down=identifier in down,
        ids={"rows": tuple(own), "decisions": tuple(decisions)},
        versions=tuple(versions),
        current=current,
    )


def take_down(project: Project, identifier: str, *, reason: str, by: str) -> list[str]:
    """Remove an external row or medium for good; returns what was done, one line each.

    Taking down again finishes what was interrupted and changes nothing else.

    Raises:
        LedgerError: no recorded version holds it.
    """
    found = affected(project, identifier)
    folder = project.root / FOLDER
    done = []
    with project_lock(project):
        entries = read_takedowns(folder)
        if identifier not in {str(entry["id"]) for entry in entries}:
            entry = {
                "id": identifier,
                **({"sha256": found.row["sha256"]} if "sha256" in found.row else {}),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "by": by,
                "reason": reason,
            }
            text = yaml.safe_dump({"takedowns": [*entries, entry]}, sort_keys=False)
            write_bytes(folder / TAKEDOWNS, text.encode())
            Ledger(project).append("decision", {"subject": "takedown", **entry})
            done.append(f"recorded in {FOLDER}/{TAKEDOWNS} and in the ledger")
        files = _files_of(folder, found.row)
        for path in files:
            path.unlink()
            done.append(f"removed {path.relative_to(project.root)}")
        if "sha256" in found.row and not files:
            done.append(
                f"no file below {FOLDER}/ has this content: a Parquet file may hold it, and is "
                "yours to change; p4d does not read it from there again"
            )
    return done


def purge(project: Project, identifier: str) -> Purge:
    """Remove all superseded objects that hold it from the cache; list them for remotes.

    Raises:
        PublishError: it is not taken down, or a current version still derives from it.
    """
    found = affected(project, identifier)
    return purge_versions(
        project, identifier, found.versions, taken_down=found.taken_down, current=found.current
    )


def _rows_of(lookup: Lookup, version: ArtifactVersion, identifier: str) -> list[str]:
    if identifier.startswith("ext_"):
        return [identifier]
    import polars as pl

    from p4d.artifacts import scan_table

    table = lookup.file(version, "rows.parquet")
    if table is None:
        return []
    holds = pl.col("media_ids").list.contains(identifier)
    found: list[str] = scan_table(table).filter(holds).collect()["row_id"].to_list()
    return found


def _files_of(folder: Path, row: Mapping[str, Any]) -> list[Path]:
    """The files of a medium below `external/`, by content."""
    if "sha256" not in row:
        return []
    alike = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size == row["bytes"]
    ]
    return [path for path in alike if sha256_file(path) == row["sha256"]]
