"""SQL over the artifacts: an in-memory DuckDB whose views read the published files.

Parquet files and the ledger are the store; nothing here writes. `sql/staging` holds one view per
kind of file, `sql/marts` views over those, `sql/audit` queries with parameters, and `sql/gates`
queries that return offending rows (p4d/quality runs them). Each SQL file begins with a header that
states what a row is and lists every column. A staging header is also the schema of the file: a
stage that was never run is an empty view with the right types.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import polars as pl

from p4d.errors import ContractError
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.sql_files import SqlFile, sql_files, stages_read

Folder = Path | Mapping[str, Path]
"""A stage's folder, the folder that holds those of all shards, or the folders by shard."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "2GB",
    # The wheel ships no extensions: a missing one should fail at once, not by a download.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # A name in SQL is a view, never a variable of this program.
    "python_enable_replacements": False,
}


class Warehouse:
    """Views over a set of stage folders.

    A view is made when a query first names it, so a file that breaks its schema fails only the
    queries that read it.
    """

    def __init__(self, project: Project) -> None:
        """Views over everything published in `project`, whatever stages it has so far."""
        self._open({name: project.data / name for name in BY_NAME}, project.data / "ledger")

    @classmethod
    def over(cls, folders: Mapping[str, Folder]) -> Warehouse:
        """Views over the given stage folders alone; all other views are empty."""
        warehouse = cls.__new__(cls)
        warehouse._open(folders, None)
        return warehouse

    def _open(self, folders: Mapping[str, Folder], ledger: Path | None) -> None:
        self._folders = {name: _absolute(folder) for name, folder in folders.items()}
        if ledger is not None:
            self._folders["ledger"] = ledger.absolute()
        self._views = {**sql_files("staging"), **sql_files("marts")}
        self._made: set[str] = set()
        self._ledger_seen: list[tuple[int, int]] = []
        self._con = duckdb.connect(":memory:", config=_SETTINGS)
        # A view over one file per shard reads the metadata of each whenever it is named.
        self._con.execute("set parquet_metadata_cache = true")
        # Dates in queries mean UTC on every machine.
        self._con.execute("set timezone = 'UTC'")
        # Last: queries read the folders above and no other file, and cannot change that.
        readable = [part for folder in self._folders.values() for part in _parts(folder)]
        self._con.execute(f"set allowed_directories = {_list(readable)}")
        self._con.execute("set enable_external_access = false")
        self._con.execute("set lock_configuration = true")

    def _make_views_of(self, text: str) -> None:
        for name in sorted(set(re.findall(r"\w+", text)) & set(self._views)):
            if name in self._made:  # maybe as part of the one before
                continue
            view = self._views[name]
            self._make_views_of(view.body)
            body = view.body
            if view.source is not None:
                # Inlined, not a view of its own: each use of a view reads all files' metadata.
                raw = _scan(view, _files(self._folders, view.source))
                body = body.replace(f"raw.{name.removeprefix('stg_')}", f"({raw})")
            # Views over the ledger alone are computed once, not at every step of a recursive query.
            kind = "temp table" if _is_of_ledger(view) else "view"
            self._con.execute(f"create or replace {kind} {name} as\n{body}")
            self._made.add(name)

    def _forget_old_ledger(self) -> None:
        """Parse the ledger again if it has grown."""
        stats = [path.stat() for path in _files(self._folders, "ledger/ledger.jsonl")]
        now = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        if now != self._ledger_seen:
            self._made -= {name for name, view in self._views.items() if _is_of_ledger(view)}
            self._ledger_seen = now

    def query(self, name_or_sql: str, **parameters: object) -> pl.DataFrame:
        """Rows of a view or audit query by name, or of any SQL over the views.

        Args:
            name_or_sql: `champion_on_date`, or text such as `from stg_clips limit 5`.
            parameters: values of `$name` in the SQL.

        Raises:
            ContractError: no such query, the text is not one select statement, it reads other
                files, a parameter is missing or unknown, or a file breaks the schema of its view.
        """
        return self._run(name_or_sql, text_of(name_or_sql), parameters)

    def gate(self, name: str) -> pl.DataFrame:
        """Offending rows of the gate `stage/name`; it passes if there are none."""
        gates = sql_files("gates")
        if name not in gates:
            raise ContractError(f"no gate called {name!r}; gates: {', '.join(gates)}")
        return self._run(name, gates[name].body, {})

    def _check_statement(self, name: str, text: str) -> None:
        """Whether the text only reads: `copy` and `attach` would write before they fail."""
        text.encode()  # DuckDB raises a TypeError on surrogates
        kinds = [statement.type for statement in self._con.extract_statements(text)]
        if kinds != [duckdb.StatementType.SELECT]:
            found = ", ".join(kind.name for kind in kinds) or "none"
            raise ContractError(
                f"{name[:80]!a}: a query is one select statement and nothing else (found: {found})"
            )

    def _ask(self, text: str, parameters: Mapping[str, object]) -> duckdb.DuckDBPyRelation | None:
        if wrong := [name for name in parameters if not re.fullmatch(r"\w+", name, re.ASCII)]:
            raise ContractError(f"{wrong[0][:80]!a} is no name of a parameter")
        if not parameters:
            return self._con.sql(text)
        # As literals: values bound from Python cost the import of pandas, a third of a second.
        given = ", ".join(f'"{name}" := {_literal(value)}' for name, value in parameters.items())
        given.encode()
        self._con.execute(f"prepare asked as {text}")
        return self._con.sql(f"execute asked({given})")

    def _run(self, name: str, text: str, parameters: Mapping[str, object]) -> pl.DataFrame:
        try:
            self._check_statement(name, text)
            self._forget_old_ledger()
            self._make_views_of(text)
            found = self._ask(text, parameters)
            if found is None:
                raise ContractError(f"{name[:80]!r} gives no rows: only select statements do")
            # Executed first, so that errors are DuckDB's; `found.pl()` would import pyarrow.
            return pl.DataFrame(found.execute())
        except (duckdb.Error, UnicodeEncodeError) as error:
            raise ContractError(f"query {name[:80]!r}: {error}") from error


