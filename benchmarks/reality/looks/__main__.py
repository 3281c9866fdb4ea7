"""Films the looks, runs landing to questions, and compares every question with the truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import CHECKOUT, describe
from benchmarks.reality import RESULT_FILE, record_all
from benchmarks.reality.looks.measure import MODES, measure_look
from benchmarks.reality.looks.scenes import HELD_OUT, LOOKS
from p4d.artifacts import read_json
from p4d.quality.look_gates import record_first_run, record_looks

VIDEOS = 48


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reality.looks")
    parser.add_argument("--look", choices=sorted(LOOKS), help="one look")
    parser.add_argument("--show", action="store_true", help="record nothing")
    parser.add_argument("--held-out", action="store_true", help="the looks of the gates alone")
    parser.add_argument("--first-run", action="store_true", help="of a look never opened before")
    parser.add_argument("--videos", type=int, default=VIDEOS, help="of each look, at least")
    parser.add_argument("--work", type=Path, help="folder that keeps the videos")
    parser.add_argument("--mode", choices=MODES, help="plain or sidecars alone")
    given = parser.parse_args()
    if given.first_run and (not given.look or given.mode != "plain"):
        parser.error("--first-run needs --look NAME --mode plain")
    names = [given.look] if given.look else list(HELD_OUT if given.held_out else LOOKS)
    modes = (given.mode,) if given.mode else MODES
    with TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        found = {name: measure_look(name, given.videos, work, modes) for name in names}
        digest = read_json(work / "teacher/expert/card.json")["digest"]
    if given.show:
        for name, by_mode in found.items():
            for mode, figures in by_mode.items():
                print(name, mode, *(f"{k}: {v}" for k, v in figures.items()), sep="\n  ")
        return
    options = [f"--look {given.look}"] if given.look else ["--held-out"] * given.held_out
    options += [f"--videos {given.videos}", *([f"--mode {given.mode}"] if given.mode else [])]
    options += ["--first-run"] * given.first_run
    command = f"python -m benchmarks.reality.looks {' '.join(options)}"
    if given.first_run:
        _record_first(given.look, found[given.look]["plain"], digest, command)
    else:
        _record(found, digest, command)


def _record_first(look: str, figures: dict[str, Any], digest: str, command: str) -> None:
    """Write what a look showed when it was opened; it is never written again."""
    record_first_run(digest, look, figures, command)
    looks = read_json(RESULT_FILE)["looks"]
    made_by = {"command": command, "commit": describe(CHECKOUT)["commit"]}
    without = {key: each for key, each in figures.items() if key != "calibration"}
    looks["first_runs"] = {**looks["first_runs"], look: without | made_by}
    record_all({"looks": looks}, command)


def _record(found: dict[str, dict[str, dict]], digest: str, command: str) -> None:
    """Write reality.json, and what the gates of the expert read; other looks and modes stay."""
    plain = {name: found[name]["plain"] for name in HELD_OUT if "plain" in found.get(name, {})}
    made_by = {"command": command, "commit": describe(CHECKOUT)["commit"]}
    known = read_json(RESULT_FILE) if RESULT_FILE.is_file() else {}
    looks, calibration = (
        {name: known.get(key, {}).get(name, {}) for name in LOOKS}
        for key in ("looks", "calibration")
    )
    for name, by_mode in found.items():
        for mode, one in by_mode.items():
            sure = one.pop("calibration")
            calibration[name] = {**calibration[name], mode: sure | made_by}
            looks[name] = {**looks[name], mode: one | made_by}
    measured = {name: each for name, each in looks.items() if each}
    sections = {
        "looks": {
            "held_out": list(HELD_OUT),
            "first_runs": known.get("looks", {}).get("first_runs", {}),
            **measured,
        },
        "calibration": {name: each for name, each in calibration.items() if each},
    }
    record_all(sections, command)
    if plain:  # last: figures name the commit, and this file is part of it
        record_looks(digest, plain, command)


if __name__ == "__main__":
    main()
