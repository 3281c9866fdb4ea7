import dagster as dg
import pytest


@pytest.fixture
def instance():
    """An instance that keeps nothing."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made
