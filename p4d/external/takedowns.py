"""`external/takedowns.yaml`: external rows and media that are out for good, and why.

It lies in the folder that the stage `external` reads and git keeps it, so an entry makes the stage
stale. `p4d takedown` writes it (p4d/audit/external_takedown.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from p4d.errors import ContractError

TAKEDOWNS = "takedowns.yaml"
REASON = "taken down: "


def read_takedowns(folder: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; each has at least `id` and `reason`.

    Raises:
        ContractError: the file is not in the form that p4d writes: nothing may enter then.
    """
    path = folder / TAKEDOWNS
    if not path.is_file():
        return []
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries: list[dict[str, Any]] = value["takedowns"]
        known = [(str(entry["id"]), str(entry["reason"])) for entry in entries]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ContractError(f"external/{TAKEDOWNS} is damaged: restore it from git") from error
    del known
    return entries


def reasons_by_id(entries: list[dict[str, Any]]) -> Mapping[str, str]:
    """Why each row or medium is out."""
    return {str(entry["id"]): REASON + str(entry["reason"]) for entry in entries}
