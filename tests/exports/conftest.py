"""The small project, and one export of it."""

import pytest

from p4d.exports.training.export import TrainingOptions, export_training
from tests.exports.small_project import SmallProject


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Treat it as read-only."""
    return SmallProject(tmp_path_factory.mktemp("small")).write()


@pytest.fixture(scope="session")
def exported(small, tmp_path_factory):
    """An export of the small project at 256 px, with tar archives; read-only."""
    path = tmp_path_factory.mktemp("exported") / "out"
    return export_training(small.project, path, TrainingOptions(size_px=256, webdataset=True))


@pytest.fixture
def own_small(tmp_path):
    """A project that a test may change."""
    return SmallProject(tmp_path / "project")
