"""A hidden folder in which a conversion works, in the folder where its files will appear.

A process that is killed leaves it, so a mark beside it states whether its process lives, and the
next conversion or landing removes those whose process is gone.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from p4d.held_mark import held

_PREFIX, _MARK = ".converting-", ".alive"


@contextlib.contextmanager
def hidden_folder(target: Path) -> Iterator[Path]:
    """A new folder in `target`, which is removed at the end; those of dead processes go first."""
    sweep(target)
    while True:
        folder = target / f"{_PREFIX}{uuid.uuid4().hex[:16]}"
        mark = _mark(folder)
        with held(mark) as ours:
            # A sweep between the making and the holding of the mark took the mark away.
            if not ours or not mark.exists():
                continue
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                mark.unlink(missing_ok=True)
            return


def sweep(target: Path) -> None:
    """Remove the hidden folders of conversions into `target` whose process is gone."""
    names = {path.name.removesuffix(_MARK) for path in target.glob(f"{_PREFIX}*")}
    for name in sorted(names):
        folder = target / name
        with held(_mark(folder)) as ours:
            if ours:
                shutil.rmtree(folder, ignore_errors=True)
                _mark(folder).unlink(missing_ok=True)


def _mark(folder: Path) -> Path:
    return folder.with_name(folder.name + _MARK)
