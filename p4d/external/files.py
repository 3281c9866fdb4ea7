"""The rows of one external set, file by file; a file or row that cannot be read is a finding.

Rows are read from the `.json`, `.jsonl` and `.parquet` files that lie directly in the folder of the
set, in the order of their names. `source.json` states licence and source, `dataset_info.json`
(LLaMA-Factory) names columns, and frame metadata (p4d/external/vsti.py) holds poses: none of them
holds rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p4d.errors import ContractError
from p4d.external import sat, vsti
from p4d.external.conversation import ForeignRow, RowFault
from p4d.external.forms import Columns, check_texts, read_record
from p4d.foreign_json import check_foreign, parse_foreign_json, read_foreign_json
from p4d.sidecars import UNSTATED

SOURCE, INFO = "source.json", "dataset_info.json"
ENDINGS = (".json", ".jsonl", ".parquet")
MAX_CARD_BYTES = 2**20
_BATCH_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class FoundRow:
    """A row that was read, or why it was not.

    Attributes:
        file: name of the file.
        number: of the row in it, from 1; the line in JSON lines. 0: the file as a whole.
        row: the conversation; None if there is a reason.
        reason: why it is rejected; "" if it is not.
        source_id: the row's id, as far as it could be read.
    """

    file: str
    number: int
    row: ForeignRow | None = None
    reason: str = ""
    source_id: str = ""


@dataclass(frozen=True, kw_only=True)
class StatedSet:
    """What the folder of a set states about itself.

    Attributes:
        licence, source: from `source.json`; `UNSTATED` without.
        camera_centre: from `source.json`, see p4d/external/vsti.py.
        columns: by file name, from `dataset_info.json`.
        problems: file and reason, of what is not used.
    """

    licence: str = UNSTATED
    source: str = UNSTATED
    camera_centre: str = ""
    columns: Mapping[str, Columns] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()


def read_stated(folder: Path) -> StatedSet:
    """Read `source.json` and `dataset_info.json` of a set; faults are reported and cost no row."""
    texts: dict[str, str] = {}
    columns: dict[str, Columns] = {}
    problems: list[tuple[str, str]] = []
    try:
        if (folder / SOURCE).is_file():
            texts = _texts(read_foreign_json(folder / SOURCE, max_bytes=MAX_CARD_BYTES))
    except ContractError as error:
        problems.append((SOURCE, str(error)))
    try:
        if (folder / INFO).is_file():
            for entry in _entries(read_foreign_json(folder / INFO, max_bytes=MAX_CARD_BYTES)):
                name, made = _columns(entry)
                columns[name] = made
    except ContractError as error:
        problems.append((INFO, str(error)))
    return StatedSet(
        licence=texts.get("licence") or texts.get("license") or UNSTATED,
        source=texts.get("source") or UNSTATED,
        camera_centre=texts.get("camera_centre", ""),
        columns=columns,
        problems=tuple(problems),
    )


def row_files(folder: Path) -> list[Path]:
    """The files of a set that may hold rows, by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in ENDINGS and path.is_file() and path.name not in (SOURCE, INFO)
    )


def read_rows(
    path: Path, stated: StatedSet, *, max_bytes: int, max_chars: int
) -> Iterator[FoundRow | Mapping[str, Any]]:
    """Rows of one file in order; a file of frame metadata gives that object instead.

    Args:
        path: the file.
        stated: what the set states.
        max_bytes: largest file, or line of JSON lines.
        max_chars: of the texts of a row.
    """
    columns = stated.columns.get(path.name, Columns())
    try:
        records: Iterator[tuple[int, object]]
        if path.suffix == ".parquet":
            records = _parquet(path, max_bytes)
        elif path.suffix == ".jsonl":
            records = _lines(path, max_bytes)
        else:
            value = read_foreign_json(path, max_bytes=max_bytes)
            if vsti.is_frame_metadata(value):
                yield value
                return
            if not isinstance(value, list):
                raise ContractError(f"{path.name} is no list of rows")
            records = iter(enumerate(value, start=1))
        for number, record in records:
            yield _found(path.name, number, record, columns, max_chars)
    except ContractError as error:
        yield FoundRow(file=path.name, number=0, reason=str(error))


