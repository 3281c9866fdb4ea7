"""The fake project of the versioning tests."""

from tests.versioning.conftest import (  # noqa: F401 - fixtures
    dvc_of_its_own,
    fake,
    fake_without_git,
)
