"""A JSON file that is one list of rows, read row by row: of a large file, only places are kept.

The file is read in pieces once, and the place of every row is noted under its video. A row is
parsed again, and checked, when its video is read.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from p4d.datasets.shown import shown
from p4d.errors import ContractError, DatasetError
from p4d.foreign_json import parse_foreign_json

MAX_ROW_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class RowFile:
    """Where the rows of each video lie in a file.

    Attributes:
        places: by video: number of the row, its first byte and its length.
    """

    path: Path
    places: Mapping[str, tuple[tuple[int, int, int], ...]]

    @classmethod
    def of(cls, path: Path) -> RowFile:
        """The places of all rows with a `video` and a list `annotation`; others are left out.

        Raises:
            DatasetError: the file is missing, or no list of rows.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
        return _indexed(path, status.st_size, status.st_mtime_ns)

    def rows(self, video: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Number and content of each row of a video.

        Raises:
            DatasetError: the file cannot be read, or a row is no JSON.
        """
        try:
            with self.path.open("rb") as stream:
                for number, start, length in self.places.get(video, ()):
                    stream.seek(start)
                    name = f"{self.path.name}: row {number}"
                    yield number, parse_foreign_json(stream.read(length), name)
        except OSError as error:
            raise DatasetError(f"{shown(self.path)}: cannot be read: {error.strerror}") from error
        except ContractError as error:
            raise DatasetError(str(error)) from error


# The reader of a sequence keeps no state, and a file has thousands of videos. The result depends on
# nothing but the file of this size and time.
@functools.lru_cache(maxsize=1)
def _indexed(path: Path, size: int, mtime_ns: int) -> RowFile:
    del size, mtime_ns
    places: dict[str, list[tuple[int, int, int]]] = {}
    try:
        with path.open("rb") as stream:
            for number, (row, start, length) in enumerate(_values(stream, path)):
                if isinstance(row, dict) and isinstance(row.get("annotation"), list):
                    video = row.get("video")
                    if isinstance(video, str):
                        places.setdefault(_as_utf8(video, path), []).append((number, start, length))
    except OSError as error:
        raise DatasetError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    return RowFile(path, {video: tuple(found) for video, found in places.items()})


def _values(stream: BinaryIO, path: Path) -> Iterator[tuple[Any, int, int]]:
    """Each value of the list with its first byte and length.

    Bytes are taken as Latin-1, in which one is one character: places of text are those of the file,
    and all signs of JSON are the same.
    """
    text = _Window(stream)
    if text.next_sign() != "[":
        raise DatasetError(f"{path.name}: holds no list of rows")
    text.skip(1)
    if text.next_sign() == "]":
        return
    while True:
        text.next_sign()
        start = text.place
        value, length = _value(text, path)
        yield value, start, length
        sign = text.next_sign()
        text.skip(1)
        if sign == "]":
            return
        if sign != ",":
            raise DatasetError(f"{path.name}: is no JSON: no comma at byte {text.place - 1}")


def _value(text: _Window, path: Path) -> tuple[Any, int]:
    """The value at the window's place and its length, behind which the place is then."""
    while True:
        try:
            value, end = json.JSONDecoder().raw_decode(text.text, text.at)
        except RecursionError as error:
            raise DatasetError(f"{path.name}: a row is nested too deep") from error
        except ValueError as error:
            if not text.more():
                place = text.place
                raise DatasetError(f"{path.name}: is no JSON behind byte {place}") from error
        else:
            # A number may go on behind the text that was read so far.
            if end < len(text.text) or not text.more():
                length = end - text.at
                text.skip(length)
                return value, length
        if len(text.text) - text.at > MAX_ROW_BYTES:
            raise DatasetError(
                f"{path.name}: the row at byte {text.place} is no JSON, or has more than "
                f"{MAX_ROW_BYTES} bytes"
            )


class _Window:
    """The part of a file that is not read yet, from its place on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before = 0
        self.text, self.at = "", 0

    @property
    def place(self) -> int:
        """The byte of the file at which the window is."""
        return self._before + self.at

    def more(self) -> bool:
        """Read on, as much again as there is; False at the end of the file."""
        self._before += self.at
        self.text, self.at = self.text[self.at :], 0
        read = self._stream.read(max(_PIECE_BYTES, len(self.text)))
        self.text += read.decode("latin-1")
        return bool(read)

    def next_sign(self) -> str:
        """The next sign that is no space, at which the place is then; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            assert found is not None
            self.at = found.end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def skip(self, length: int) -> None:
        """Go on."""
        self.at += length


def _as_utf8(text: str, path: Path) -> str:
    """A text of the file: bytes were taken as Latin-1, and JSON may spell others by number."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeEncodeError:
        return text
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.name}: a text is no UTF-8") from error
