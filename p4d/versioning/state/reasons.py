"""Puts the reasons why an artifact is not fresh in few words.

After an upgrade of p4d an artifact is stale because of a hundred files of code.
"""

from __future__ import annotations

from collections.abc import Iterable

AT_MOST = 3
"""Names of one kind that are written out."""

_NOUNS = {
    "params changed": "parameters",
    "code changed": "files", "code added": "files", "code missing": "files",
    "input changed": "inputs", "input added": "inputs", "input missing": "inputs",
    "no longer read": "files", "waits for": "inputs",
}  # fmt: skip


def grouped(reasons: Iterable[str], at_most: int = AT_MOST) -> str:
    """The reasons in their order, those of one kind as one, with a count and the first names.

    `code changed: 41 files (p4d/artifacts.py, p4d/ids.py, p4d/video/decode.py, ...)`; up to
    `at_most` names are written without a count.
    """
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kind = next((known for known in _NOUNS if reason.startswith(known)), reason)
        kinds.setdefault(kind, []).append(reason.removeprefix(kind).lstrip(": "))
    return "; ".join(_one(kind, names, at_most) for kind, names in kinds.items())


def _one(kind: str, names: list[str], at_most: int) -> str:
    if kind not in _NOUNS:
        return kind
    colon = "" if kind == "waits for" else ":"
    few = ", ".join(names[:at_most])
    if len(names) <= at_most:
        return f"{kind}{colon} {few}"
    return f"{kind}{colon} {len(names)} {_NOUNS[kind]} ({few}, ...)"
