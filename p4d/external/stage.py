"""The stage `external`: conversations from `external/NAME/`, checked row by row.

Each folder below `external/` is a set. Its rows are read (`files.py`), their media are found inside
of the folder, decoded from the first to the last frame and copied, and what fails is a row of
`rejected.parquet` with its reason. Nothing that one file or row holds costs another one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import write_bytes, write_json, write_table
from p4d.config import ClipsParams, LandingParams
from p4d.errors import ContractError
from p4d.external import vsti
from p4d.external.conversation import VIDEO, ForeignRow, MediumSource, RowFault
from p4d.external.files import FoundRow, StatedSet, read_rows, read_stated, row_files
from p4d.external.media import CheckedMedium, Kind, MediumJob, check_medium
from p4d.external.takedowns import read_takedowns, reasons_by_id
from p4d.ids import content_id, sha256_file
from p4d.paths import inside
from p4d.pipeline import StageInputs, StageReport
from p4d.video.decoding.budget import FileBudget, ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video

ROW_SCHEMA: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "set": pl.String(),
    "file": pl.String(),
    "number": pl.Int64(),
    "form": pl.String(),
    "source_id": pl.String(),
    "question_type": pl.String(),
    "scene": pl.String(),
    "questions": pl.List(pl.String()),
    "answers": pl.List(pl.String()),
    "markers": pl.List(pl.String()),
    "media_ids": pl.List(pl.String()),
    "licence": pl.String(),
    "source": pl.String(),
}
MEDIUM_SCHEMA: dict[str, pl.DataType] = {
    "media_id": pl.String(),
    "sha256": pl.String(),
    "kind": pl.String(),
    "file": pl.String(),
    "bytes": pl.Int64(),
    "width_px": pl.Int64(),
    "height_px": pl.Int64(),
    "frames": pl.Int64(),
    "duration_s": pl.Float64(),
}
HASH_SCHEMA: dict[str, pl.DataType] = {
    "media_id": pl.String(),
    "window": pl.Int64(),
    "frame_hash": pl.List(pl.String()),
    "mirrored_hash": pl.List(pl.String()),
}
REJECTED_SCHEMA: dict[str, pl.DataType] = {
    "set": pl.String(),
    "file": pl.String(),
    "number": pl.Int64(),
    "source_id": pl.String(),
    "reason": pl.String(),
}
SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_BESIDE = ("", "videos/", "images/", "media/")
"""Where a file of a row is looked for, below the folder of the set."""


def build_external(inputs: StageInputs, out: Path) -> StageReport:
    """Read, check and copy every set.

    Writes `rows.parquet`, `media.parquet`, `media_hashes.parquet`, `rejected.parquet`, `sets.json`
    and `media/`, whose files are named by their content.

    Raises:
        ContractError: `external/takedowns.yaml` is damaged.
    """
    limits = _Limits(
        landing=inputs.params("landing"),
        clips=inputs.params("clips"),
        max_chars=inputs.params("external").max_text_chars,
    )
    folder = inputs.tracked("external")
    out.mkdir(parents=True, exist_ok=True)
    found = _Found()
    down: Mapping[str, str] = {}
    if folder is not None and folder.is_dir():
        down = reasons_by_id(read_takedowns(folder))
        for path in sorted(each for each in folder.iterdir() if each.is_dir()):
            _read_set(path, limits, out, found)
    checked = _check_media(found, limits, inputs)
    kept, media = _keep(found, checked, down)
    _write(out, found, kept, media, checked)
    return StageReport(
        rows={"ok": len(kept), "rejected": len(found.rejected)},
        metrics={"sets": len(found.sets), "media": len(media)},
    )


@dataclass(frozen=True, kw_only=True)
class _Limits:
    landing: LandingParams
    clips: ClipsParams
    max_chars: int


@dataclass(frozen=True)
class _Medium:
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
class _Candidate:
    """A row whose texts and paths are in order; its media are not decoded yet."""

    set_name: str
    found: FoundRow
    row: ForeignRow
    media: tuple[_Medium, ...]

    @property
    def row_id(self) -> str:
        """By content: where the row stands does not matter."""
        turns = [[turn.asked, turn.answer] for turn in self.row.turns]
        return content_id("ext", self.set_name, turns, [each.media_id for each in self.media])


@dataclass
class _Found:
    """What was read so far."""

    candidates: list[_Candidate] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    stated: dict[str, StatedSet] = field(default_factory=dict)
    hashed: dict[Path, str] = field(default_factory=dict)

    def reject(self, set_name: str, found: FoundRow, reason: str) -> None:
        self.rejected.append(
            {
                "set": set_name,
                "file": found.file,
                "number": found.number,
                "source_id": found.source_id,
                "reason": reason,
            }
        )


# --- reading ------------------------------------------------------------------------------------


def _read_set(folder: Path, limits: _Limits, out: Path, found: _Found) -> None:
    name = folder.name
    if not SET_NAME.fullmatch(name):
        if not name.startswith("."):
            shown = ascii(name)[1:-1]
            reason = "the name of a set has letters, digits, '.', '_' and '-' only: rename it"
            found.reject(shown, FoundRow(file="", number=0), reason)
        return
    stated = found.stated[name] = read_stated(folder)
    for file, problem in stated.problems:
        found.reject(name, FoundRow(file=file, number=0), problem)
    rows, centres = _rows_of(folder, stated, limits, found)
    erratum = vsti.measure(
        [each.row for each in rows if each.row is not None],
        centres,
        stated=stated.camera_centre == vsti.CORRECTED,
    )
    read = len(rows)
    for each in rows:
        assert each.row is not None
        try:
            vsti.check(each.row, centres, erratum)
            media = tuple(_medium(m, folder, limits, out, found) for m in each.row.media)
        except RowFault as fault:
            found.reject(name, each, str(fault))
            continue
        found.candidates.append(_Candidate(name, each, _without_payloads(each.row), media))
    affected = sum(vsti.is_affected(each.row) for each in rows if each.row is not None)
    found.sets[name] = {
        "licence": stated.licence,
        "source": stated.source,
        "files": [path.name for path in row_files(folder)],
        "read": read,
        **({"camera_centre": {**asdict(erratum), "verdict": erratum.verdict, "rows": affected}}
           if affected else {}),
    }  # fmt: skip


def _rows_of(
    folder: Path, stated: StatedSet, limits: _Limits, found: _Found
) -> tuple[list[FoundRow], vsti.CameraCentres | None]:
    rows: list[FoundRow] = []
    centres = None
    for path in row_files(folder):
        for each in read_rows(
            path,
            stated,
            max_bytes=limits.landing.max_file_bytes,
            max_chars=limits.max_chars,
        ):
            if isinstance(each, Mapping):
                try:
                    centres = vsti.CameraCentres.of(each)
                except (TypeError, ValueError) as error:
                    reason = f"frame metadata cannot be read: {str(error)[:120]}"
                    found.reject(folder.name, FoundRow(file=path.name, number=0), reason)
            elif each.row is None:
                found.reject(folder.name, each, each.reason)
            else:
                rows.append(each)
    return rows, centres


def _medium(
    medium: MediumSource, folder: Path, limits: _Limits, out: Path, found: _Found
) -> _Medium:
    kind: Kind = "video" if medium.marker == VIDEO else "image"
    if medium.payload is not None:
        sha = hashlib.sha256(medium.payload).hexdigest()
        path = out / "media" / _file_name(sha, _ending(medium.payload))
        if not path.is_file():
            write_bytes(path, medium.payload)
        return _Medium(medium.marker, kind, sha, path)
    path = _located(medium.name, folder)
    if path.stat().st_size > limits.landing.max_file_bytes:
        raise RowFault(f"{medium.name} is larger than landing.max_file_bytes")
    if path not in found.hashed:
        found.hashed[path] = sha256_file(path)
    return _Medium(medium.marker, kind, found.hashed[path], path)


def _located(name: str, folder: Path) -> Path:
    try:
        for lead in _BESIDE:
            path = inside(folder, lead + name)
            if path.is_file():
                return path
    except (ContractError, OSError) as error:
        raise RowFault(str(error)) from error
    raise RowFault(f"{name} is not in external/{folder.name}")


def _without_payloads(row: ForeignRow) -> ForeignRow:
    media = tuple(MediumSource(medium.marker, medium.name) for medium in row.media)
    return ForeignRow(**{**vars(row), "media": media})


def _ending(payload: bytes) -> str:
    known = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp"}
    return next((name for lead, name in known.items() if payload.startswith(lead)), "bin")


def _file_name(sha256: str, ending: str) -> str:
    return f"{sha256[:2]}/{sha256}.{ending}"


# --- media --------------------------------------------------------------------------------------


def _check_media(
    found: _Found, limits: _Limits, inputs: StageInputs
) -> dict[str, CheckedMedium | FileFault]:
    """Every distinct medium, decoded in a process of its own; by id."""
    media = {m.media_id: m for each in found.candidates for m in each.media}
    budget = FileBudget.of(limits.landing)
    jobs = [
        MediumJob(path=medium.path, kind=medium.kind, budget=budget, clips=limits.clips)
        for medium in media.values()
    ]
    results = per_video(check_medium, jobs, ProcessBudget.of(limits.landing))
    checked = {}
    for number, (media_id, result) in enumerate(zip(media, results, strict=True), start=1):
        checked[media_id] = result
        inputs.progress(number, len(jobs), "media")
    return checked


def _keep(
    found: _Found, checked: Mapping[str, CheckedMedium | FileFault], down: Mapping[str, str]
) -> tuple[list[_Candidate], dict[str, _Medium]]:
    kept: dict[str, _Candidate] = {}
    for each in found.candidates:
        reason = _fault(each, kept, checked, down)
        if reason:
            found.reject(each.set_name, each.found, reason)
        else:
            kept[each.row_id] = each
    media = {m.media_id: m for each in kept.values() for m in each.media}
    return list(kept.values()), media


def _fault(
    each: _Candidate,
    kept: Mapping[str, _Candidate],
    checked: Mapping[str, CheckedMedium | FileFault],
    down: Mapping[str, str],
) -> str:
    for name in (each.row_id, *(medium.media_id for medium in each.media)):
        if name in down:
            return down[name]
    for source, medium in zip(each.row.media, each.media, strict=True):
        result = checked[medium.media_id]
        if isinstance(result, FileFault):
            return f"{source.name or 'its picture'}: {result.reason}"
    if each.row_id in kept:
        first = kept[each.row_id].found
        return f"repeats row {first.number} of {first.file}"
    return ""


# --- writing ------------------------------------------------------------------------------------


def _write(
    out: Path,
    found: _Found,
    kept: Sequence[_Candidate],
    media: Mapping[str, _Medium],
    checked: Mapping[str, CheckedMedium | FileFault],
) -> None:
    files = {media_id: _copied(medium, out) for media_id, medium in media.items()}
    used = {out / file for file in files.values()}
    for stray in (out / "media").rglob("*") if (out / "media").is_dir() else ():
        if stray.is_file() and stray not in used:  # a picture of rejected rows
            stray.unlink()
    rows = [_row(each, found.stated[each.set_name]) for each in kept]
    table = pl.DataFrame(rows, schema=ROW_SCHEMA)
    write_table(out / "rows.parquet", table, sort_by=["row_id"])
    write_table(
        out / "media.parquet",
        pl.DataFrame(list(_media_rows(media, files, checked)), schema=MEDIUM_SCHEMA),
        sort_by=["media_id"],
    )
    write_table(
        out / "media_hashes.parquet",
        pl.DataFrame(list(_hash_rows(media, checked)), schema=HASH_SCHEMA),
        sort_by=["media_id", "window"],
    )
    write_table(
        out / "rejected.parquet",
        pl.DataFrame(found.rejected, schema=REJECTED_SCHEMA),
        sort_by=["set", "file", "number"],
    )
    accepted = Counter(each.set_name for each in kept)
    refused = Counter(row["set"] for row in found.rejected)
    sets = {
        name: {**about, "rows": accepted[name], "rejected": refused[name]}
        for name, about in found.sets.items()
    }
    write_json(out / "sets.json", sets)


def _copied(medium: _Medium, out: Path) -> str:
    """Copy a medium into the artifact unless it is there; returns its path in it."""
    if medium.path.is_relative_to(out):
        return medium.path.relative_to(out).as_posix()
    ending = medium.path.suffix.lstrip(".").lower()
    ending = ending if re.fullmatch(r"[a-z0-9]{1,5}", ending) else "bin"
    file = f"media/{_file_name(medium.sha256, ending)}"
    (out / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(medium.path, out / file)
    return file


def _row(each: _Candidate, stated: StatedSet) -> dict[str, Any]:
    row = each.row
    return {
        "row_id": each.row_id,
        "set": each.set_name,
        "file": each.found.file,
        "number": each.found.number,
        "form": row.form,
        "source_id": row.source_id,
        "question_type": row.question_type,
        "scene": row.scene,
        "questions": [turn.asked for turn in row.turns],
        "answers": [turn.answer for turn in row.turns],
        "markers": [medium.marker for medium in each.media],
        "media_ids": [medium.media_id for medium in each.media],
        "licence": stated.licence,
        "source": stated.source,
    }


def _media_rows(
    media: Mapping[str, _Medium],
    files: Mapping[str, str],
    checked: Mapping[str, CheckedMedium | FileFault],
) -> Iterator[dict[str, Any]]:
    for media_id, medium in media.items():
        found = checked[media_id]
        assert isinstance(found, CheckedMedium)
        yield {
            "media_id": media_id,
            "sha256": medium.sha256,
            "kind": medium.kind,
            "file": files[media_id],
            "bytes": medium.path.stat().st_size,
            "width_px": found.width_px,
            "height_px": found.height_px,
            "frames": found.frames,
            "duration_s": found.duration_s,
        }


def _hash_rows(
    media: Mapping[str, _Medium], checked: Mapping[str, CheckedMedium | FileFault]
) -> Iterator[dict[str, Any]]:
    for media_id in media:
        found = checked[media_id]
        assert isinstance(found, CheckedMedium)
        for window, (plain, mirrored) in enumerate(found.windows):
            yield {
                "media_id": media_id,
                "window": window,
                "frame_hash": list(plain),
                "mirrored_hash": list(mirrored),
            }
