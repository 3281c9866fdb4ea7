"""Stores and measures labels in one thread, while the teachers label the next clips.

What a teacher leaves to be done behind its network, encoding and statistics are NumPy and blosc2
alone. After the forward passes they take half as long again; beside them they cost a second
processor and little time. There is one thread, so labels are stored one after another, and at most
two batches wait in memory.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

from p4d.errors import LabelError
from p4d.teachers.labelling.statistics import label_statistics
from p4d.teachers.labelling.store import LabelStore, LabelWriter
from p4d.teachers.protocol import ClipInput, LabelArrays, Teacher

_WAITING = 2
"""Batches that may wait."""
_TURN_S = 0.0005
"""How long a thread may run Python before another has a turn. With Python's 5 ms the teacher waits
that long after many a kernel."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A label that was stored and measured, or why it was not.

    Attributes:
        reason: None if it is stored.
        statistics: its rows of `label_stats.parquet`.
    """

    reason: str | None
    statistics: Sequence[dict[str, Any]] = ()


class Behind(AbstractContextManager["Behind"]):
    """The thread; a context manager, whose end waits for it."""

    def __init__(self, writer: LabelWriter, tokens_hw: int) -> None:
        """Store by `writer`; exact rays are compared on a grid of side `tokens_hw`."""
        self._writer, self._tokens_hw = writer, tokens_hw
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="labels")
        self._batches: deque[Future[list[Kept]]] = deque()

    def __enter__(self) -> Self:
        """Shorten the turns of threads, of the whole process, until the end."""
        self._turn_s = sys.getswitchinterval()
        sys.setswitchinterval(_TURN_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what is under way; after an error drop what waits."""
        self._thread.shutdown(cancel_futures=kind is not None)
        sys.setswitchinterval(self._turn_s)

    def keep(
        self, teacher: Teacher, labels: Sequence[tuple[ClipInput, Callable[[], LabelArrays]]]
    ) -> Future[list[Kept]]:
        """Make, store and measure the labels of a batch of clips, in order.

        Waits as long as two batches are waiting.
        """
        while len(self._batches) >= _WAITING:
            self._batches.popleft().result()
        batch = self._thread.submit(
            lambda: [self._keep(teacher, clip, make) for clip, make in labels]
        )
        self._batches.append(batch)
        return batch

    def stored(self) -> LabelStore:
        """What is stored; waits for what is on its way."""
        while self._batches:
            self._batches.popleft().result()
        return self._writer.stored()

    def _keep(self, teacher: Teacher, clip: ClipInput, make: Callable[[], LabelArrays]) -> Kept:
        try:
            self._writer.add(clip.clip_id, teacher.name, make())
        except LabelError as error:
            return Kept(reason=str(error))
        # As a reader of the files decodes it, so that statistics cover the codec.
        rows = label_statistics(self._writer.stored(), teacher, clip, self._tokens_hw)
        return Kept(reason=None, statistics=rows)
