"""The command `python -m benchmarks.distillation time`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.distillation import seconds
from benchmarks.distillation.seconds.arms import run_arm
from benchmarks.distillation.seconds.corpus import prepare
from benchmarks.distillation.seconds.plan import ARMS
from benchmarks.distillation.seconds.readable import measure_readable
from benchmarks.distillation.seconds.report import record
from benchmarks.machine import CHECKOUT


def main(arguments: Sequence[str]) -> None:
    """Make the corpus, train the missing arms one after another, and record what they answer."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distillation time", description=seconds.__doc__
    )
    parser.add_argument("--work", type=Path, default=CHECKOUT / "benchmark_data" / "time")
    parser.add_argument("--worlds", type=int, default=150)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS))
    parser.add_argument("--collect", action="store_true", help="record the finished runs only")
    given = parser.parse_args(arguments)
    work: Path = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if not given.collect:
        prepare(work, given.worlds)
        for seed in range(given.seeds):
            for arm in given.arms:
                if not (work / "runs" / f"{arm}-{seed}.json").is_file():
                    run_arm(work, arm, given.steps, seed)
        measure_readable(work)
    record(work, CHECKOUT)
