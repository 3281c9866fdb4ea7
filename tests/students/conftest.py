import dataclasses

import pytest

from p4d.config import replace_params
from p4d.students import load
from p4d.students.model.adapters import FAMILIES
from p4d.students.training.base_student import build_base_student
from tests.students import tiny


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A tiny project with its base student; tests read it and write elsewhere."""
    project = tiny.make(tmp_path_factory.mktemp("students") / "data")
    build_base_student(project.inputs("base_student"), project.root / "base_student")
    return project


@pytest.fixture(scope="session", params=list(FAMILIES))
def student_folder(request, project, tmp_path_factory):
    """The base student of each family in turn."""
    if request.param == project.params.student.architecture:
        return project.root / "base_student"
    folder = tmp_path_factory.mktemp(request.param)
    inputs = project.inputs("base_student")
    params = replace_params(inputs.all_params, student={"architecture": request.param})
    build_base_student(dataclasses.replace(inputs, all_params=params), folder)
    return folder


@pytest.fixture(scope="session")
def family_student(student_folder):
    return load(student_folder)
