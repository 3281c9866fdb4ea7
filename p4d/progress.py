"""Progress of a long step on a terminal: a bar with the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, str], None]  # (done, total, note)


@contextmanager
def bar(name: str) -> Iterator[Progress]:
    """A callable `(done, total, note)` that draws a bar on standard error while this is open.

    Where standard error is no terminal, it prints a line per tenth of the way.
    """
    from tqdm import tqdm  # only commands that run a stage pay for it

    shown = tqdm(desc=name, unit="step", file=sys.stderr, disable=not sys.stderr.isatty())
    told = -1

    def show(done: int, total: int, note: str) -> None:
        nonlocal told
        shown.total = total
        shown.set_postfix_str(note, refresh=False)
        shown.update(done - shown.n)
        tenth = 10 * done // max(total, 1)
        if shown.disable and tenth != told:
            told = tenth
            print(f"{name}: {done}/{total} {note}", file=sys.stderr, flush=True)  # noqa: T201

    try:
        yield show
    finally:
        shown.close()
