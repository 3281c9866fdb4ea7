import pytest

from tests.durability.kills import Server
from tests.durability.toy import Toy, build


@pytest.fixture(scope="session")
def made_toy(tmp_path_factory) -> Toy:
    """A toy checkout in which everything is made once. Copy it, do not change it."""
    root = tmp_path_factory.mktemp("toy")
    toy = build(root / "made")
    with Server(toy, root / "answers") as server:
        server.run("up")
    return toy


@pytest.fixture
def toy(made_toy, tmp_path) -> Toy:
    """A made checkout that a test may change."""
    return made_toy.copy_to(tmp_path / "toy")
