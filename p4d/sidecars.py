"""The files that may stand beside a video, by name, and the one that states its licence.

`a.mp4` has its exact truth in `a.truth.safetensors` (format: p4d/worlds/sidecar.py) and its licence
and origin in `a.source.json`: an object with the optional texts `licence` and `source`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from p4d.artifacts import write_json
from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json

TRUTH_SUFFIX = ".truth.safetensors"
SOURCE_SUFFIX = ".source.json"
SIDECAR_SUFFIXES = (TRUTH_SUFFIX, SOURCE_SUFFIX)

UNSTATED = "unstated"
"""Licence and source of a video without a readable source file."""

MAX_SOURCE_BYTES = 64 * 1024


@dataclass(frozen=True)
class StatedSource:
    """What the source file of a video states.

    Attributes:
        licence, source: `UNSTATED` if the file does not state it.
        problem: why the file, or a part of it, is not used; None if all of it is.
    """

    licence: str = UNSTATED
    source: str = UNSTATED
    problem: str | None = None


def sidecar_path(video: Path, suffix: str) -> Path:
    """The sidecar of a video: `a.b.mp4` and `.source.json` give `a.b.source.json`."""
    return video.with_name(video.stem + suffix)


def write_source(video: Path, *, licence: str, source: str) -> None:
    """Write the source file of a video."""
    write_json(sidecar_path(video, SOURCE_SUFFIX), {"licence": licence, "source": source})


def read_source(path: Path | None) -> StatedSource:
    """Read the source file of a video, or None if it has none.

    A missing or unreadable file states nothing, and never stops a landing.
    """
    if path is None:
        return StatedSource()
    try:
        stated = read_foreign_json(path, max_bytes=MAX_SOURCE_BYTES)
    except ContractError as error:
        return StatedSource(problem=str(error))
    if not isinstance(stated, dict):
        return StatedSource(problem=f"{path.name} holds no object")
    texts = {name: stated.get(name, UNSTATED) for name in ("licence", "source")}
    problems = [name for name, text in texts.items() if not isinstance(text, str)]
    return StatedSource(
        **{name: text for name, text in texts.items() if name not in problems},
        problem=f"{' and '.join(problems)} of {path.name} must be text" if problems else None,
    )


def sidecar_beside(video: Path, suffix: str) -> Path | None:
    """The sidecar of a video, if there is such a file."""
    path = sidecar_path(video, suffix)
    try:
        return path if path.is_file() else None
    except OSError:  # with its suffix the name is longer than the file system allows
        return None
