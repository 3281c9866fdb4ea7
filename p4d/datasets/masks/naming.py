"""Names of objects: what the dataset calls their class, numbered where that repeats."""

from __future__ import annotations

from collections.abc import Mapping

MAX_NAME = 80


def unique_names(categories: Mapping[int, str]) -> dict[int, str]:
    """A name for each object id, unique among them: `dog`, `dog 2`, or `object 5` of no class."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for each, category in categories.items():
        base = category[:MAX_NAME] or f"object {each}"
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base} {count}"
        taken.add(name)
        names[each] = name
    return names
