import pytest

from p4d.students.base import build_base_student
from tests.students import tiny


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A tiny project with its base student; tests read it and write elsewhere."""
    project = tiny.make(tmp_path_factory.mktemp("students") / "data")
    build_base_student(project.inputs("base_student"), project.root / "base_student")
    return project
