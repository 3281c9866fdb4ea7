"""The files of code behind a version: hash and size of each, kept once beside the ledger.

dvc.lock has one hash for all code of a stage (`p4d.versioning.dvc.code_folder`). The list with this
hash says which files they were. So a change of code is reported by file, and an entry that an
earlier version wrote file by file is proven to be the one published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from p4d.atomic import write_durably
from p4d.errors import ContractError, LedgerError
from p4d.project import Project
from p4d.versioning.files.hashes import Digest, Tree
from p4d.versioning.ledger.ledger import BRANCH
from p4d.versioning.ledger.problem import Problem

CODE_LISTS = "data/ledger/code"


def keep_code_list(project: Project, code: Mapping[str, Digest]) -> None:
    """Keep the list of these files, under the hash of the folder that holds them."""
    tree = Tree.of(code)
    path = _path(project, tree.digest.md5)
    if not path.is_file():
        rows = [[name, digest.md5, digest.nbytes] for name, digest in tree.files.items()]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, (json.dumps(rows, indent=0) + "\n").encode())


def kept_code_list(project: Project, md5: str) -> Mapping[str, Digest] | None:
    """The files of the folder with this hash; None if no list of it was kept.

    Raises:
        LedgerError: the list was altered.
    """
    path = _path(project, md5)
    try:
        rows = json.loads(path.read_bytes())
        tree = Tree.of({name: Digest(digest, nbytes) for name, digest, nbytes in rows})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, ContractError, RecursionError) as error:
        raise LedgerError(
            f"{_shown(path)} is no list of code ({error}); {_restore(path)}"
        ) from error
    if tree.digest.md5 != md5:
        raise LedgerError(f"{_shown(path)} was altered: its files are others; {_restore(path)}")
    return tree.files


def code_list_problems(project: Project) -> Iterator[Problem]:
    """Kept lists that were altered, and files among them that are none."""
    folder = project.root / CODE_LISTS
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_file() or not re.fullmatch(r"[0-9a-f]{32}\.json", path.name):
            yield Problem("orphaned", _shown(path), "is no list of code")
            continue
        try:
            kept_code_list(project, f"{path.stem}.dir")
        except LedgerError as error:
            yield Problem("altered", _shown(path), str(error))


def _path(project: Project, md5: str) -> Path:
    return project.root / CODE_LISTS / f"{md5.removesuffix('.dir')}.json"


def _shown(path: Path) -> str:
    return f"{CODE_LISTS}/{path.name}"


def _restore(path: Path) -> str:
    return f"`git show {BRANCH}:{_shown(path)} > {_shown(path)}` may restore it"
