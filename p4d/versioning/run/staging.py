"""Staging folders: where a stage computes, on the file system of the artifacts."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from p4d.errors import PublishError
from p4d.held_mark import held
from p4d.project import Project
from p4d.versioning.files.hashes import walk_files
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.run.journal import journal_names


@contextlib.contextmanager
def staging(project: Project) -> Iterator[Path]:
    """A private folder on the artifacts' file system, marked as alive while this process lives."""
    home = project.root / ".staging"
    name = uuid.uuid4().hex
    folder, mark = home / name, home / f"{name}.alive"
    with contextlib.ExitStack() as stack:
        with project_lock(project):
            home.mkdir(exist_ok=True)
            stack.enter_context(held(mark))
            (folder / "new").mkdir(parents=True)
        try:
            yield folder
        finally:
            # A journal that still names this folder needs it: recovery drops it.
            if not journal_names(project, folder):
                shutil.rmtree(folder, ignore_errors=True)
                mark.unlink(missing_ok=True)


def sweep(project: Project) -> list[str]:
    """Remove staging folders whose process is gone; returns their names."""
    home = project.root / ".staging"
    removed: list[str] = []
    if not home.is_dir():
        return removed
    names = {p.name.removesuffix(".alive") for p in home.iterdir()}
    for name in sorted(names):
        folder, mark = home / name, home / f"{name}.alive"
        if journal_names(project, folder):
            continue
        with held(mark) as ours:
            if not ours:
                continue
            if folder.is_dir():  # else its process removed it since the folder was listed
                removed.append(name)
            shutil.rmtree(folder, ignore_errors=True)
            mark.unlink(missing_ok=True)
    return removed


def check_staged(folder: Path) -> None:
    """Refuse content that cannot be versioned faithfully.

    Raises:
        PublishError: no file, a link, or a hidden file (an unfinished write).
    """
    names = [name for name, _ in walk_files(folder)]
    if not names:
        raise PublishError("the stage wrote no file")
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_symlink():
            raise PublishError(f"the stage wrote a link, {relative}; write files")
        if path.name.startswith("."):
            raise PublishError(f"the stage left a hidden file, {relative}: an unfinished write?")
