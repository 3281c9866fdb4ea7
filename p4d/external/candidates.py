"""What the stage `external` has read so far: rows, their media, and what was rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p4d.config import ClipsParams, LandingParams
from p4d.external.conversation import ForeignRow
from p4d.external.files import FoundRow, StatedSet
from p4d.external.media import Kind
from p4d.ids import content_id


@dataclass(frozen=True, kw_only=True)
class ReadingLimits:
    """Bounds of what a set may hold."""

    landing: LandingParams
    clips: ClipsParams
    max_chars: int


@dataclass(frozen=True)
class FoundMedium:
    """A file of a row: its content, and where it lies now."""

    marker: str
    kind: Kind
    sha256: str
    path: Path

    @property
    def media_id(self) -> str:
        """The same content read as a video and as a picture are two media."""
        return content_id("med", self.sha256, self.kind)


@dataclass(frozen=True)
class CandidateRow:
    """A row whose texts and paths are in order; its media are not decoded yet."""

    set_name: str
    found: FoundRow
    row: ForeignRow
    media: tuple[FoundMedium, ...]

    @property
    def row_id(self) -> str:
        """By content: where the row stands does not matter."""
        turns = [[turn.asked, turn.answer] for turn in self.row.turns]
        return content_id("ext", self.set_name, turns, [each.media_id for each in self.media])


@dataclass
class FoundRows:
    """What was read so far."""

    candidates: list[CandidateRow] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    stated: dict[str, StatedSet] = field(default_factory=dict)
    hashed: dict[Path, str] = field(default_factory=dict)

    def reject(self, set_name: str, found: FoundRow, reason: str) -> None:
        """Note why a row, or a file, is left out."""
        self.rejected.append(
            {
                "set": set_name,
                "file": found.file,
                "number": found.number,
                "source_id": found.source_id,
                "reason": reason,
            }
        )
