"""`python -m benchmarks.cluster demo|kills|postgres`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results

SCALE = RESULTS / "scale.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("part", choices=("demo", "kills", "postgres"))
    parser.add_argument("--folder", type=Path, help="default: a temporary one, which is removed")
    parser.add_argument("--videos", type=int, default=36, help="of the demo")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=22)
    parser.add_argument("--record", action="store_true", help=f"into {SCALE.name}")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="p4d-cluster-"))
    try:
        if given.part == "demo":
            from benchmarks.cluster.demo import cluster_demo

            figures = {"ray": cluster_demo(folder, videos=given.videos)}
        elif given.part == "postgres":
            from benchmarks.cluster.people import several_people

            figures = {"postgres": several_people(folder)}
        else:
            from benchmarks.cluster.kills import kill_everything

            figures = kill_everything(folder, kills=given.kills, seed=given.seed)
    finally:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(figures)
    if given.record:
        machine = describe(CHECKOUT)
        merge_results(SCALE, {key: {**part, "machine": machine} for key, part in figures.items()})


if __name__ == "__main__":
    main()
