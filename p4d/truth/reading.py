"""Reads a truth sidecar of either format."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError

from p4d.artifacts import Arrays
from p4d.errors import ContractError, TruthError
from p4d.foreign_json import check_foreign
from p4d.truth import sidecar_2
from p4d.truth.parts import PartialTruth
from p4d.worlds import sidecar
from p4d.worlds.truth import WorldTruth

FORMATS = (sidecar.FORMAT, sidecar_2.FORMAT)


def read(path: Path) -> WorldTruth | PartialTruth:
    """Read and check a truth sidecar; maps are decompressed and checked when they are read.

    Raises:
        TruthError: the file is unreadable, of an unknown format, or contradicts itself.
    """
    try:
        stored = Arrays(path)
    except (OSError, SafetensorError, ValueError, TypeError, RecursionError) as error:
        raise TruthError(f"{path.name} is not a readable truth sidecar: {error}") from error
    meta: object = stored.meta
    try:
        check_foreign(meta, f"the metadata of {path.name}")
    except ContractError as error:
        raise TruthError(str(error)) from error
    if not isinstance(meta, dict) or meta.get("format") not in FORMATS:
        found = meta.get("format") if isinstance(meta, dict) else meta
        raise TruthError(
            f"{path.name}: format {ascii(found)[:80]}, this version reads "
            f"{' and '.join(map(repr, FORMATS))}; a newer one needs a newer p4d"
        )
    if meta["format"] == sidecar.FORMAT:
        return sidecar.read(path)
    try:
        arrays = {name: stored[name] for name in stored}
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise TruthError(f"{path.name} is not a readable truth sidecar: {error}") from error
    return sidecar_2.read(path.name, arrays, meta)
