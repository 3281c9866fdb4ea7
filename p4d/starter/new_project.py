"""Makes a project that depends on the installed package."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from p4d.distribution import link_code, repository_file
from p4d.errors import ConfigError
from p4d.pipeline import STAGES
from p4d.version import __version__
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc.cache import ensure_initialised
from p4d.versioning.dvc.pipeline_file import PIPELINE_FILE, SHARD_LIST, render
from p4d.versioning.files.code_closure import code_files
from p4d.versioning.files.git import has_repository, start_history, try_git
from p4d.versioning.state.blocked import ensure_file

_FILES = Path(__file__).with_name("files")
_TEMPLATES: Mapping[str, str] = {
    "README.md": "README.md",
    "Makefile": "Makefile",
    "requirements.txt": "requirements.txt",
    "pyproject.toml": "pyproject.toml",
    ".gitignore": "gitignore",
    ".github/workflows/ci.yml": "ci.yml",
    "code_location/definitions.py": "code_location.txt",
}
"""Files of a project that are made from a template in `files/`."""
_OF_THE_REPOSITORY = (
    "params.yaml",
    "dagster.yaml",
    ".dvcignore",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots/accuracy.json",
    ".dvc/plots/losses.json",
    ".dvc/plots/page.html",
    ".dvc/plots/LICENSES.txt",
    "configs",
    "reviews/README.md",
    "external/README.md",
)
"""Files and folders of a project that are those of the repository of p4d."""
_SHOWN = 5


def make_project(folder: Path) -> list[str]:
    """Make a project in `folder`, with a git history of one commit if git is installed.

    Args:
        folder: missing or empty, but for `.git`; parents are made.

    Returns:
        What was written, as paths relative to `folder`.

    Raises:
        ConfigError: the folder holds something, or lies inside of another git repository.
    """
    folder = folder.absolute()
    _check_usable(folder)
    texts = {path: _text(_FILES / source) for path, source in _TEMPLATES.items()}
    texts |= dict(_of_the_repository())
    texts |= {"code_location/__init__.py": b"", SHARD_LIST: b"shards: []\n"}
    for path, content in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "inbox").mkdir()
    link_code(folder)
    (folder / PIPELINE_FILE).write_text(render(STAGES)[PIPELINE_FILE], encoding="utf-8")
    for stage in STAGES:
        code_folder.write(folder, stage.name, code_files(stage, folder))
    ensure_file(folder)
    if shutil.which("git") is not None:
        start_history(folder, "Project as p4d init makes it")
    ensure_initialised(folder)
    return sorted([*texts, PIPELINE_FILE])


def _of_the_repository() -> Iterator[tuple[str, bytes]]:
    for path in _OF_THE_REPOSITORY:
        source = repository_file(path)
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                yield (Path(path) / file.relative_to(source)).as_posix(), file.read_bytes()


def _check_usable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; give a folder that is missing or empty")
    held = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    if found := [name for name in held if name != ".git"]:
        names = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise ConfigError(f"{folder} is not empty (it holds {names}); give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    around = try_git(folder, "rev-parse", "--show-toplevel")
    if around is not None and not has_repository(folder):
        raise ConfigError(
            f"{folder} lies inside of the git repository {around.decode().strip()}; a project "
            "keeps its ledger on a branch of its own repository: give a folder outside, or run "
            "`git init` in this one first"
        )


def _text(template: Path) -> bytes:
    text = template.read_text(encoding="utf-8")
    python = ".".join(map(str, sys.version_info[:2]))
    return text.replace("@VERSION@", __version__).replace("@PYTHON@", python).encode()
