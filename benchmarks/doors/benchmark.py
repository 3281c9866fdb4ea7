"""Part `benchmark`: R4D-World as a task of lmms-eval, loaded and scored by its own code.

`P4D_R4D_WORLD` names the benchmark's folder; default: `benchmark_data/r4d-world`, which
`make r4d-world` makes in seven minutes of a processor.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.doors.exports import run_consumer
from benchmarks.machine import CHECKOUT
from p4d.exports.harness.benchmark import export_benchmark


def measure(work: Path) -> Mapping[str, object]:
    """Export the benchmark, load it in lmms-eval, and score fixed answers."""
    folder = Path(os.environ.get("P4D_R4D_WORLD", CHECKOUT / "benchmark_data" / "r4d-world"))
    if not folder.is_dir():
        raise SystemExit(f"{folder} is missing: make r4d-world, or name it by P4D_R4D_WORLD")
    world = export_benchmark(folder, work / "r4d-world")
    return {"lmms-eval": run_consumer("lmms", "lmms", "lmms-eval", str(world.path), "r4d_world")}
