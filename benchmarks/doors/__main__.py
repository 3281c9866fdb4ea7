"""`python -m benchmarks.doors [PART ...]`: the parts of `part.py`; default: all."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.doors.part import PARTS, measure_of
from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from p4d.artifacts import read_json

PATH = RESULTS / "doors.json"


def run(part: str, work: Path, results: Path) -> None:
    """Run one part and merge its figures, its machine and its commit into the results."""
    measure = measure_of(part)
    if measure is None:
        print(part, "is not measured yet: benchmarks/doors has no such module")
        return
    work.mkdir(parents=True, exist_ok=True)
    measured_on = describe(CHECKOUT)  # before: the tree may be another when a long part ends
    figures = measure(work)
    known = read_json(results) if results.is_file() else {}
    machine = {**known.get("machine", {}), part: measured_on}
    merge_results(results, {part: figures, "machine": machine})
    print(part, figures)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doors", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; by default all")
    parser.add_argument("--work", type=Path, help="folder to work in; by default a temporary one")
    parser.add_argument("--results", type=Path, default=PATH, metavar="FILE")
    options = parser.parse_args()
    unknown = sorted(set(options.part) - set(PARTS))
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}; known are {', '.join(PARTS)}")
    for part in options.part or PARTS:
        if options.work:
            run(part, options.work.resolve() / part, options.results)
            continue
        with tempfile.TemporaryDirectory(prefix="doors-") as folder:
            run(part, Path(folder), options.results)


if __name__ == "__main__":
    main()
