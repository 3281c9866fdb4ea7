"""`python -m benchmarks.trust [attacks|memory|lock|wheel|init|pythons ...]`; by default three."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from benchmarks.trust.findings import FINDINGS
from benchmarks.trust.memory import peak_of_a_gigabyte
from benchmarks.trust.outside import commands_outside, project_to_a_decision
from benchmarks.trust.suite import TestOutcome, run
from scripts import lock

PATH = RESULTS / "trust.json"


def attacks() -> dict[str, object]:
    """Run every attack, and count per finding how many were tried and how many held."""
    cases = run(Path(sys.executable), ["-m", "attack"])
    per_finding = {
        finding: {"was": text, **_counted(finding, cases)} for finding, text in FINDINGS.items()
    }
    forged = per_finding["H3"]
    return {
        "attacks": per_finding,
        "bundle_forgeries": {"tried": forged["tried"], "detected": forged["held"]},
    }


def _counted(finding: str, cases: Sequence[TestOutcome]) -> dict[str, object]:
    own = [case for case in cases if finding in case.findings and case.outcome != "skipped"]
    return {
        "tried": len(own),
        "held": sum(case.outcome == "passed" for case in own),
        "failed": [case.name for case in own if case.outcome == "failed"],
        "tests": sorted({case.name.partition("[")[0] for case in own}),
    }


def locks() -> dict[str, object]:
    """Count the distributions of the locks, and whether each has hashes."""
    names = ("build", "run", "dev", "torch-cpu", "torch-cuda")
    items = {name: lock.read(lock.FOLDER / f"{name}.txt") for name in names}
    every = [item for each in items.values() for item in each]
    running = [*items["build"], *items["run"], *items["torch-cpu"]]
    return {
        "lock": {
            "distributions": len({item.name for item in every}),
            "all_hashed": all(item.hashes for item in every),
            "hashes": len({value for item in every for value in item.hashes}),
            "to_run_on_cpus": len({item.name for item in running}),
        }
    }


def pythons(interpreters: Sequence[Path], arguments: Sequence[str]) -> dict[str, object]:
    """Run the tests under each Python; what is recorded of others stays."""
    known = merged().get("pythons", {})
    found = dict(known) if isinstance(known, Mapping) else {}
    for python in interpreters:
        cases = run(python, arguments)
        outcomes = Counter(case.outcome for case in cases)
        machine = describe(CHECKOUT, python)
        version = ".".join(str(machine["python"]).split(".")[:2])
        found[version] = {
            **{name: outcomes[name] for name in ("passed", "failed", "skipped")},
            "not_passed": [case.name for case in cases if case.outcome == "failed"],
            "tests": " ".join(arguments) or "all",
            "machine": machine,
        }
        write({"pythons": found})  # hours may pass before the next ends
    return {"pythons": found}


def merged() -> Mapping[str, object]:
    """What is recorded so far."""
    from p4d.artifacts import read_json

    return read_json(PATH) if PATH.is_file() else {}


def write(figures: Mapping[str, object]) -> None:
    """Record figures beside those of other commands."""
    merge_results(PATH, figures)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description=__doc__)
    known = ("attacks", "memory", "lock", "wheel", "init", "pythons")
    parser.add_argument("what", nargs="*", help=f"{', '.join(known)}, then arguments of pytest")
    parser.add_argument("--python", action="append", type=Path, default=[], metavar="INTERPRETER",
                        help="with pythons: of an environment that `make setup` made")  # fmt: skip
    options, rest = parser.parse_known_args()
    what = options.what or ["attacks", "memory", "lock"]
    if what[0] == "pythons":
        interpreters = options.python or [Path(sys.executable)]
        write(pythons(interpreters, [*what[1:], *rest]))
        return
    if rest or set(what) - set(known):
        parser.error(f"unknown: {' '.join(rest or what)}")
    commands = {
        "attacks": attacks, "memory": peak_of_a_gigabyte, "lock": locks,
        "wheel": commands_outside, "init": project_to_a_decision,
    }  # fmt: skip
    for name in what:
        figures = commands[name]()
        machines = dict(merged().get("machine", {}))
        write({**figures, "machine": {**machines, name: describe(CHECKOUT)}})
        print(name, figures if name != "attacks" else figures["bundle_forgeries"])


if __name__ == "__main__":
    main()
