"""Facts about a run that belong in the ledger: git state, cost, weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from p4d.distribution import PACKAGE, package_state, uses_installed_code
from p4d.ids import sha256_file
from p4d.versioning.files.git import has_repository, try_git

WEIGHT_FILES = ("weights*.safetensors", "model*.safetensors", "perception*.safetensors")


def git_state(root: Path, paths: Iterable[str]) -> dict[str, Any]:
    """`commit` (None without git or before the first commit) and whether `paths` are `dirty`."""
    status = ("status", "--porcelain=v2", "--branch", "-uall", "--ignored=no")
    printed = try_git(root, "--no-optional-locks", *status, "--", *paths)
    if printed is None or not has_repository(root):
        return {"commit": None, "dirty": None}
    lines = printed.decode(errors="replace").splitlines()
    head = next((ln.split()[-1] for ln in lines if ln.startswith("# branch.oid")), "(initial)")
    dirty = any(not line.startswith("#") for line in lines)
    return {"commit": None if head == "(initial)" else head, "dirty": dirty}


def code_origin(root: Path, paths: Collection[str]) -> dict[str, Any]:
    """Where the code behind an artifact comes from: `package`, and `git` of the project.

    In a project that depends on the installed package, git has only parameters and shards. There
    `dirty` is whether the package was edited after it was installed, or, if it is installed from a
    checkout, whether that checkout was; `package` then has the commit of it.

    Args:
        root: of the project.
        paths: the code, relative to the project.
    """
    package = package_state(paths)
    if not uses_installed_code(root):
        return {"git": git_state(root, paths), "package": package}
    commit = git_state(root, ("params.yaml",))["commit"]
    if package["distribution"] is not None:
        return {"git": {"commit": commit, "dirty": bool(package["edited"])}, "package": package}
    checkout = git_state(PACKAGE.parent, paths)
    return {
        "git": {"commit": commit, "dirty": checkout["dirty"]},
        "package": {**package, "commit": checkout["commit"]},
    }


def weight_hashes(folder: Path) -> Mapping[str, str]:
    """SHA-256 of every file of network weights below `folder`, by relative path."""
    files = {f for pattern in WEIGHT_FILES for f in folder.rglob(pattern)}
    return {f.relative_to(folder).as_posix(): sha256_file(f) for f in sorted(files)}
