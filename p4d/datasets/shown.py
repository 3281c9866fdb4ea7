"""How a file of a dataset is named in errors and on cards."""

from __future__ import annotations

from pathlib import Path

PARTS = 3


def shown(path: Path) -> str:
    """The last parts of a path: enough to find the file, and equal on every machine.

    Problems of a sequence are written beside its video, so the place of a dataset on one machine
    would change the bytes of what is made from it.
    """
    return "/".join(path.parts[-PARTS:])
