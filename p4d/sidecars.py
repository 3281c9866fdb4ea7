"""The files that may stand beside a video, by name, and the one that states its licence.

`a.mp4` has its exact truth in `a.truth.safetensors` (format: p4d/worlds/sidecar.py) and its licence
and origin in `a.source.json`: an object with the optional texts `licence` and `source`.
"""

from __future__ import annotations

from pathlib import Path

from p4d.artifacts import read_json, write_json

TRUTH_SUFFIX = ".truth.safetensors"
SOURCE_SUFFIX = ".source.json"
SIDECAR_SUFFIXES = (TRUTH_SUFFIX, SOURCE_SUFFIX)

UNSTATED = "unstated"
"""Licence and source of a video without a readable source file."""


def sidecar_path(video: Path, suffix: str) -> Path:
    """The sidecar of a video: `a.b.mp4` and `.source.json` give `a.b.source.json`."""
    return video.with_name(video.stem + suffix)


def write_source(video: Path, *, licence: str, source: str) -> None:
    """Write the source file of a video."""
    write_json(sidecar_path(video, SOURCE_SUFFIX), {"licence": licence, "source": source})


def read_source(path: Path | None) -> tuple[str, str]:
    """Licence and source that a source file states; `UNSTATED` for what it does not state.

    A missing or unreadable file states nothing: a video without it may land.
    """
    try:
        stated = read_json(path) if path else {}
    except (OSError, ValueError):
        stated = {}
    stated = stated if isinstance(stated, dict) else {}
    return str(stated.get("licence", UNSTATED)), str(stated.get("source", UNSTATED))
