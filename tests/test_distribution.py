"""The package in a checkout. tests/end_to_end/test_installed.py has it as a wheel."""

from pathlib import Path

import pytest
import yaml

from p4d import distribution
from p4d.config import Params
from p4d.errors import ConfigError
from p4d.project import Project
from p4d.version import __version__

ROOT = Path(__file__).resolve().parents[1]


def test_files_of_the_top_level_are_those_of_the_checkout():
    assert distribution.repository_file("sql") == ROOT / "sql"
    with pytest.raises(ConfigError, match=r"the package lacks sql/none\.sql"):
        distribution.repository_file("sql/none.sql")


def test_a_checkout_is_no_distribution():
    assert distribution.distribution() is None
    state = distribution.package_state(["p4d/ids.py"])
    assert state == {"version": __version__, "distribution": None, "edited": []}


def test_outside_of_a_project_the_parameters_are_those_of_the_package(tmp_path, monkeypatch):
    monkeypatch.delenv("P4D_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    here = Project.find_or_here()
    assert here.root == tmp_path
    assert here.params == Params.from_mapping(yaml.safe_load((ROOT / "params.yaml").read_text()))
    with pytest.raises(ConfigError, match="is not inside a p4d project"):
        Project.find()


def test_a_root_that_is_given_must_be_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P4D_ROOT", str(tmp_path))
    with pytest.raises(ConfigError, match="is not inside a p4d project"):
        Project.find_or_here()
