"""One conversation of an external set, as all forms are read into."""

from __future__ import annotations

from dataclasses import dataclass

VIDEO, IMAGE = "<video>", "<image>"
"""Markers that stand for a file in the text of a question."""


class RowFault(Exception):  # noqa: N818 - a finding about data, which becomes a row of its own
    """Why a row is rejected."""


@dataclass(frozen=True)
class MediumSource:
    """A video or picture of a row.

    Attributes:
        marker: `<video>` or `<image>`.
        name: path below the folder of the set; "" for a picture inside of a Parquet file.
        payload: the bytes of such a picture.
    """

    marker: str
    name: str = ""
    payload: bytes | None = None


@dataclass(frozen=True)
class ForeignTurn:
    """A question, with one marker for each medium that it shows, and its answer."""

    asked: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class ForeignRow:
    """One row.

    Attributes:
        form: `llava`, `messages`, `sat` or `vsti`.
        source_id: its id in the file; "" without one.
        turns: in order; every answer is a target.
        media: in the order of their markers.
        question_type: the set's own word for the kind of question; "" without one.
        scene: the set's own word for the scene; "" without one.
    """

    form: str
    source_id: str
    turns: tuple[ForeignTurn, ...]
    media: tuple[MediumSource, ...]
    question_type: str = ""
    scene: str = ""
