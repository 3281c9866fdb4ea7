"""How p4d fares with what its authors did not make: damaged files, cuts, copies, variable rates.

Each module measures one subject and writes its keys of `benchmarks/results/reality.json` with the
command that made them: `python -m benchmarks.reality.fuzz`, `.cuts`, `.copies`, `.variable_rate`,
`.ingest`, `.looks`, `.real_clips`.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results

RESULT_FILE = RESULTS / "reality.json"


def record(key: str, figures: Mapping[str, object], command: str) -> None:
    """Write one subject's figures with their command and machine; other keys stay."""
    record_all({key: figures}, command)


def record_all(subjects: Mapping[str, Mapping[str, object]], command: str) -> None:
    """Write the figures of several subjects that one command measured; other keys stay."""
    machine = describe(CHECKOUT)
    made_by = {"command": command, "machine": machine}
    merge_results(RESULT_FILE, {key: {**found, **made_by} for key, found in subjects.items()})
    for key, found in subjects.items():
        print(key, *(f"{name}: {value}" for name, value in found.items()), sep="\n  ")
