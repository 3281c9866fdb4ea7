"""Modules that a library imports at its start are imported when it first uses them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from p4d.quality.late_imports import late

NAME = "p4d_test_imported_late"


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the module writes whenever it is executed; the module is not loaded."""
    log = tmp_path / "executed"
    (tmp_path / f"{NAME}.py").write_text(
        f"open({str(log)!r}, 'a', encoding='utf-8').write('once ')\nANSWER = 42\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return log


def test_first_use_imports_it(loaded: Path) -> None:
    with late(NAME):
        given = importlib.import_module(NAME)
    assert not loaded.exists()

    assert given.ANSWER == 42
    assert given.ANSWER == 42
    assert importlib.import_module(NAME).ANSWER == 42
    assert loaded.read_text(encoding="utf-8") == "once "


def test_use_within_the_block_imports_it_as_well(loaded: Path) -> None:
    with late(NAME):
        given = importlib.import_module(NAME)
        assert given.ANSWER == 42
    assert importlib.import_module(NAME).ANSWER == 42
    assert loaded.read_text(encoding="utf-8") == "once "


def test_after_the_block_the_name_means_the_module(loaded: Path) -> None:
    with late(NAME):
        pass
    assert NAME not in sys.modules
    assert importlib.import_module(NAME).ANSWER == 42
    assert loaded.read_text(encoding="utf-8") == "once "


def test_loaded_modules_stay(loaded: Path) -> None:
    before = importlib.import_module(NAME)
    with late(NAME):
        assert importlib.import_module(NAME) is before
    assert sys.modules[NAME] is before


def test_an_error_in_the_block_leaves_no_stand_in(loaded: Path) -> None:
    with pytest.raises(ImportError), late(NAME):
        importlib.import_module("p4d_no_such_module")
    assert NAME not in sys.modules


def test_great_expectations_loses_none_of_its_expectations() -> None:
    """One that no suite has still works, and only then are its libraries imported."""
    program = """
import sys
import pandas as pd
from p4d.quality import great_expectations as ours
ours.prepare()
assert not {"altair", "scipy.stats"} & sys.modules.keys(), "imported at the start"
from great_expectations import expectations
batch = ours._batches().get_batch({"dataframe": pd.DataFrame({"x": ["a", "a", "b", "b"]})})
def diverges(weights):
    return not batch.validate(expectations.ExpectColumnKLDivergenceToBeLessThan(
        column="x", threshold=0.1, partition_object={"values": ["a", "b"], "weights": weights}
    )).success
assert [diverges([0.5, 0.5]), diverges([0.99, 0.01])] == [False, True]
assert "scipy.stats" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
