"""Progress of a long step on a terminal: a bar with the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p4d.foreign_text import one_line

Progress = Callable[[int, int, str], None]
"""Called as `(done, total, note)`."""


@contextmanager
def bar(name: str, unit: str = "step") -> Iterator[Progress]:
    """Yield a callable `(done, total, note)` that draws a bar on standard error.

    If standard error is not a terminal, it prints a line per tenth of the total instead.

    Args:
        name: what is in progress.
        unit: what is counted, e.g. `MiB`.
    """
    from tqdm import tqdm  # only commands with a bar pay for it

    shown = tqdm(desc=name, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())
    printed = -1

    def show(done: int, total: int, note: str) -> None:
        nonlocal printed
        note = one_line(note)
        shown.total = total
        shown.set_postfix_str(note, refresh=False)
        shown.update(done - shown.n)
        tenth = 10 * done // max(total, 1)
        if shown.disable and tenth != printed:
            printed = tenth
            print(f"{name}: {done}/{total} {note}", file=sys.stderr, flush=True)  # noqa: T201

    try:
        yield show
    finally:
        shown.close()
