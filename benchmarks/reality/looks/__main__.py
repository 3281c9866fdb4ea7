"""Films the looks, runs landing to questions, and compares every question with the truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reality import record_all
from benchmarks.reality.looks.measure import MODES, measure_look
from benchmarks.reality.looks.scenes import HELD_OUT, STYLES

VIDEOS = 32


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reality.looks")
    parser.add_argument("--look", choices=sorted(STYLES), help="one look; nothing is recorded")
    parser.add_argument("--videos", type=int, default=VIDEOS, help="of each look")
    parser.add_argument("--work", type=Path, help="folder that keeps the videos")
    parser.add_argument("--mode", choices=MODES, help="plain or sidecars; nothing is recorded")
    given = parser.parse_args()
    names = [given.look] if given.look else list(STYLES)
    modes = (given.mode,) if given.mode else MODES
    with TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        found = {name: measure_look(name, given.videos, work, modes) for name in names}
    if given.look or given.mode:
        for name, by_mode in found.items():
            for mode, figures in by_mode.items():
                print(name, mode, *(f"{k}: {v}" for k, v in figures.items()), sep="\n  ")
        return
    calibration = {
        name: {mode: one.pop("calibration") for mode, one in by_mode.items()}
        for name, by_mode in found.items()
    }
    looks = {"held_out": list(HELD_OUT), **found}
    record_all(
        {"looks": looks, "calibration": calibration},
        f"python -m benchmarks.reality.looks --videos {given.videos}",
    )


if __name__ == "__main__":
    main()
