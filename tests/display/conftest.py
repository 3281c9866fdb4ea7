import pytest

from tests.sql import example_project


@pytest.fixture
def tables():
    return example_project.tables()
