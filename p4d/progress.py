"""Progress of a long step: a bar on a terminal, and the time left for a log."""

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


class Pace:
    """Estimates the time left of a step from the units done since its first report.

    A training that resumes reports from the middle, so what was done before does not count.
    """

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def left(self, done: int, total: int, now_s: float) -> str:
        """Words like `0.31 s each, 4 min left`; empty as long as there is nothing to go by.

        Args:
            done: units that are done.
            total: all units.
            now_s: time, of a clock that never goes back.
        """
        if self._first is None:
            self._first = (done, now_s)
        before, started_s = self._first
        if done <= before or done >= total:
            return ""
        each_s = (now_s - started_s) / (done - before)
        left_s = each_s * (total - done)
        if left_s < 90:
            left = f"{left_s:.0f} s"
        elif left_s < 5400:
            left = f"{left_s / 60:.0f} min"
        else:
            left = f"{left_s / 3600:.1f} h"
        return f"{each_s:.3g} s each, {left} left"
