"""Every finding is attacked by a test, and every attack belongs to a finding."""

import subprocess
import sys
from pathlib import Path

from benchmarks.machine import CHECKOUT
from benchmarks.trust.findings import FINDINGS
from benchmarks.trust.suite import run

LIST = (
    "import sys, pytest\n"
    "class Marks:\n"
    "    def pytest_collection_finish(self, session):\n"
    "        found = {m.args[0] for i in session.items for m in i.iter_markers('attack')}\n"
    "        print('FOUND', *sorted(found))\n"
    "sys.exit(pytest.main(['--co', '-q', '-n', '0', '-m', 'attack'], plugins=[Marks()]))\n"
)


def test_each_finding_is_attacked_and_each_attack_belongs_to_one():
    done = subprocess.run(
        [sys.executable, "-c", LIST], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert set(line.split()[1:]) == set(FINDINGS)


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
