"""Runs git in a project's repository. The only module of the library that starts git.

Variables `GIT_*` of the environment are not passed on: a git hook that started this process exports
`GIT_DIR` and `GIT_INDEX_FILE` of its own repository and index, and they must not become ours.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from p4d.errors import LedgerError


def git(
    root: Path,
    *arguments: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    ok: tuple[int, ...] = (0,),
) -> bytes:
    """Run git below `root` and return its standard output.

    Args:
        root: the working directory.
        arguments: of git.
        stdin: bytes for its standard input.
        env: variables to set.
        ok: exit statuses that are no failure.

    Raises:
        LedgerError: git is not installed, or ended with another status; holds git's message.
    """
    try:
        done = _run(root, arguments, stdin, env)
    except FileNotFoundError as error:
        raise LedgerError("git is not installed; install it to trace and keep versions") from error
    if done.returncode not in ok:
        message = done.stderr.decode(errors="replace").strip()
        raise LedgerError(f"git {arguments[0]} failed in {root}: {message}")
    return done.stdout


def try_git(root: Path, *arguments: str) -> bytes | None:
    """Run git below `root` and return its standard output, or None if it fails or is missing."""
    try:
        done = _run(root, arguments, None, None)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def has_repository(root: Path) -> bool:
    """Whether `root` is the top folder of a git repository or worktree."""
    return (root / ".git").exists()


def start_history(root: Path, message: str) -> None:
    """Make `root` the top of a repository, unless it is one, and commit all of it.

    DVC and the ledger's anchor need a repository with a commit. It carries an identity of its own,
    as git may have none configured. A repository that has a commit stays as it is.

    Raises:
        LedgerError: git is not installed, or refuses.
    """
    if not has_repository(root):
        git(root, "init", "--quiet", "--initial-branch=main")
    if try_git(root, "rev-parse", "--verify", "--quiet", "HEAD") is not None:
        return
    identity = {
        f"GIT_{role}_{part}": text
        for role in ("AUTHOR", "COMMITTER")
        for part, text in (("NAME", "p4d"), ("EMAIL", "p4d@localhost"))
    }
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--no-gpg-sign", f"--message={message}", env=identity)


def _run(
    root: Path, arguments: tuple[str, ...], stdin: bytes | None, env: Mapping[str, str] | None
) -> subprocess.CompletedProcess[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", *arguments],
        cwd=root,
        env={**clean, **(env or {})},
        input=stdin,
        capture_output=True,
        check=False,
    )
