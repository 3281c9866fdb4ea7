"""A project without files, and Dagster instances that keep nothing."""

import dagster as dg
import pytest

from dagster_project.build import build_defs
from p4d.project import Project


@pytest.fixture(scope="session")
def defs():
    """The definitions of this repository."""
    return build_defs(Project.find())


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made
