"""The notebooks are stored without outputs and use names that exist; tests/end_to_end runs them."""

import ast
import importlib
import re
from pathlib import Path

import nbformat
import pytest

from p4d.sql_files import sql_files

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def code_cells(name):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_without_outputs(name):
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(name))


def names_used(tree):
    """Every `(module, attribute)` of p4d that the code imports or uses as `module.attribute`."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("p4d"):
            for alias in node.names:
                yield node.module, alias.name
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name)) if name in modules:
                yield modules[name], node.attr


def resolves(module, attribute):
    parent, _, last = module.rpartition(".")
    try:
        owner = importlib.import_module(module)
    except ModuleNotFoundError:  # a class or function of a module
        owner = getattr(importlib.import_module(parent), last)
    if hasattr(owner, attribute):
        return True
    try:
        importlib.import_module(f"{module}.{attribute}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_names_that_a_notebook_uses_exist(name):
    tree = ast.parse("\n".join(cell.source for cell in code_cells(name)))
    used = set(names_used(tree))
    assert len(used) > 5
    assert [pair for pair in sorted(used) if not resolves(*pair)] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_views_that_a_notebook_queries_exist(name):
    source = "\n".join(cell.source for cell in code_cells(name))
    known = {view for kind in ("staging", "marts", "audit") for view in sql_files(kind)}
    named = set(re.findall(r"""\bquery\(\s*"(\w+)"\)""", source))
    staged = set(re.findall(r"\bstg_\w+", source))
    assert named | staged
    assert named | staged <= known