def _found(file: str, number: int, record: object, columns: Columns, max_chars: int) -> FoundRow:
    source_id = record.get("id") if isinstance(record, Mapping) else None
    source_id = str(source_id)[:200] if isinstance(source_id, str | int) else ""
    try:
        if isinstance(record, _BadLine):
            raise RowFault(record.reason)
        if isinstance(record, Mapping) and record.keys() >= sat.FIELDS:
            row = sat.read_sat(record)
        else:
            row = read_record(record, columns)
        check_texts(row, max_chars)
    except RowFault as fault:
        return FoundRow(file=file, number=number, reason=str(fault), source_id=source_id)
    return FoundRow(file=file, number=number, row=row, source_id=source_id)


# --- files --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _BadLine:
    reason: str


def _lines(path: Path, max_bytes: int) -> Iterator[tuple[int, object]]:
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(max_bytes + 1):
                number += 1
                if len(line) > max_bytes:
                    raise ContractError(f"{path.name}: line {number} is over {max_bytes} bytes")
                if not line.strip():
                    continue
                try:
                    yield number, parse_foreign_json(line, f"line {number}")
                except ContractError as error:
                    yield number, _BadLine(str(error))
    except OSError as error:
        raise ContractError(f"{path.name} cannot be read: {error.strerror}") from error


def _parquet(path: Path, max_bytes: int) -> Iterator[tuple[int, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size > max_bytes:
        raise ContractError(f"{path.name} is larger than {max_bytes} bytes")
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    yield number, _as_foreign(record, number)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ContractError(f"{path.name} cannot be read after row {number}: {reason}") from error


def _as_foreign(record: Mapping[str, object], number: int) -> object:
    texts = {name: value for name, value in record.items() if not isinstance(value, bytes)}
    try:
        check_foreign(texts, f"row {number}")
    except ContractError as error:
        return _BadLine(str(error))
    return record


# --- what a set states --------------------------------------------------------------------------


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ContractError(f"{SOURCE} is no object")
    return {key: each[:500] for key, each in value.items() if isinstance(each, str)}


def _entries(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        raise ContractError(f"{INFO} is no object")
    found = [each for each in value.values() if isinstance(each, Mapping)]
    return [each for each in found if isinstance(each.get("file_name"), str)]


def _columns(entry: Mapping[str, Any]) -> tuple[str, Columns]:
    """The columns that an entry of `dataset_info.json` names (LLaMA-Factory, data/README.md)."""
    name = str(entry["file_name"])
    if entry.get("formatting", "alpaca") != "sharegpt":
        raise ContractError(f"{INFO}: {name} is not of formatting sharegpt, which alone is read")
    columns = {k: v for k, v in (entry.get("columns") or {}).items() if isinstance(v, str)}
    tags = {k: v for k, v in (entry.get("tags") or {}).items() if isinstance(v, str)}
    known = Columns()
    roles = dict(known.roles)
    for tag, role in (
        ("user_tag", "user"),
        ("assistant_tag", "assistant"),
        ("system_tag", "system"),
    ):
        if tag in tags:
            roles[tags[tag]] = role

    def names(key: str, given: Mapping[str, str], default: tuple[str, ...]) -> tuple[str, ...]:
        return (given[key],) if key in given else default

    return name, Columns(
        messages=names("messages", columns, known.messages),
        role=names("role_tag", tags, known.role),
        content=names("content_tag", tags, known.content),
        roles=roles,
        files={
            marker: names(key, columns, keys)
            for key, (marker, keys) in zip(("videos", "images"), known.files.items(), strict=True)
        },
        system=columns.get("system", known.system),
    )
