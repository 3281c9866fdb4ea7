"""Gates of an expert by looks that nothing was trained on.

`python -m benchmarks.reality.looks` films scenes with renderers that no training world comes from,
and compares every question about their plain videos with the truth. It writes what it finds beside
this module, by the digest of the expert that labelled them. Measuring takes half an hour, reading
it none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError

RECORD = Path(__file__).with_name("looks.json")
"""By digest of an expert: `{"command": ..., "looks": {NAME: {"asked": n, "untrue": n, ...}}}`. The
outer command is the last one."""
MOST_UNTRUE = 0.03
"""Share of untrue questions on a held-out look that blocks an expert."""
LEAST_JUDGED = 60
"""Questions of a look that were held against its truth, at least: fewer show nothing. If none of so
many is untrue, the upper end of the 95 % interval of the share is 6 %."""
LEAST_LOOKS = 2

Found = tuple[dict[str, float | int | str], pl.DataFrame]


def record_looks(
    digest: str,
    looks: Mapping[str, Mapping[str, object]],
    command: str,
    path: Path = RECORD,
) -> None:
    """Write what was found on held-out looks of an expert; other looks and experts keep theirs."""
    known = read_json(path) if path.is_file() else {}
    names = ("clips", "asked", "untrue", "marks_on_nothing", "unjudged")
    found = {
        look: {**{name: each[name] for name in names}, "command": command}
        for look, each in looks.items()
    }
    kept = known.get(digest, {}).get("looks", {})
    known[digest] = {"command": command, "looks": dict(sorted({**kept, **found}.items()))}
    write_json(path, dict(sorted(known.items())))


def unseen_looks_hold(folder: Path, path: Path = RECORD) -> Found:
    """Find held-out looks on which too many of the questions are untrue, or too few were judged.

    An expert of which nothing is recorded has none: the gate on the record warns of that.
    """
    looks = _looks(folder, path)
    rows = []
    for look, each in sorted(looks.items()):
        asked, untrue = int(each["asked"]), int(each["untrue"])
        judged = asked - int(each.get("unjudged", 0))
        if untrue > MOST_UNTRUE * judged:
            rows.append((look, asked, judged, untrue, "too many are untrue"))
        elif judged < LEAST_JUDGED:
            rows.append((look, asked, judged, untrue, f"fewer than {LEAST_JUDGED} were judged"))
    schema = {
        "look": pl.String, "asked": pl.Int64, "judged": pl.Int64, "untrue": pl.Int64,
        "reason": pl.String,
    }  # fmt: skip
    return {"looks": len(looks)}, pl.DataFrame(rows, schema=schema, orient="row")


def unseen_looks_are_measured(folder: Path, path: Path = RECORD) -> Found:
    """Find an expert of which too few held-out looks are recorded."""
    looks = _looks(folder, path)
    rows = [{"looks": len(looks), "needed": LEAST_LOOKS}] if len(looks) < LEAST_LOOKS else []
    return {"looks": len(looks)}, pl.DataFrame(rows, schema={"looks": pl.Int64, "needed": pl.Int64})


def _looks(folder: Path, path: Path) -> Mapping[str, Mapping[str, Any]]:
    """What is recorded of the expert in a folder.

    Raises:
        ContractError: the expert has no card with its digest.
    """
    card = folder / "card.json"
    if not card.is_file() or "digest" not in read_json(card):
        raise ContractError(f"{card} does not name the digest of the expert")
    known: Mapping[str, Mapping[str, Any]] = read_json(path) if path.is_file() else {}
    found: Mapping[str, Mapping[str, Any]] = known.get(read_json(card)["digest"], {}).get(
        "looks", {}
    )
    return found
