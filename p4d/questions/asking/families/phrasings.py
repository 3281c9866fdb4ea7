"""The texts of questions, read from `phrasings.yaml`, where they can be edited without code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

PHRASINGS_FILE = Path(__file__).with_name("phrasings.yaml")


def read_phrasings(path: Path) -> dict[str, tuple[str, ...]]:
    """Phrasings per family; the file groups families by category."""
    categories: Mapping[str, Mapping[str, list[str]]] = yaml.safe_load(
        path.read_text(encoding="utf-8")
    )
    return {
        family: tuple(texts)
        for families in categories.values()
        for family, texts in families.items()
    }


PHRASINGS: Mapping[str, tuple[str, ...]] = read_phrasings(PHRASINGS_FILE)
