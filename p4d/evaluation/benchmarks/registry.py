"""The known benchmarks, and where their files are found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from p4d.errors import ConfigError
from p4d.evaluation.benchmarks import (
    dsr_bench,
    dyn_bench,
    r4d_bench,
    sti_bench,
    vlm4d,
    vsi_bench,
    vsti_bench,
)
from p4d.evaluation.benchmarks.item import Benchmark, PublishedRules
from p4d.project import Project


class BenchmarkReader(Protocol):
    """What a reader's module provides."""

    RULES: PublishedRules

    def found_in(self, folder: Path) -> bool:
        """Return whether the folder holds the benchmark."""
        ...

    def read(self, folder: Path) -> Benchmark:
        """Read the benchmark from the folder."""
        ...


READERS: Mapping[str, BenchmarkReader] = {
    "r4d-bench": r4d_bench,
    "sti-bench": sti_bench,
    "vlm4d": vlm4d,
    "vsti-bench": vsti_bench,
    "vsi-bench": vsi_bench,
    "dsr-bench": dsr_bench,
    "dyn-bench": dyn_bench,
    "r4d-world": r4d_bench,  # this repository's benchmarks have the same layout
    "r4d-world-time": r4d_bench,
}
VARIABLE = "P4D_BENCHMARKS"


def home(project: Project) -> Path:
    """Return the folder of benchmarks by name: `$P4D_BENCHMARKS`, else `benchmark_data`.

    It is not under `data/`, which belongs to the pipeline and is removed by `make clean`.
    """
    return Path(os.environ.get(VARIABLE, project.root / "benchmark_data"))


def open_benchmark(name_or_folder: str, project: Project) -> Benchmark:
    """Read a benchmark by folder, or by its name below `home`.

    Raises:
        ConfigError: there is no such folder, or it holds no known benchmark.
        ContractError: the files are damaged.
    """
    named = name_or_folder in READERS
    folder = home(project) / name_or_folder if named else Path(name_or_folder)
    if not folder.is_dir():
        names = ", ".join(READERS)
        raise ConfigError(
            f"no benchmark at {folder}: give a folder, or the name of one of {names} under "
            f"{home(project)} (${VARIABLE}); docs/benchmarks.md lists the files of each"
        )
    candidates = [READERS[name_or_folder]] if named else list(READERS.values())
    # R4D-Bench is recognised by a common file name, so the other readers are tried first.
    for reader in sorted(candidates, key=lambda reader: reader is r4d_bench):
        if reader.found_in(folder):
            return reader.read(folder)
    raise ConfigError(
        f"{folder} holds none of {', '.join(READERS)}; docs/benchmarks.md lists their files"
    )
