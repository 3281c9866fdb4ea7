"""Runs the test suite under one Python and reads what became of each test."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.machine import CHECKOUT
from benchmarks.trust.marks import PROPERTY


@dataclass(frozen=True)
class TestOutcome:
    """One test.

    Attributes:
        name: its id, without the folder.
        findings: of its markers `attack`.
        outcome: `passed`, `failed` or `skipped`.
    """

    __test__ = False  # no class of tests

    name: str
    findings: tuple[str, ...]
    outcome: str


def run(python: Path, arguments: Sequence[str]) -> list[TestOutcome]:
    """Run pytest with these arguments.

    Raises:
        RuntimeError: pytest itself failed, for example to collect.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(python), "-m", "pytest", "-p", "benchmarks.trust.marks"]
        command += [f"--junitxml={report}", "-o", "junit_family=xunit1", *arguments]
        # Tests start `p4d` and `dvc` by name: those of this Python.
        path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, check=False)
        if done.returncode not in (0, 1) or not report.is_file():
            raise RuntimeError(f"pytest ended with {done.returncode} under {python}")
        return [_outcome(case) for case in ElementTree.parse(report).iter("testcase")]


def _outcome(case: ElementTree.Element) -> TestOutcome:
    failed = any(case.find(tag) is not None for tag in ("failure", "error"))
    skipped = case.find("skipped") is not None
    return TestOutcome(
        name=f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}",
        findings=tuple(
            str(each.get("value")) for each in case.iter("property") if each.get("name") == PROPERTY
        ),
        outcome="failed" if failed else "skipped" if skipped else "passed",
    )
