"""Every way into the program has its threads wait without spinning, before torch is loaded."""

import os
import subprocess
import sys

import pytest

READ = "import os, sys, {module}; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"


@pytest.mark.parametrize("module", ["p4d.cli", "dagster_project"])
@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_unless_the_environment_decides(module, given, found):
    environment = {name: v for name, v in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given:
        environment["OMP_WAIT_POLICY"] = given
    done = subprocess.run(
        [sys.executable, "-c", READ.format(module=module)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [found, "False"]
