"""A work directory for resumable stages; it survives a killed process and goes when they publish.

`.p4d/work/<artifact>/<digest>/`, with a digest over everything that the artifact is made of: a run
finds the files of a killed one exactly if it would make the same thing. Publishing removes the
directory, and those that older runs of the artifact left.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from p4d.held_mark import held
from p4d.versioning.run.stage_run import StageRun


@contextlib.contextmanager
def work_dir(run: StageRun) -> Iterator[Path | None]:
    """The work directory of a run; None while another process works in it.

    Stays as it is if the body raises; removed when the body ends.
    """
    digest = run.fingerprint[:16]
    home = run.project.state / "work" / str(run.key)
    home.mkdir(parents=True, exist_ok=True)
    with held(home / f"{digest}.lock") as ours:
        if not ours:
            yield None
            return
        folder = home / digest
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    for other in [path for path in home.iterdir() if path.is_dir()]:
        with held(other.with_suffix(".lock")) as ours:
            if ours:
                shutil.rmtree(other, ignore_errors=True)
