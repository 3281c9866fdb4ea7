"""Collects garbage without losing a version that the ledger names.

`dvc gc --all-commits` keeps what the dvc.lock of some commit names. The branch `p4d-ledger` covers
every version that was current when it was anchored, but not one that was replaced before that. The
branch `p4d-kept` names each recorded version in a `.dvc` file of its own, so that DVC keeps them
all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from p4d.errors import LedgerError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.shared_cache import is_outside, registered
from p4d.versioning.files.git import git, has_repository
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger

BRANCH = "p4d-kept"
_WHO = "p4d ledger <ledger@p4d.invalid> 0 +0000"


def keep(project: Project) -> int:
    """Name every recorded version on the branch `p4d-kept`; returns how many.

    Raises:
        LedgerError: the project is no git repository.
    """
    if not has_repository(project.root):
        raise LedgerError(
            f"{project.root} is no git repository, so `dvc gc` cannot know what to keep; "
            "make one with `git init`"
        )
    anchor(project, "before collecting garbage")
    versions = {
        record["md5"]: f"kept/{record['path'].removeprefix('data/')}"
        for record in Ledger(project).records("materialization")
        if dvc_store.object_path(project.root, record["md5"]).is_file()
    }
    stream = b"".join(_commit(versions))
    git(project.root, "fast-import", "--quiet", "--force", stdin=stream)
    return len(versions)


def collect_garbage(
    project: Project, *, dry: bool = False, others: Sequence[Path] = (), alone: bool = False
) -> str:
    """Run `dvc gc --all-commits` after `keep`; returns the output of DVC.

    What the other projects of the cache need stays: those in its register, and those that are
    named. In a cache outside of the project there may be more, of which p4d knows nothing, so
    somebody has to say that all are named.

    Args:
        project: where.
        dry: only list what would be removed.
        others: roots of projects that use the same cache.
        alone: there are no others beside the registered ones.

    Raises:
        LedgerError: DVC failed, the cache may be shared with projects that are not named, or one
            of them cannot be read.
    """
    sharing = sharing_projects(project, others)
    if is_outside(project.root) and not others and not alone:
        known = "".join(f"\n  {root}" for root in sharing) or " none"
        raise LedgerError(
            f"the cache {dvc_store.cache_dir(project.root).parents[1]} lies outside of this "
            "project, so others may need what looks like garbage here. Name each other DVC project "
            "that uses it: `p4d gc --project DIR --project DIR`; or `p4d gc --no-others` if there "
            f"is none beside those that registered:{known}"
        )
    count = keep(project)
    for root in sharing:
        if (root / "data" / "ledger").is_dir():
            count += keep(Project(root))
    dvc_store.ensure_initialised(project.root)  # DVC's state is private before DVC runs
    command = ["dvc", "gc", "--all-commits", "--force", *(["--dry"] if dry else [])]
    if sharing:
        command += ["--projects", *map(str, sharing)]
    done = subprocess.run(
        command, cwd=project.root, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode:
        raise LedgerError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    of_others = f" (also of {', '.join(map(str, sharing))})" if sharing else ""
    return f"{count} recorded versions are kept{of_others}\n{done.stdout.strip()}"


def sharing_projects(project: Project, named: Sequence[Path] = ()) -> list[Path]:
    """The other projects that use the cache: the registered ones and the named ones.

    Raises:
        LedgerError: one is no DVC repository any more.
    """
    register = registered(project.root)
    found = sorted({*register, *(root.resolve() for root in named)} - {project.root.resolve()})
    for root in found:
        if not (root / ".dvc").is_dir():
            entry = register.get(root)
            how = f"; if it is gone for good, delete {entry}" if entry else ""
            raise LedgerError(
                f"{root} uses the same cache and is no DVC repository now, so nobody knows what it "
                f"needs{how}"
            )
    return found


def _commit(versions: dict[str, str]) -> Iterator[bytes]:
    yield f"commit refs/heads/{BRANCH}\ncommitter {_WHO}\n".encode()
    message = b"every recorded version"
    yield b"data %d\n%s\n" % (len(message), message)
    for md5, folder in sorted(versions.items()):
        name = md5.removesuffix(".dir")
        text = f"outs:\n- md5: {md5}\n  hash: md5\n  path: {name}\n".encode()
        yield f"M 100644 inline {folder}/{name}.dvc\n".encode()
        yield b"data %d\n%s\n" % (len(text), text)
