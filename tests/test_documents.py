"""Links and paths in the documents lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {".venv", ".git", ".dvc", "data", "reports", "inbox", "benchmark_data", "runs"}
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if (top := path.relative_to(ROOT).parts[0]) not in GENERATED
    and not top.startswith(".venv-")  # of another Python, and of the tools that write locks
    and path.name != "CHANGELOG.md"  # names files as they were
)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)|src=\"([^\":]+)\"")
CODE_PATH = re.compile(r"`((?:p4d|tests|sql|assets|dagster_project|benchmarks|docs)/[\w./-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(document):
    targets = [one or other for one, other in LINK.findall(document.read_text())]
    assert not [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_path_of_the_repository_exists(document):
    paths = CODE_PATH.findall(document.read_text())
    assert not [path for path in paths if not (ROOT / path).exists()]


PACKAGES = sorted(
    path.parent
    for top in ("p4d", "assets", "dagster_project", "benchmarks")
    for path in (ROOT / top).rglob("__init__.py")
)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_package_says_what_belongs_in_it(package):
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    assert (package / "README.md").exists() or len(text.splitlines()) >= 3
