"""Reads a truth sidecar of either format, and what follows from it for a clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError

from p4d.artifacts import Arrays
from p4d.errors import ContractError, TruthError
from p4d.foreign_json import check_foreign
from p4d.truth import sidecar_2
from p4d.truth.clip_parts import WHOLE, ClipParts
from p4d.truth.clip_truth import PartialClipTruth
from p4d.truth.parts import PartialTruth
from p4d.truth.resampling import clip_parts, resample
from p4d.worlds import sidecar
from p4d.worlds.truth import ClipTruth, WorldTruth

FORMATS = (sidecar.FORMAT, sidecar_2.FORMAT)


def read(path: Path, name: str | None = None) -> WorldTruth | PartialTruth:
    """Read and check a truth sidecar; maps are decompressed and checked when they are read.

    Args:
        path: of the file.
        name: of the file in errors, if it was copied under another name.

    Raises:
        TruthError: the file is unreadable, of an unknown format, or contradicts itself.
    """
    shown = name or path.name
    try:
        stored = Arrays(path)
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise TruthError(f"{shown} is not a readable truth sidecar: {error}") from error
    meta: object = stored.meta
    try:
        check_foreign(meta, f"the metadata of {shown}")
    except ContractError as error:
        raise TruthError(str(error)) from error
    if not isinstance(meta, dict) or meta.get("format") not in FORMATS:
        found = meta.get("format") if isinstance(meta, dict) else meta
        raise TruthError(
            f"{shown}: format {ascii(found)[:80]}, this version reads "
            f"{' and '.join(map(repr, FORMATS))}; a newer one needs a newer p4d"
        )
    if meta["format"] == sidecar.FORMAT:
        return sidecar.read(path, shown)
    try:
        arrays = {each: stored[each] for each in stored}
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise TruthError(f"{shown} is not a readable truth sidecar: {error}") from error
    return sidecar_2.read(shown, arrays, meta)


def check_maps(truth: WorldTruth | PartialTruth) -> None:
    """Read every map once.

    Raises:
        TruthError: one is damaged or out of range.
    """
    if isinstance(truth, WorldTruth):
        for index in range(len(truth.frames)):
            truth.frames[index]
        return
    for maps in (truth.depth, truth.instances, truth.flow):
        for index in range(len(maps) if maps is not None else 0):
            if maps is not None:
                maps[index]


def clip_truth(
    truth: WorldTruth | PartialTruth, frame_indices: Sequence[int], size_px: int
) -> tuple[ClipTruth | PartialClipTruth, ClipParts]:
    """The truth of a clip and what it gives.

    Raises:
        TruthError: an index is outside the video, or the indices do not increase.
    """
    if isinstance(truth, WorldTruth):
        return truth.resample(frame_indices, size_px), WHOLE
    clip = resample(truth, frame_indices, size_px)
    return clip, clip_parts(truth, clip)
