"""`python -m benchmarks.distillation` (`make bench-distillation`); see the package's text."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import distillation
from benchmarks.distillation.bases import make_bases
from benchmarks.distillation.choices import apply, committed_choices, write_choices
from benchmarks.distillation.corpus import corpus_of, prepare, shards_of
from benchmarks.distillation.demo import record_demo
from benchmarks.distillation.plan import (
    CANDIDATES,
    SEEDS,
    STEPS,
    VAL,
    WORLDS,
    RunSpec,
    plan,
    settings,
)
from benchmarks.distillation.report import collect, measured_ratio, restore
from benchmarks.distillation.run import is_done, measured_row, perform
from benchmarks.distillation.schedule import costs_of, until_time_is_over
from benchmarks.distillation.variants import make_variants
from benchmarks.machine import CHECKOUT, clean_commit
from p4d.artifacts import read_json, write_json
from p4d.students.data.questions import load_questions

COLLECTING_S = 90.0
"""Kept of the time for the report."""


def planned(work: Path, arguments: argparse.Namespace) -> list[RunSpec]:
    """Return the plan at the chosen settings, with the cost that finished runs measured."""
    corpus = corpus_of(work)
    choices = committed_choices(CHECKOUT, corpus)
    results = _finished(work, corpus)
    runs = plan(arguments.seeds, measured_ratio(results, "p4d"))
    return [apply(run, choices) for run in runs]


def _finished(work: Path, corpus: str) -> dict[str, dict[str, object]]:
    """Return the runs of this corpus and commit, and candidates that this code trained."""
    commit = clean_commit(CHECKOUT)
    found = {path.stem: read_json(path) for path in sorted((work / "runs").glob("*.json"))}
    candidates = {run.name for run in CANDIDATES if is_done(work, run, corpus, commit)}
    now = (corpus, commit)
    return {
        name: one
        for name, one in found.items()
        if name in candidates or (one["corpus"], one["commit"]) == now
    }


def drop_others(work: Path) -> None:
    """Remove runs of another corpus or commit: a table has one of each."""
    kept = _finished(work, corpus_of(work))
    for path in (work / "runs").glob("*.json"):
        if path.stem not in kept:
            path.unlink()


def choose(work: Path, arguments: argparse.Namespace) -> None:
    """Train the candidates, ask them the validation questions, and write the choices."""
    make_bases(work)
    make_variants(work, shards_of(work), CANDIDATES)
    perform(work, CANDIDATES, arguments)
    asked = len(load_questions(work / "release", VAL))
    results = _finished(work, corpus_of(work))
    found = write_choices(CHECKOUT, results, corpus_of(work), asked)
    print(f"chosen: {found['chosen']}; commit the file, then measure")


def measure(work: Path, arguments: argparse.Namespace, until_s: float) -> list[str]:
    """Run what fits into the time, the most important first; return what was left out."""
    make_bases(work)

    def missing() -> list[RunSpec]:
        corpus, commit = corpus_of(work), clean_commit(CHECKOUT)
        return [run for run in planned(work, arguments) if not is_done(work, run, corpus, commit)]

    def train(runs: Sequence[RunSpec]) -> list[str]:
        make_variants(work, shards_of(work), runs)
        return perform(work, runs, arguments)

    left_out = until_time_is_over(
        missing,
        lambda: costs_of(_finished(work, corpus_of(work)), arguments.steps),
        train,
        left_s=lambda: until_s - time.monotonic(),
        processes=arguments.processes,
    )
    return [run.name for run in left_out]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the corpus, run what is missing, and write the report."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["demo"]:
        record_demo(given[1:])
        return
    if given[:1] == ["time"]:
        from benchmarks.distillation.seconds.cli import main as compare_ways_of_giving_times

        compare_ways_of_giving_times(given[1:])
        return
    parser = argparse.ArgumentParser(description=distillation.__doc__)
    parser.add_argument("what", nargs="?", choices=["measure", "choose"], default="measure")
    parser.add_argument("--work", type=Path, default=CHECKOUT / "benchmark_data" / "distillation")
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--minutes", type=float, default=58.0, help="only runs that end by then are started"
    )
    parser.add_argument(
        "--collect", action="store_true", help="report the finished runs; run nothing"
    )
    parser.add_argument(
        "--recorded", action="store_true", help="report the runs in benchmarks/results; run nothing"
    )
    parser.add_argument("--one", help="a single run, by name; used by the benchmark itself")
    options = parser.parse_args(given)
    work: Path = options.work.resolve()
    (work / "runs").mkdir(parents=True, exist_ok=True)
    if options.one:
        _one(work, options)
        return
    if options.collect:
        collect(work, CHECKOUT, corpus_of(work), seeds=options.seeds)
        return
    clean_commit(CHECKOUT)
    if options.what == "measure" and not options.recorded:
        committed_choices(CHECKOUT, None)  # before the corpus is drawn, which takes minutes
    until_s = time.monotonic() + 60 * options.minutes - COLLECTING_S
    prepare(work, options.worlds, settings(options.steps, RunSpec("sft")), options.processes)
    if options.recorded:
        restore(work, CHECKOUT, corpus_of(work))
        collect(work, CHECKOUT, corpus_of(work), seeds=options.seeds)
        return
    drop_others(work)
    if options.what == "choose":
        choose(work, options)
        return
    left_out = measure(work, options, until_s)
    collect(work, CHECKOUT, corpus_of(work), seeds=options.seeds, left_out=left_out)
    if left_out:
        print(f"left out: {', '.join(left_out)}; run it again to go on, or set MINUTES")


def _one(work: Path, options: argparse.Namespace) -> None:
    candidates = {run.name: run for run in CANDIDATES}
    run = candidates.get(options.one) or {r.name: r for r in planned(work, options)}[options.one]
    result = measured_row(work, run, options.steps, shards_of(work))
    write_json(work / "runs" / f"{run.name}.json", result)


if __name__ == "__main__":
    main()
