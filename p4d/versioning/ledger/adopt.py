"""A clone of a project gets the ledger of the project that it was cloned from.

git clones the branch `p4d-ledger` as that of a remote, and `dvc pull` brings artifacts alone.
Without the ledger, the first run would begin a second history that names nothing of the first.
"""

from __future__ import annotations

from p4d.atomic import write_durably
from p4d.errors import LedgerError
from p4d.project import Project
from p4d.versioning.files.git import git, has_repository, try_git
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.code_lists import CODE_LISTS
from p4d.versioning.ledger.continuity import REFERENCE, has_branch, write_marker
from p4d.versioning.ledger.environment import LISTS
from p4d.versioning.ledger.ledger import BRANCH, LEDGER_PATH

COMMAND = "p4d audit fetch"


def left_behind(project: Project) -> str | None:
    """What to do if this is a clone whose ledger was not brought yet; None if it is not."""
    path = project.root / LEDGER_PATH
    if (path.is_file() and path.stat().st_size) or not has_repository(project.root):
        return None
    if has_branch(project) or not (remote := _remote_branch(project)):
        return None
    return (
        f"this clone has no ledger, and {remote.removeprefix('refs/remotes/')} has one: "
        f"`{COMMAND}` brings it, `dvc pull` the artifacts"
    )


def adopt(project: Project) -> str:
    """Bring the ledger of the remote that this clone came from; returns what was done.

    Raises:
        LedgerError: there is a ledger here already, no repository, or no remote has the branch.
    """
    root, path = project.root, project.root / LEDGER_PATH
    with project_lock(project):
        if (path.is_file() and path.stat().st_size) or has_branch(project):
            raise LedgerError(f"{LEDGER_PATH} is here already; nothing is brought")
        for remote in git(root, "remote").decode().split():
            try_git(root, "fetch", remote, f"{REFERENCE}:refs/remotes/{remote}/{BRANCH}")
        found = _remote_branch(project)
        if found is None:
            raise LedgerError(
                f"no remote of {root} has the branch {BRANCH}; `git push REMOTE {BRANCH}` in the "
                "project that it belongs to publishes it"
            )
        commit = git(root, "rev-parse", f"{found}^{{commit}}").decode().strip()
        ledger = git(root, "--no-replace-objects", "show", f"{commit}:{LEDGER_PATH}")
        names = git(
            root, "ls-tree", "-r", "--name-only", "-z", commit, "--", LISTS, CODE_LISTS
        ).decode()
        for name in filter(None, names.split("\0")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            write_durably(root / name, git(root, "show", f"{commit}:{name}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, ledger)
        git(root, "update-ref", REFERENCE, commit, "0" * len(commit))
        write_marker(project, commit, ledger)
    lines = ledger.count(b"\n")
    return f"{LEDGER_PATH}: {lines} lines of {found.removeprefix('refs/remotes/')} {commit[:12]}"


def _remote_branch(project: Project) -> str | None:
    listed = try_git(
        project.root, "for-each-ref", "--format=%(refname)", f"refs/remotes/*/{BRANCH}"
    )
    names = (listed or b"").decode().split()
    return names[0] if names else None