def text_of(name_or_sql: str) -> str:
    """The SQL of a view or audit query by name; any SQL as it is.

    Raises:
        ContractError: no such query.
    """
    known = {**sql_files("marts"), **sql_files("audit")}
    if name_or_sql in known:
        return known[name_or_sql].body
    if name_or_sql in sql_files("staging"):
        return f"from {name_or_sql}"
    if re.fullmatch(r"\w+", name_or_sql):
        raise ContractError(f"no query called {name_or_sql!r}; known: {', '.join(known)}")
    return name_or_sql


def _parts(folder: Folder) -> list[Path]:
    return [folder] if isinstance(folder, Path) else list(folder.values())


def _absolute(folder: Folder) -> Folder:
    """DuckDB compares paths as text, with those of the folders that it may read."""
    if isinstance(folder, Path):
        return folder.absolute()
    return {shard: path.absolute() for shard, path in folder.items()}


def _is_of_ledger(view: SqlFile) -> bool:
    return stages_read(view.name) == {"ledger"}


def _files(folders: Mapping[str, Folder], source: str) -> list[Path]:
    """Existing files of `stage/name`, in the order of their stages and shards."""
    stage, _, name = source.partition("/")
    found: list[Path] = []
    for key, folder in folders.items():
        if fnmatch.fnmatchcase(key, stage):
            for part in _parts(folder):
                # The folder of a shard, or the one that holds the folders of all shards.
                one = part / name
                found += [one] if one.is_file() else sorted(part.glob(f"*/{name}"))
    return found


def _scan(view: SqlFile, paths: list[Path]) -> str:
    """A query with the columns of `view`, over all `paths` or over nothing."""
    kind = (view.source or "").rpartition(".")[2]
    if kind in ("json", "jsonl"):
        if not paths:
            return "select null::json as record where false"
        if kind == "json":
            return f"select json as record from read_json_objects({_list(paths)})"
        # The last line of an append-only file may be torn: its writer repairs it, readers skip it.
        return (
            f"select json as record from read_json_objects({_list(paths)}, "
            "format = 'newline_delimited', ignore_errors = true) where json is not null"
        )
    if not paths:
        empty = ", ".join(f'null::{column.type} as "{column.name}"' for column in view.columns)
        return f"select {empty} where false"
    reader = "read_parquet" if kind == "parquet" else "read_csv"
    picked = ", ".join(
        f"string_split(_file, '/')[-2] as \"{column.name}\""
        if column.from_folder
        else f'"{column.name}"::{column.type} as "{column.name}"'
        for column in view.columns
    )
    return (
        f"select {picked} from {reader}({_list(paths)}, filename = '_file', union_by_name = true)"
    )


def _list(paths: Iterable[Path]) -> str:
    return f"[{', '.join(map(_text, paths))}]"


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int | float) else _text(value)


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
