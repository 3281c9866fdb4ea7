"""The stage `external`: conversations from `external/NAME/`, checked row by row.

Each folder below `external/` is a set. Its rows are read (`files.py`), their media are found inside
of the folder, decoded from the first to the last frame and copied, and what fails is a row of
`rejected.parquet` with its reason. Nothing that one file or row holds costs another one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from p4d.artifacts import write_bytes
from p4d.errors import ContractError
from p4d.external import vsti
from p4d.external.candidates import CandidateRow, FoundMedium, FoundRows, ReadingLimits
from p4d.external.conversation import VIDEO, ForeignRow, MediumSource, RowFault
from p4d.external.files import FoundRow, StatedSet, read_rows, read_stated, row_files
from p4d.external.media import CheckedMedium, Kind, MediumJob, check_medium
from p4d.external.tables import file_name, write_artifact
from p4d.external.takedowns import read_takedowns, reasons_by_id
from p4d.ids import sha256_file
from p4d.paths import inside
from p4d.pipeline import StageInputs, StageReport
from p4d.video.decoding.budget import FileBudget, ProcessBudget
from p4d.video.decoding.per_video import FileFault, per_video

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
    limits = ReadingLimits(
        landing=inputs.params("landing"),
        clips=inputs.params("clips"),
        max_chars=inputs.params("external").max_text_chars,
    )
    folder = inputs.tracked("external")
    out.mkdir(parents=True, exist_ok=True)
    found = FoundRows()
    down: Mapping[str, str] = {}
    if folder is not None and folder.is_dir():
        down = reasons_by_id(read_takedowns(folder))
        for path in sorted(each for each in folder.iterdir() if each.is_dir()):
            _read_set(path, limits, out, found)
    checked = _check_media(found, limits, inputs)
    kept, media = _keep(found, checked, down)
    write_artifact(out, found, kept, media, checked)
    return StageReport(
        rows={"ok": len(kept), "rejected": len(found.rejected)},
        metrics={"sets": len(found.sets), "media": len(media)},
    )


# --- reading ------------------------------------------------------------------------------------


def _read_set(folder: Path, limits: ReadingLimits, out: Path, found: FoundRows) -> None:
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
        found.candidates.append(CandidateRow(name, each, _without_payloads(each.row), media))
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
    folder: Path, stated: StatedSet, limits: ReadingLimits, found: FoundRows
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
    medium: MediumSource, folder: Path, limits: ReadingLimits, out: Path, found: FoundRows
) -> FoundMedium:
    kind: Kind = "video" if medium.marker == VIDEO else "image"
    if medium.payload is not None:
        sha = hashlib.sha256(medium.payload).hexdigest()
        path = out / "media" / file_name(sha, _ending(medium.payload))
        if not path.is_file():
            write_bytes(path, medium.payload)
        return FoundMedium(medium.marker, kind, sha, path)
    path = _located(medium.name, folder)
    if path.stat().st_size > limits.landing.max_file_bytes:
        raise RowFault(f"{medium.name} is larger than landing.max_file_bytes")
    if path not in found.hashed:
        found.hashed[path] = sha256_file(path)
    return FoundMedium(medium.marker, kind, found.hashed[path], path)


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


# --- media --------------------------------------------------------------------------------------


def _check_media(
    found: FoundRows, limits: ReadingLimits, inputs: StageInputs
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
    found: FoundRows, checked: Mapping[str, CheckedMedium | FileFault], down: Mapping[str, str]
) -> tuple[list[CandidateRow], dict[str, FoundMedium]]:
    kept: dict[str, CandidateRow] = {}
    for each in found.candidates:
        reason = _fault(each, kept, checked, down)
        if reason:
            found.reject(each.set_name, each.found, reason)
        else:
            kept[each.row_id] = each
    media = {m.media_id: m for each in kept.values() for m in each.media}
    return list(kept.values()), media


def _fault(
    each: CandidateRow,
    kept: Mapping[str, CandidateRow],
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
