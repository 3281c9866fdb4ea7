"""Collects garbage without losing a version that the ledger names.

`dvc gc --all-commits` keeps what the dvc.lock of some commit names. The branch `p4d-ledger` covers
every version that was current when it was anchored, but not one that was replaced before that. The
branch `p4d-kept` names each recorded version in a `.dvc` file of its own, so that DVC keeps them
all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from p4d.errors import LedgerError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
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


def collect_garbage(project: Project, *, dry: bool = False) -> str:
    """Run `dvc gc --all-commits` after `keep`; returns the output of DVC.

    Raises:
        LedgerError: DVC failed.
    """
    count = keep(project)
    dvc_store.ensure_initialised(project.root)  # DVC's state is private before DVC runs
    command = ["dvc", "gc", "--all-commits", "--force", *(["--dry"] if dry else [])]
    done = subprocess.run(
        command, cwd=project.root, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode:
        raise LedgerError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return f"{count} recorded versions are kept\n{done.stdout.strip()}"


def _commit(versions: dict[str, str]) -> Iterator[bytes]:
    yield f"commit refs/heads/{BRANCH}\ncommitter {_WHO}\n".encode()
    message = b"every recorded version"
    yield b"data %d\n%s\n" % (len(message), message)
    for md5, folder in sorted(versions.items()):
        name = md5.removesuffix(".dir")
        text = f"outs:\n- md5: {md5}\n  hash: md5\n  path: {name}\n".encode()
        yield f"M 100644 inline {folder}/{name}.dvc\n".encode()
        yield b"data %d\n%s\n" % (len(text), text)
