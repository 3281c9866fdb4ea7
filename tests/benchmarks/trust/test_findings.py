"""Every finding is attacked by a test, and every attack belongs to a finding."""

import ast
import sys
from pathlib import Path

from benchmarks.trust.findings import FINDINGS
from benchmarks.trust.suite import run

TESTS = Path(__file__).resolve().parents[2]


def marked(path: Path) -> set[str]:
    """Findings of the markers at tests of a file; read, as to import all tests takes a minute."""
    return {
        mark.args[0].value
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.attack"
    }


def test_each_finding_is_attacked_and_each_attack_belongs_to_one():
    assert set().union(*map(marked, TESTS.rglob("test_*.py"))) == set(FINDINGS)


def test_outcomes_and_findings_of_a_run_are_read(tmp_path: Path):
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.attack('H1')\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_one(n): assert n == 1\n"
        "@pytest.mark.skip\n"
        "def test_two(): pass\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_three(broken): pass\n"
    )
    options = ["-n", "0", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    found = {
        case.name: (case.findings, case.outcome) for case in run(Path(sys.executable), options)
    }
    assert found == {
        "test_some::test_one[1]": (("H1",), "passed"),
        "test_some::test_one[2]": (("H1",), "failed"),
        "test_some::test_two": ((), "skipped"),
        "test_some::test_three": ((), "failed"),
    }
