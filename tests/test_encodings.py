"""Text is read and written as UTF-8, whatever the locale: names of videos are in any script."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for package in ("p4d", "assets", "dagster_project", "benchmarks")
    for path in sorted((ROOT / package).rglob("*.py"))
]


def without_encoding(source):
    """Lines of calls that read or write text in the encoding of the locale."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _is_text(node):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if "encoding" not in given and None not in given:
                yield node.lineno


def _is_text(call):
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in ("read_text", "write_text"):
        return True
    if name == "open":
        modes = [a.value for a in [*call.args, given.get("mode")] if isinstance(a, ast.Constant)]
        modes = [mode for mode in modes if isinstance(mode, str) and set(mode) <= set("rwaxb+t")]
        receiver = ast.unparse(getattr(call.func, "value", ast.Constant("")))
        foreign = receiver in (
            "os",
            "av",
            "Image",
            "archive",
            "self._zip",
            "tarfile",
            "webbrowser",
        )  # none opens text
        return not foreign and not any("b" in mode for mode in modes)
    text = given.get("text")
    return isinstance(text, ast.Constant) and text.value is True


def test_every_text_file_is_opened_as_utf8():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        for line in without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.read_text()", [1]),
        ("path.write_text(a)", [1]),
        ("path.open('a')", [1]),
        ("open(path)", [1]),
        ("run(command, text=True)", [1]),
        ("path.open('rb')\nfs.open(path, 'rb')\npath.read_text(encoding='utf-8')", []),
    ],
)
def test_the_rule_finds_what_it_must(source, found):
    assert list(without_encoding(source)) == found


@pytest.mark.attack("L5")
def test_a_name_beyond_ascii_is_read_in_a_locale_without_utf8(tmp_path):
    program = (
        "from pathlib import Path\n"
        "from p4d.sidecars import StatedSource, read_source, write_source\n"
        "write_source(Path('a.mp4'), licence='\\u266b', source='\\u00f6')\n"
        "assert read_source(Path('a.source.json')) == StatedSource('\\u266b', '\\u00f6')\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
             "LC_ALL": "C"},
        check=True,
    )  # fmt: skip
