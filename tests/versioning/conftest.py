import sys
from pathlib import Path

import pytest

from tests.versioning.fake import Fake, build


@pytest.fixture
def fake(tmp_path: Path):
    made = build(tmp_path / "project")
    yield made
    _leave(made)


@pytest.fixture
def fake_without_git(tmp_path: Path):
    made = build(tmp_path / "project", git=False)
    yield made
    _leave(made)


def _leave(made: Fake) -> None:
    made.forget()
    sys.path.remove(str(made.root))


@pytest.fixture(autouse=True)
def dvc_of_its_own(tmp_path: Path, monkeypatch):
    """DVC's state and settings lie in the test's folder."""
    for name in ("DVC_STAGE", "DVC_ROOT", "GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
        monkeypatch.setenv(f"DVC_{name}_DIR", str(tmp_path / name.lower()))
