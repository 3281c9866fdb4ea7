"""The files that may stand beside a video, by name, and the one that states its licence.

`a.mp4` has its truth in `a.truth.safetensors` (formats: docs/sidecars.md) and its licence
and source in `a.source.json`: an object with the optional texts `licence` and `source`, the
optional object `origin` (p4d/origins.py: dataset, terms) and the optional number `schema` of its
form. What `sha256sum a.mp4` or `md5sum a.mp4` writes stands in `a.mp4.sha256`, `a.mp4.md5`,
`a.sha256` or `a.md5`: a video of another content is rejected.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from p4d.artifacts import write_json
from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json
from p4d.origins import Origin

TRUTH_SUFFIX = ".truth.safetensors"
SOURCE_SUFFIX = ".source.json"
CHECKSUM_SUFFIXES = (".sha256", ".md5")
SIDECAR_SUFFIXES = (TRUTH_SUFFIX, SOURCE_SUFFIX, *CHECKSUM_SUFFIXES)

UNSTATED = "unstated"
"""Licence and source of a video without a readable source file."""

SOURCE_SCHEMAS = (1, 2)
"""Forms of a source file. One without a number has the first; the second adds `origin`."""
MAX_SOURCE_BYTES = 64 * 1024
MAX_CHECKSUM_BYTES = 1024 * 1024


@dataclass(frozen=True)
class StatedSource:
    """What the source file of a video states.

    Attributes:
        licence, source: `UNSTATED` if the file does not state it.
        origin: the dataset and its terms; None if the file states none.
        problem: why the file, or a part of it, is not used; None if all of it is.
    """

    licence: str = UNSTATED
    source: str = UNSTATED
    origin: Origin | None = None
    problem: str | None = None


def sidecar_path(video: Path, suffix: str) -> Path:
    """The sidecar of a video: `a.b.mp4` and `.source.json` give `a.b.source.json`."""
    return video.with_name(video.stem + suffix)


def write_source(video: Path, *, licence: str, source: str, origin: Origin | None = None) -> None:
    """Write the source file of a video."""
    stated: dict[str, object] = {"schema": 1, "licence": licence, "source": source}
    if origin is not None:
        stated |= {"schema": 2, "origin": origin.stated()}
    write_json(sidecar_path(video, SOURCE_SUFFIX), stated)


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
    if (schema := stated.get("schema", 1)) not in SOURCE_SCHEMAS:
        shown = f"{path.name} has schema {ascii(schema)[:80]}"
        return StatedSource(problem=f"{shown}, and this version reads {SOURCE_SCHEMAS[-1]}")
    texts = {name: stated.get(name, UNSTATED) for name in ("licence", "source")}
    problems = [name for name, text in texts.items() if not isinstance(text, str)]
    problem = f"{' and '.join(problems)} of {path.name} must be text" if problems else None
    origin = None
    try:
        origin = _read_origin(stated.get("origin"))
    except ContractError as error:
        # Terms that cannot be read are no permission.
        origin = Origin(terms="unreadable terms", redistributable=False)
        problem = f"{path.name}: {error}; its pictures will not leave this project"
    return StatedSource(
        **{name: text for name, text in texts.items() if name not in problems},
        origin=origin,
        problem=problem,
    )


def _read_origin(stated: object) -> Origin | None:
    if stated is None:
        return None
    if not isinstance(stated, dict):
        raise ContractError("origin is no object")
    return Origin.of(stated)


def sidecar_beside(video: Path, suffix: str) -> Path | None:
    """The sidecar of a video, if there is such a file.

    A checksum file may also be named after the whole name of the video: `a.mp4.sha256`.
    """
    paths = [sidecar_path(video, suffix)]
    if suffix in CHECKSUM_SUFFIXES:
        paths.insert(0, video.with_name(video.name + suffix))
    for path in paths:
        try:
            if path.is_file():
                return path
        except OSError:  # with its suffix the name is longer than the file system allows
            continue
    return None


@dataclass(frozen=True)
class StatedChecksum:
    """What a checksum file states about its video.

    Attributes:
        algorithm: `sha256` or `md5`.
        digest: in lower-case hexadecimal digits, or None if the file states none.
        problem: why it states none.
    """

    name: str
    algorithm: str
    digest: str | None = None
    problem: str | None = None

    def problem_of(self, path: Path, sha256: str) -> str | None:
        """Why a video is not the one that was summed; None if it is, or if nothing is stated."""
        if self.digest is None:
            return None
        found = sha256
        if self.algorithm != "sha256":
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, self.algorithm).hexdigest()
        if found == self.digest:
            return None
        return (
            f"its {self.algorithm.upper()} is {found[:12]}..., {self.name} states "
            f"{self.digest[:12]}...: the file is damaged, or not the one that was summed"
        )


_DIGEST_LENGTH = {"sha256": 64, "md5": 32}


def read_checksum(path: Path, video_name: str) -> StatedChecksum:
    """Read a checksum file as `sha256sum`, `md5sum` or BSD's tools write it, or a bare digest.

    Of several lines the one that names the video counts.
    """
    algorithm = path.suffix[1:]
    stated = StatedChecksum(path.name, algorithm)
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_CHECKSUM_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return replace(stated, problem=f"{path.name} cannot be read: {error.strerror}")
    digits = rf"[0-9a-fA-F]{{{_DIGEST_LENGTH[algorithm]}}}"
    plain = re.compile(rf"\\?({digits})(?:[ \t]+[* ]?(.+))?")
    tagged = re.compile(rf"[A-Z0-9-]+ \((.+)\) = ({digits})")
    bare = None
    for line in text.lstrip("\ufeff").splitlines():
        if match := tagged.fullmatch(line.strip()):
            name, digest = match.groups()
        elif match := plain.fullmatch(line.strip()):
            digest, name = match.groups()
        else:
            continue
        if name is None:
            bare = bare or digest.lower()
        elif name.strip().replace("\\", "/").rpartition("/")[2] == video_name:
            return replace(stated, digest=digest.lower())
    if bare:
        return replace(stated, digest=bare)
    return replace(stated, problem=f"{path.name} states no {algorithm.upper()} of {video_name!r}")
