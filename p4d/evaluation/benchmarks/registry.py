"""Which benchmarks there are, and where they lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from p4d.errors import ConfigError
from p4d.evaluation.benchmarks import r4d_bench, sti_bench, vlm4d, vsti_bench
from p4d.evaluation.benchmarks.item import Benchmark
from p4d.project import Project

READERS: Mapping[str, ModuleType] = {
    "r4d-bench": r4d_bench,
    "sti-bench": sti_bench,
    "vlm4d": vlm4d,
    "vsti-bench": vsti_bench,
    "r4d-world": r4d_bench,  # our own, in the same layout
}
VARIABLE = "P4D_BENCHMARKS"


def home(project: Project) -> Path:
    """Folder of the benchmarks that are called by name: `$P4D_BENCHMARKS`, else `benchmark_data`.

    Not under `data/`, which is the pipeline's and is wiped by `make clean`.
    """
    return Path(os.environ.get(VARIABLE, project.root / "benchmark_data"))


def open_benchmark(name_or_folder: str, project: Project) -> Benchmark:
    """Read a benchmark by folder, or by its name below `home`.

    Raises:
        ConfigError: there is no such folder, or nothing known in it.
        ContractError: its files are damaged.
    """
    named = name_or_folder in READERS
    folder = home(project) / name_or_folder if named else Path(name_or_folder)
    if not folder.is_dir():
        names = ", ".join(READERS)
        raise ConfigError(
            f"no benchmark at {folder}: name a folder, or one of {names} that lies under "
            f"{home(project)} (${VARIABLE}); docs/benchmarks.md says what each folder holds"
        )
    candidates = [READERS[name_or_folder]] if named else list(READERS.values())
    # R4D-Bench is known by a file name that others may use too, so the others are tried first.
    for reader in sorted(candidates, key=lambda module: module is r4d_bench):
        if reader.found_in(folder):
            found: Benchmark = reader.read(folder)
            return found
    raise ConfigError(
        f"{folder} holds none of {', '.join(READERS)}; docs/benchmarks.md lists their files"
    )
