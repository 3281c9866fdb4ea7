"""Scratch that survives a kill: where a stage instance keeps what it needs to go on.

`.p4d/work/<instance>/<digest>/`, with the digest over all the instance is made of, so that a run
finds the checkpoints of a killed one exactly when it would make the same thing. Gone once that is
published, together with what older runs of the instance left.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from p4d.project import Project
from p4d.versioning.state.fingerprint import Fingerprint


@contextlib.contextmanager
def work_folder(
    project: Project, key: str, snapshot: Fingerprint, code_version: str
) -> Iterator[Path | None]:
    """The folder of one instance; None while another process is working in it.

    Left as it is when the body raises; removed when it ends.
    """
    content = {
        "cmd": snapshot.cmd,
        "params": snapshot.params_digest,
        "deps": {path: digest.md5 for path, digest in snapshot.deps.items() if digest},
        "code": code_version,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    home = project.state / "work" / key
    home.mkdir(parents=True, exist_ok=True)
    with _held(home / digest) as held:
        if not held:
            yield None
            return
        folder = home / digest
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    for other in [path for path in home.iterdir() if path.is_dir()]:
        with _held(other) as held:
            if held:
                shutil.rmtree(other, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Whether the folder is now this process's; freed when the process dies."""
    with folder.with_suffix(".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
