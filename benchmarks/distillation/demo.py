"""The figures of `make demo` in the report: `python -m benchmarks.distillation demo PROJECT`.

They are read from a project in which the demo has run, with the time that it took from nothing.
Only the key `demo` of benchmarks/results/distillation.json is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, clean_commit, merge_results
from p4d.display.summary import build_summary
from p4d.errors import ContractError
from p4d.project import Project

WRITTEN = ("dvc.yaml", "dvc.lock", "params.yaml", "shards")
"""What the demo writes of the files that git versions."""


def demo_figures(summary: Mapping[str, Any], *, commit: str, wall_s: float) -> dict[str, Any]:
    """Return the key `demo` from a summary (`p4d summary`).

    Raises:
        ContractError: the demo has not come to a decision.
    """
    if summary["promotion"] is None or not summary["accuracy"].get("p4d"):
        raise ContractError("the project has no evaluation or no decision: run `make demo` in it")
    return {
        "accuracy": {arm: found["overall"] for arm, found in summary["accuracy"].items() if found},
        "gain": {arm: found["overall"] for arm, found in summary["gain"].items()},
        "promoted": summary["promotion"]["decision"] == "promoted",
        "reasons": summary["promotion"]["reasons"],
        "wall_s": wall_s,
        "commit": commit,
    }


def record_demo(arguments: Sequence[str]) -> None:
    """Read the project's summary and write the key `demo`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distillation demo")
    parser.add_argument("project", type=Path, help="a clean clone in which `make demo` has run")
    parser.add_argument("--wall-s", type=float, required=True, help="seconds from nothing")
    given = parser.parse_args(arguments)
    project = given.project.resolve()
    commit = clean_commit(project, written=WRITTEN)
    found = demo_figures(build_summary(Project(project)), commit=commit, wall_s=given.wall_s)
    merge_results(RESULTS / "distillation.json", {"demo": found})
    print(found)
