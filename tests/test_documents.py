"""Links and paths in the documents lead somewhere, and their commands and parameters exist."""

import ast
import re
from pathlib import Path

import click
import pytest
import yaml

from p4d.cli import cli

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


SPAN, BLOCK = re.compile(r"`([^`\n]+)`"), re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)
CALL = re.compile(r"(?:^|[\s;(]|bin/)(?:-m p4d\.cli|p4d) ([^;`#|]+)")
SECTIONS = yaml.safe_load((ROOT / "params.yaml").read_text())
PARAMETER = re.compile(rf"`({'|'.join(SECTIONS)})\.([a-z_]+)(?:: [^`]*)?`")
FILE_ENDINGS = {"csv", "json", "jsonl", "md", "parquet", "py", "safetensors", "svg", "yaml"}


def calls(text):
    """The words behind `p4d` wherever a document calls it, in a span or in a block."""
    blocks = "\n".join(BLOCK.findall(text)).replace("\\\n", " ")
    for code in [*SPAN.findall(BLOCK.sub("", text)), *blocks.splitlines()]:
        for words in CALL.findall(code):
            yield words.split()


def unknown(words):
    """The command, or the options, that p4d does not have."""
    node, rest = cli, list(words)
    while rest and isinstance(node, click.Group) and re.fullmatch("[a-z][a-z-]*", rest[0]):
        name = rest.pop(0)
        node = node.get_command(click.Context(node), name)
        if node is None:
            return [name]
    known = {"--help", "--version", *(option for p in node.params for option in p.opts)}
    given = [word.strip("[],.").partition("=")[0] for word in rest]
    return [word for word in given if re.match("--?[a-z]", word) and word not in known]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_command_of_p4d_exists_with_its_options(document):
    wrong = {" ".join(words): found for words in calls(document.read_text())
             if (found := unknown(words))}  # fmt: skip
    assert not wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_parameter_that_a_document_names_is_in_params_yaml(document):
    named = set(PARAMETER.findall(document.read_text()))
    assert not [f"{section}.{key}" for section, key in sorted(named)
                if key not in SECTIONS[section] and key not in FILE_ENDINGS]  # fmt: skip


def test_a_wrong_command_and_a_wrong_option_are_found():
    text = "`p4d ledger`, `p4d why ID --deep`,\n```\n.venv/bin/p4d audit \\\n verify --hed\n```"
    assert [unknown(words) for words in calls(text)] == [["ledger"], ["--deep"], ["--hed"]]


PACKAGES = sorted(
    path.parent
    for top in ("p4d", "assets", "dagster_project", "benchmarks")
    for path in (ROOT / top).rglob("__init__.py")
)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_package_says_what_belongs_in_it(package):
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    assert (package / "README.md").exists() or len(text.splitlines()) >= 3
