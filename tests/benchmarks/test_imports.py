"""What benchmarks import exists: most of them are run by hand, and none by a stage."""

import ast
import importlib
from pathlib import Path

import pytest

from p4d.project import Project

ROOT = Project.find().root
MODULES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("benchmarks/**/*.py"))]


def imported(path: Path) -> set[tuple[str, str]]:
    """Modules of this project that a file imports from, each with the name."""
    return {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("p4d.", "benchmarks."))
        for alias in node.names
    }


@pytest.mark.parametrize("module", MODULES)
def test_what_a_benchmark_imports_exists(module):
    for name, attribute in imported(ROOT / module):
        if name.startswith("benchmarks."):
            base = ROOT.joinpath(*name.split("."))
            assert base.is_dir() or base.with_suffix(".py").is_file(), name
            continue
        found = importlib.import_module(name)
        assert hasattr(found, attribute) or importlib.import_module(f"{name}.{attribute}")
