"""JSON that somebody else wrote: beside a video, in a benchmark, in the folder of a model.

It is data of limited size and depth, or an error that names it. `p4d.artifacts.read_json` is for
the files that p4d writes itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from p4d.errors import ContractError

MAX_DEPTH = 64
"""Lists and objects within one another. The formats that are read here need at most ten."""
_PIECE_BYTES = 1 << 20


def read_foreign_json(path: Path, *, max_bytes: int, name: str | None = None) -> Any:  # noqa: ANN401 - as the file has it
    """Parse a file of at most `max_bytes`; errors call it `name`, or else by its own name.

    Raises:
        ContractError: the file cannot be read, is too large or too deep, is no JSON in UTF-8, or
            holds a text that has no UTF-8 form.
    """
    name = name or path.name
    try:
        with path.open("rb") as stream:
            payload = _read_at_most(stream, max_bytes + 1)
    except (OSError, ValueError) as error:
        raise ContractError(f"{name} cannot be read: {_reason(error)}") from error
    if len(payload) > max_bytes:
        raise ContractError(f"{name} is larger than {max_bytes} bytes")
    return parse_foreign_json(payload, name)


def _read_at_most(stream: BinaryIO, limit: int) -> bytes:
    """Up to `limit` bytes, in pieces: `read(limit)` would reserve the limit for a small file."""
    pieces = []
    while limit > 0 and (piece := stream.read(min(limit, _PIECE_BYTES))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def parse_foreign_json(payload: bytes | str, name: str) -> Any:  # noqa: ANN401 - as the text has it
    """Parse a text; see `read_foreign_json`."""
    try:
        value = json.loads(payload)
    except RecursionError as error:
        raise ContractError(f"{name} is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:  # also of bytes that are no UTF-8
        raise ContractError(f"{name} is no JSON: {error}") from error
    check_foreign(value, name)
    return value


def check_foreign(value: object, name: str) -> None:
    """Check the depth of a parsed value, and that every text of it can be written.

    Raises:
        ContractError: it is too deep, or holds half of a surrogate pair, which JSON can spell and
            no file can hold.
    """
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            _check_text(part, name)
        elif isinstance(part, dict | list | tuple):
            if depth > MAX_DEPTH:
                raise ContractError(f"{name} is nested deeper than {MAX_DEPTH} levels")
            waiting += [(each, depth + 1) for each in part]
            if isinstance(part, dict):
                waiting += [(each, depth + 1) for each in part.values()]


def _check_text(text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ContractError(f"{name} holds {text[:40]!a}, which is no Unicode text") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
