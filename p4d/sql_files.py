"""SQL files and their headers: what a row is, what identifies it, and every column with its unit.

This module imports no database: the list of gates is read from these headers wherever checks are
declared.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from p4d.distribution import repository_file
from p4d.errors import ContractError

SQL_ROOT = repository_file("sql")
"""The SQL files of this package."""

_COLUMN = re.compile(
    r"--   (?P<name>\w+) (?P<type>[a-z0-9\[\]]+)(?P<folder> = folder)?: (?P<text>.+)"
)
_ENTRY = re.compile(r"-- (?P<name>holds|grain|key|source): (?P<text>.+)")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column as its header declares it.

    Attributes:
        type: a DuckDB type.
        text: meaning and unit.
        from_folder: the value is the name of the file's folder, that is, its shard.
    """

    name: str
    type: str
    text: str
    from_folder: bool = False


@dataclass(frozen=True, kw_only=True)
class SqlFile:
    """One SQL file with its header.

    Attributes:
        summary: what the rows are.
        grain: what one row stands for.
        key: columns that identify a row.
        source: `stage/file` under data/ that a staging view reads; `stage` may end in `*`.
        holds: of a gate, the sentence that is true if the query returns no row.
        columns: the declared result, in order.
        body: the query.
    """

    path: Path
    summary: str
    grain: str
    key: tuple[str, ...]
    source: str | None
    holds: str | None
    columns: tuple[Column, ...]
    body: str

    @property
    def name(self) -> str:
        """File name without its ending: the name of the view or query."""
        return self.path.stem

    @classmethod
    def read(cls, path: Path) -> SqlFile:
        """Parse one file.

        Raises:
            ContractError: the header lacks its summary, grain, key or columns.
        """
        text = path.read_text(encoding="utf-8")
        header = [line for line in text.splitlines() if line.startswith("--")]
        entries = {found["name"]: found["text"] for found in map(_ENTRY.fullmatch, header) if found}
        columns = tuple(
            Column(
                name=found["name"],
                type=found["type"],
                text=found["text"],
                from_folder=found["folder"] is not None,
            )
            for found in map(_COLUMN.fullmatch, header)
            if found
        )
        before = next((i for i, line in enumerate(header) if _ENTRY.fullmatch(line)), 0)
        summary = " ".join(line.removeprefix("--").strip() for line in header[:before]).strip()
        if not (summary and columns and {"grain", "key"} <= set(entries)):
            raise ContractError(f"{path}: the header needs a summary, grain, key and columns")
        return cls(
            path=path,
            summary=summary,
            grain=entries["grain"],
            key=tuple(part.strip() for part in entries["key"].split(",")),
            source=entries.get("source"),
            holds=entries.get("holds"),
            columns=columns,
            body="\n".join(line for line in text.splitlines() if not line.startswith("--")).strip(),
        )


@functools.cache
def sql_files(layer: str, root: Path = SQL_ROOT) -> Mapping[str, SqlFile]:
    """The files of one layer (`staging`, `gates`, `marts`, `audit`) by name, in name order.

    Gates are named `stage/gate`, as their files are.
    """
    home = root / layer
    return {
        path.relative_to(home).with_suffix("").as_posix(): SqlFile.read(path)
        for path in sorted(home.rglob("*.sql"))
    }


def stages_read(text: str) -> frozenset[str]:
    """Stages whose files a query over the views reads, directly or through a mart."""
    views = {**sql_files("staging"), **sql_files("marts")}
    found: set[str] = set()
    waiting = [text]
    seen: set[str] = set()
    while waiting:
        for name in set(re.findall(r"\w+", waiting.pop())) & set(views) - seen:
            seen.add(name)
            waiting.append(views[name].body)
            if (source := views[name].source) is not None:
                found.add(source.partition("/")[0])
    return frozenset(found)
