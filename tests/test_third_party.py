"""Packages of copyleft licences are named where whoever passes p4d on will look."""

import importlib.metadata
import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[1] / "THIRD_PARTY.md").read_text(encoding="utf-8")
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU|EPL|Eclipse|MPL|Mozilla|CDDL|EUPL", re.I)


def _stated(found: importlib.metadata.Distribution) -> str:
    """The licence in the metadata: SPDX, else classifiers, else the first line of free text."""
    metadata = found.metadata
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License")]
    stated = metadata.get("License-Expression") or "; ".join(classifiers)
    return stated or (metadata.get("License") or "").split("\n")[0]


def _named(text: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z0-9-]+)`", text, re.M))


def test_every_installed_package_of_a_copyleft_licence_is_listed():
    found = {
        each.name.lower()
        for each in importlib.metadata.distributions()
        if COPYLEFT.search(_stated(each))
    }
    assert {"grandalf", "pygit2"} <= found
    assert found <= _named(TEXT)


def test_the_gpl_libraries_in_the_wheel_of_pyav_are_those_that_are_named():
    files = {file.name for file in importlib.metadata.distribution("av").files or ()}
    present = {name for name in ("x264", "x265", "xvid") if any(f"lib{name}" in f for f in files)}
    (row,) = [line for line in TEXT.splitlines() if line.startswith("| `av`")]
    assert present == set(re.findall(r"x26\d|xvid", row))
