"""Anchors the ledger in git."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from p4d.errors import LedgerError
from p4d.project import Project
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.ledger import BRANCH, LEDGER_PATH

logger = logging.getLogger(__name__)


STALE_GIT_LOCK_S = 10.0


def anchor(project: Project, message: str) -> str | None:
    """Commit code, dvc.lock, shards and ledger as they are to the branch `p4d-ledger`.

    Made of git plumbing with an index of its own: HEAD, index and working tree stay as they are,
    and no git identity is needed. So `dvc get . PATH --rev COMMIT` brings back what was superseded
    later, and `dvc gc --all-commits` keeps it. Returns the commit, or None (with a notice in the
    log) where the project is no git repository.
    """
    root = project.root
    if not (root / ".git").exists():
        logger.warning("no git repository at %s: the ledger is not anchored", root)
        return None
    with project_lock(project), tempfile.TemporaryDirectory(prefix="p4d-anchor-") as folder:
        index = Path(folder) / "index"
        real = root / _git(root, "rev-parse", "--git-path", "index").strip()
        if real.exists():
            # A copy of the real index: its stat cache spares git reading every file again.
            index.write_bytes(real.read_bytes())
        private = {"GIT_INDEX_FILE": str(index)}
        _git(root, "add", "--update", "--", ".", env=private)
        names = ("dvc.lock", "dvc.yaml", "params.yaml", "shards", "reviews", LEDGER_PATH)
        forced = [name for name in names if (root / name).exists()]
        _git(root, "add", "--force", "--", *forced, env=private)
        tree = _git(root, "write-tree", env=private).strip()
        parent = _git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}", ok=(0, 1))
        parent = parent.strip()
        if parent and _git(root, "rev-parse", f"{parent}^{{tree}}").strip() == tree:
            return parent
        arguments = ["commit-tree", tree, "-m", message, *(["-p", parent] if parent else [])]
        commit = _git(root, *arguments, env=private).strip()
        _drop_stale_lock(root)
        _git(root, "update-ref", f"refs/heads/{BRANCH}", commit, parent or "0" * len(commit))
        return commit


def _drop_stale_lock(root: Path) -> None:
    """Remove git's lock of our branch where its holder died; only holders of our lock write it."""
    lock = root / ".git" / "refs" / "heads" / f"{BRANCH}.lock"
    with contextlib.suppress(FileNotFoundError):
        if time.time() - lock.stat().st_mtime > STALE_GIT_LOCK_S:
            lock.unlink()


def anchored(project: Project) -> bytes | None:
    """The ledger as the branch `p4d-ledger` has it, or None where nothing is anchored."""
    return _anchored_file(project.root, LEDGER_PATH)


def is_anchored(project: Project) -> bool:
    """Whether git keeps every line of the ledger, or there is no git to do so."""
    if not (project.root / ".git").exists():
        return True
    path = project.root / LEDGER_PATH
    return (anchored(project) or b"") == (path.read_bytes() if path.is_file() else b"")


def anchored_lock(project: Project) -> str:
    """dvc.lock as the branch `p4d-ledger` has it; empty where nothing is anchored."""
    reference = project.root / ".git" / "refs" / "heads" / BRANCH
    commit = reference.read_text() if reference.is_file() else None
    if commit is None:  # packed, in another folder, or not there: ask git each time
        return (_anchored_file(project.root, "dvc.lock") or b"").decode()
    return _anchored_lock(project.root, commit)


@functools.lru_cache(maxsize=2)
def _anchored_lock(root: Path, commit: str) -> str:
    del commit  # a key of the cache: another one, another content
    return (_anchored_file(root, "dvc.lock") or b"").decode()


def _anchored_file(root: Path, path: str) -> bytes | None:
    if not (root / ".git").exists():
        return None
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "show", f"refs/heads/{BRANCH}:./{path}"],
        cwd=root,
        env=clean,
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def _git(
    root: Path, *arguments: str, env: Mapping[str, str] | None = None, ok: tuple[int, ...] = (0,)
) -> str:
    # A hook that called us exports GIT_DIR and GIT_INDEX_FILE of its own: not for our commands.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    identity = {
        f"GIT_{role}_{part}": text
        for role in ("AUTHOR", "COMMITTER")
        for part, text in (("NAME", "p4d ledger"), ("EMAIL", "ledger@p4d.invalid"))
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env={**clean, **identity, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in ok:
        raise LedgerError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
