"""Folders of conversions: they go with their process, also with one that was killed."""

import subprocess
import sys

import pytest

from p4d.datasets.hidden_folder import hidden_folder, sweep

HOLD = """
import sys, time
from pathlib import Path
from p4d.datasets.hidden_folder import hidden_folder
with hidden_folder(Path(sys.argv[1])) as folder:
    (folder / "half.mp4").write_bytes(b"1")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_nothing_is_left_behind(tmp_path):
    with hidden_folder(tmp_path) as folder:
        (folder / "a").write_text("a")
    with pytest.raises(ValueError, match="wrong"), hidden_folder(tmp_path) as folder:
        raise ValueError("wrong")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path):
    (tmp_path / "kept.mp4").write_bytes(b"2")
    (tmp_path / ".converting-of-an-older-version").mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    dead = processes[0]
    try:
        names = [process.stdout.readline().strip().rsplit("/", 1)[1] for process in processes]
        dead.kill()
        dead.wait()
        sweep(tmp_path)
        found = {path.name for path in tmp_path.iterdir()}
        assert found == {"kept.mp4", names[1], f"{names[1]}.alive"}
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
