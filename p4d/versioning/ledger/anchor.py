"""Anchors the ledger in git: commits it, with everything that it names, to the branch `p4d-ledger`.

Uses git plumbing with an index of its own, so that the user's HEAD, index and working tree stay as
they are.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import tempfile
import time
from pathlib import Path

from p4d.project import Project
from p4d.versioning.dvc import code_folder
from p4d.versioning.files.git import git, has_repository, try_git
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.code_lists import CODE_LISTS
from p4d.versioning.ledger.continuity import require_continued, write_marker
from p4d.versioning.ledger.environment import LISTS
from p4d.versioning.ledger.ledger import BRANCH, LEDGER_PATH, Ledger

logger = logging.getLogger(__name__)


STALE_GIT_LOCK_S = 10.0
_IDENTITY = {
    f"GIT_{role}_{part}": text
    for role in ("AUTHOR", "COMMITTER")
    for part, text in (("NAME", "p4d ledger"), ("EMAIL", "ledger@p4d.invalid"))
}


def anchor(project: Project, message: str) -> str | None:
    """Commit code, dvc.lock, shards, reviews and the ledger to the branch `p4d-ledger`.

    `dvc get . PATH --rev COMMIT` then restores what was superseded later, and `dvc gc
    --all-commits` keeps it. Needs no git identity. Returns the commit, or None (and logs a warning)
    if the project is no git repository.

    Raises:
        LedgerError: the ledger or the branch does not continue what was anchored before
            (`continuity`); or a git command failed.
    """
    root = project.root
    if not has_repository(root):
        logger.warning("no git repository at %s: the ledger is not anchored", root)
        return None
    with project_lock(project), tempfile.TemporaryDirectory(prefix="p4d-anchor-") as folder:
        Ledger(project).repair()  # an unfinished line would be anchored, and dropped later
        require_continued(project)
        index = Path(folder) / "index"
        real = root / _git(root, "rev-parse", "--git-path", "index")
        if real.exists():
            # A copy of the real index: its stat cache saves git from reading every file again.
            index.write_bytes(real.read_bytes())
        _git(root, "add", "--update", "--", ".", index=index)
        names = (
            "dvc.lock", "dvc.yaml", "params.yaml", "shards", "reviews", "external/takedowns.yaml",
            LEDGER_PATH, LISTS, CODE_LISTS, code_folder.HOME,
        )  # fmt: skip
        forced = [name for name in names if (root / name).exists()]
        _git(root, "add", "--force", "--", *forced, index=index)
        tree = _git(root, "write-tree", index=index)
        parent = _git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}", ok=(0, 1))
        if parent and _git(root, "rev-parse", f"{parent}^{{tree}}") == tree:
            _mark(project, parent)
            return parent
        commit = _git(root, "commit-tree", tree, "-m", message, *(["-p", parent] if parent else []))
        _drop_stale_lock(root)
        _git(root, "update-ref", f"refs/heads/{BRANCH}", commit, parent or "0" * len(commit))
        _mark(project, commit)
        return commit


def _mark(project: Project, commit: str) -> None:
    path = project.root / LEDGER_PATH
    write_marker(project, commit, path.read_bytes() if path.is_file() else b"")


def _git(root: Path, *arguments: str, index: Path | None = None, ok: tuple[int, ...] = (0,)) -> str:
    env = _IDENTITY if index is None else {**_IDENTITY, "GIT_INDEX_FILE": str(index)}
    return git(root, *arguments, env=env, ok=ok).decode().strip()


def _drop_stale_lock(root: Path) -> None:
    """Remove git's lock of the branch if its holder died: only holders of our lock write it."""
    lock = root / ".git" / "refs" / "heads" / f"{BRANCH}.lock"
    with contextlib.suppress(FileNotFoundError):
        if time.time() - lock.stat().st_mtime > STALE_GIT_LOCK_S:
            lock.unlink()


def anchored_lock(project: Project, folder: str = "") -> str:
    """A dvc.lock on the branch `p4d-ledger`; empty if nothing is anchored.

    Args:
        project: where.
        folder: of the lock, relative to the project.
    """
    reference = project.root / ".git" / "refs" / "heads" / BRANCH
    commit = reference.read_text(encoding="utf-8") if reference.is_file() else None
    path = f"{folder}/dvc.lock" if folder else "dvc.lock"
    if commit is None:  # packed, in another folder, or missing: ask git each time
        return (_anchored_file(project.root, path) or b"").decode()
    return _anchored_lock(project.root, commit, path)


@functools.lru_cache(maxsize=64)
def _anchored_lock(root: Path, commit: str, path: str) -> str:
    del commit  # key of the cache: the content depends on it
    return (_anchored_file(root, path) or b"").decode()


def _anchored_file(root: Path, path: str) -> bytes | None:
    return try_git(root, "show", f"refs/heads/{BRANCH}:./{path}") if has_repository(root) else None
