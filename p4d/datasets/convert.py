"""A sequence becomes a video with its sidecars, as if somebody had dropped these into the inbox.

The name ends with a digest of what was written, so the same sequence gives the same files, and one
that was read with other options gives others. The video appears last: landing never finds it
without its truth.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.datasets.capture import Capture
from p4d.datasets.hidden_folder import hidden_folder
from p4d.datasets.reader import Options
from p4d.datasets.registry import reader_named
from p4d.datasets.survey import encode_and_survey
from p4d.datasets.truth import truth_of
from p4d.origins import Origin
from p4d.sidecars import SOURCE_SUFFIX, TRUTH_SUFFIX, sidecar_path, write_source
from p4d.truth import path_for
from p4d.truth import write as write_truth

MAX_NOTES = 100
"""Problems that a source file lists; of the others it states the number."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What became of a sequence.

    Attributes:
        sequence: its name.
        video: the file that was written.
        frames: of the video.
        gives: the parts of its truth sidecar; empty if there is none.
        problems: what was left out of it, one line each.
    """

    sequence: str
    video: Path
    frames: int
    gives: tuple[str, ...]
    problems: tuple[str, ...] = ()


def convert(
    format_name: str, folder: Path, sequence: str, target: Path, options: Options
) -> Converted:
    """Write a sequence of a dataset into `target`: the video, its truth and its source file.

    Raises:
        DatasetError: nothing of it can be used.
    """
    capture = reader_named(format_name).read(folder, sequence, options)
    return write_capture(capture, target)


def write_capture(capture: Capture, target: Path) -> Converted:
    """Write a capture into the folder `target`.

    Raises:
        DatasetError: fewer than two of its pictures can be used.
        TruthError: what the reader gave contradicts itself.
    """
    target.mkdir(parents=True, exist_ok=True)
    with hidden_folder(target) as hidden:
        made = hidden / "video.mp4"
        survey = encode_and_survey(capture, made)
        truth = truth_of(capture, survey)
        if truth is not None:
            write_truth(path_for(made), truth)
        problems = (*capture.problems, *survey.problems)
        first_ns = int(capture.times_ns[survey.frames[0]])
        write_source(
            made,
            licence=capture.terms.terms_id,
            source=capture.source,
            origin=_origin(capture, first_ns, problems),
        )
        name = f"{capture.dataset}_{_safe(capture.sequence)}_{_digest(made)}.mp4"
        for suffix in (TRUTH_SUFFIX, SOURCE_SUFFIX):
            beside = sidecar_path(made, suffix)
            if beside.is_file():
                beside.replace(sidecar_path(target / name, suffix))
        made.replace(target / name)
    return Converted(
        sequence=capture.sequence,
        video=target / name,
        frames=len(survey.frames),
        gives=truth.gives if truth is not None else (),
        problems=problems,
    )


def _origin(capture: Capture, first_stamp_ns: int, problems: Sequence[str]) -> Origin:
    notes = [*capture.notes, *problems]
    if len(notes) > MAX_NOTES:
        notes = [*notes[:MAX_NOTES], f"and {len(notes) - MAX_NOTES} more"]
    return Origin(
        dataset=capture.dataset,
        sequence=capture.sequence,
        terms_id=capture.terms.terms_id,
        terms=capture.terms.text,
        terms_url=capture.terms.url,
        redistributable=capture.terms.redistributable,
        exchange_group=capture.exchange_group or "",
        times=capture.times,
        first_stamp_ns=first_stamp_ns,
        notes=tuple(note[:500] for note in notes),
    )


def _digest(video: Path) -> str:
    """Eight digits of the SHA-256 of a video and of what stands beside it."""
    digest = hashlib.sha256()
    for path in (video, sidecar_path(video, TRUTH_SUFFIX), sidecar_path(video, SOURCE_SUFFIX)):
        if path.is_file():
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:8]


def _safe(sequence: str) -> str:
    """A sequence's name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", sequence).strip("._-")[:120] or "sequence"
