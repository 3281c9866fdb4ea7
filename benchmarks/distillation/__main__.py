"""`python -m benchmarks.distillation` (`make bench-distillation`); see the package's text."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from benchmarks import distillation
from benchmarks.distillation.corpus import corpus_of, prepare, shards_of
from benchmarks.distillation.plan import REPORTED_ON_R4D_WORLD, RunSpec, plan, settings
from benchmarks.distillation.report import COST, collect, restore
from benchmarks.distillation.run import perform, train_and_answer
from benchmarks.distillation.variants import make_variants
from benchmarks.machine import CHECKOUT
from benchmarks.speed.training import cost_of_distilling
from p4d.artifacts import read_json, write_json
from p4d.config import Params

COST_ROUNDS = 24


def measure_cost(work: Path, params: Params) -> None:
    """Measure once what distillation costs; the arm of equal time follows from it.

    Steps of both arms alternate, because whole runs are hours apart on shared machines.
    """
    if not (work / COST).is_file():
        write_json(work / COST, cost_of_distilling(work, params, COST_ROUNDS))


def planned(work: Path, arguments: argparse.Namespace) -> list[RunSpec]:
    """Return the plan, with the cost measured on this machine."""
    measure_cost(work, settings(arguments.steps, RunSpec("p4d")))
    return plan(arguments.seeds, read_json(work / COST)["run_ratio"])


def main() -> None:
    """Prepare the corpus, run what is missing, and write the report."""
    if sys.argv[1:2] == ["time"]:
        from benchmarks.distillation.seconds.cli import main as compare_ways_of_telling_time

        compare_ways_of_telling_time(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=distillation.__doc__)
    parser.add_argument("--work", type=Path, default=CHECKOUT / "benchmark_data" / "distillation")
    parser.add_argument("--worlds", type=int, default=1800)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--minutes", type=float, default=45.0, help="after these only SFT and P4D are started"
    )
    parser.add_argument(
        "--collect", action="store_true", help="report the finished runs; run nothing"
    )
    parser.add_argument(
        "--recorded", action="store_true", help="run only what is not in benchmarks/results yet"
    )
    parser.add_argument("--one", help="a single run, by name; used by the benchmark itself")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    (work / "runs").mkdir(parents=True, exist_ok=True)
    if arguments.one:
        run = {run.name: run for run in planned(work, arguments)}[arguments.one]
        result = train_and_answer(work, run, arguments.steps, shards_of(work))
        write_json(work / "runs" / f"{run.name}.json", result)
        return
    if arguments.collect:
        collect(work, CHECKOUT, corpus_of(work), seeds=arguments.seeds)
        return
    until_s = time.monotonic() + 60 * arguments.minutes
    prepare(work, arguments.worlds, settings(arguments.steps, RunSpec("sft")), arguments.processes)
    if arguments.recorded:
        restore(work, CHECKOUT, corpus_of(work))
    runs = planned(work, arguments)
    perform(work, [run for run in runs if run.arm in REPORTED_ON_R4D_WORLD], arguments, math.inf)
    if time.monotonic() < until_s:
        make_variants(work, shards_of(work))
        perform(work, runs, arguments, until_s)
    collect(work, CHECKOUT, corpus_of(work), seeds=arguments.seeds)


if __name__ == "__main__":
    main()
