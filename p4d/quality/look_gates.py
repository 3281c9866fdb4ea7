"""Gates of an expert by looks that nothing was trained on.

`python -m benchmarks.reality.looks` films scenes with renderers that no training world comes from,
and compares every question about their plain videos with the truth. It writes what it finds beside
this module, by the digest of the expert that labelled them. Measuring takes half an hour, reading
it none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError

RECORD = Path(__file__).with_name("looks.json")
"""By digest of an expert: `{"command": ..., "looks": {NAME: {"asked": n, "untrue": n, ...}},
"first_runs": [{"look": NAME, ...}]}`. The outer command is the last one. `looks` are measured again
with each change of rules; `first_runs` are never written again, the newest stands last."""
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
    of_expert = known.get(digest, {})
    found = {look: _counts(each) | {"command": command} for look, each in looks.items()}
    kept = of_expert.get("looks", {})
    known[digest] = of_expert | {
        "command": command, "looks": dict(sorted({**kept, **found}.items()))
    }  # fmt: skip
    write_json(path, dict(sorted(known.items())))


def record_first_run(
    digest: str, look: str, figures: Mapping[str, object], command: str, path: Path = RECORD
) -> None:
    """Write what was found on a look that was opened for the first time.

    Raises:
        ContractError: the look has been opened before.
    """
    known = read_json(path) if path.is_file() else {}
    of_expert = known.get(digest, {})
    runs = of_expert.get("first_runs", [])
    if any(run["look"] == look for run in runs):
        raise ContractError(
            f"{path} has a first run of {look} already: a look is new once. Add another look, or "
            "measure without --first-run"
        )
    run = {"look": look, **_counts(figures), "command": command}
    known[digest] = of_expert | {"first_runs": [*runs, run]}
    write_json(path, dict(sorted(known.items())))


def unseen_looks_hold(folder: Path, path: Path = RECORD) -> Found:
    """Find held-out looks on which too many of the questions are untrue, or too few were judged.

    An expert of which nothing is recorded has none: the gate on the record warns of that.
    """
    looks = _recorded(folder, path).get("looks", {})
    return {"looks": len(looks)}, _failed(looks.items())


def newest_look_held(folder: Path, path: Path = RECORD) -> Found:
    """Find the look that was opened last if it failed at its first run.

    Rules are chosen after a look has failed, so it holds from then on. Only its first run shows
    what happens to the next kind of video.
    """
    runs = _recorded(folder, path).get("first_runs", [])
    return {"first_runs": len(runs)}, _failed((run["look"], run) for run in runs[-1:])


def unseen_looks_are_measured(folder: Path, path: Path = RECORD) -> Found:
    """Find an expert of which too few held-out looks are recorded."""
    looks = _recorded(folder, path).get("looks", {})
    rows = [{"looks": len(looks), "needed": LEAST_LOOKS}] if len(looks) < LEAST_LOOKS else []
    return {"looks": len(looks)}, pl.DataFrame(rows, schema={"looks": pl.Int64, "needed": pl.Int64})


def _counts(figures: Mapping[str, object]) -> dict[str, object]:
    """What the gates read of the figures of a look."""
    names = ("clips", "asked", "untrue", "marks_on_nothing", "unjudged")
    return {name: figures[name] for name in names}


def _failed(looks: Iterable[tuple[str, Mapping[str, Any]]]) -> pl.DataFrame:
    """Looks on which too many of the judged questions are untrue, or too few were judged."""
    rows = []
    for look, each in sorted(looks, key=lambda one: one[0]):
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
    return pl.DataFrame(rows, schema=schema, orient="row")


def _recorded(folder: Path, path: Path) -> Mapping[str, Any]:
    """What is recorded of the expert in a folder.

    Raises:
        ContractError: the expert has no card with its digest.
    """
    card = folder / "card.json"
    if not card.is_file() or "digest" not in read_json(card):
        raise ContractError(f"{card} does not name the digest of the expert")
    known: Mapping[str, Mapping[str, Any]] = read_json(path) if path.is_file() else {}
    return known.get(read_json(card)["digest"], {})
