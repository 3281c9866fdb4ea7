"""A plugin of pytest: writes the finding of a test's marker `attack` into its report."""

from __future__ import annotations

import pytest

PROPERTY = "attack"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make each marker a property of its test, which the XML report has."""
    for item in items:
        for mark in item.iter_markers("attack"):
            item.user_properties.append((PROPERTY, mark.args[0]))
