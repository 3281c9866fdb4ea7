"""Links and paths in the documents lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {".venv", ".git", ".dvc", "data", "reports", "inbox", "benchmark_data", "runs"}
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if path.relative_to(ROOT).parts[0] not in GENERATED
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
