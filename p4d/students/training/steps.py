"""The batches of a run, step by step: who computes which rows, read ahead of their use.

The rows of a step are fixed by its number alone. They are dealt to the processes and to the parts
of an accumulated step like cards, so that any division of a step holds the same rows, and a run
that resumes needs no more than the number of the next step.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from p4d.errors import ContractError
from p4d.students.data.batch import Batch, Packer, Sample
from p4d.students.data.unlabelled import UnlabelledClips

AHEAD = 4
"""Batches that lie ready. One hides reading; more hide a slow disk's hiccups."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which part of every step this process computes: its rank among processes, in `parts`."""

    rank: int = 0
    processes: int = 1
    parts: int = 1

    def rows(self, part: int, count: int) -> range:
        """Rows of one part of a step of `count` rows."""
        return range(self.rank * self.parts + part, count, self.processes * self.parts)


class StepBatches:
    """Packed batches of a whole run.

    `samples` has `batch` rows for every step; `extra` has `extra_per_step` more, which are
    appended (clips without questions) to the first steps, for as long as it has any.
    """

    def __init__(
        self,
        samples: Dataset[Sample],
        packer: Packer,
        *,
        steps: int,
        batch: int,
        share: Share,
        extra: UnlabelledClips | None = None,
        extra_per_step: int = 0,
    ) -> None:
        """Plan the run.

        Raises:
            ContractError: the rows of a step do not divide into equal shares.
        """
        self.steps, self.share = steps, share
        self._samples, self._packer, self._batch = samples, packer, batch
        self._extra, self._extra_per_step = extra, extra_per_step if extra else 0
        shares = share.processes * share.parts
        if batch % shares or self._extra_per_step % shares:
            raise ContractError(
                f"{batch} clips and {self._extra_per_step} unlabelled clips per step do not divide "
                f"into {share.processes} processes x {share.parts} parts; change training.batch, "
                "distillation.unlabelled_clips or training.gradient_accumulation"
            )

    def read(self, step: int, part: int) -> Batch:
        """One part of a step, of this process; steps count from 0."""
        rows: list[tuple[Dataset[Sample], int]]
        rows = [(self._samples, step * self._batch + i) for i in range(self._batch)]
        first = step * self._extra_per_step
        if self._extra is not None and first < len(self._extra):
            rows += [(self._extra, first + i) for i in range(self._extra_per_step)]
        chosen = [rows[row] for row in self.share.rows(part, len(rows))]
        return self._packer.pack([dataset[index] for dataset, index in chosen], scored=False)


class Prefetched:
    """Batches read by a thread ahead of their use, in order.

    A thread is enough: reading is decompression and copying, which leave the interpreter's lock,
    and it needs no second copy of the process. Errors of reading are raised where the batch is
    asked for. Looks like a data loader to `transformers.Trainer`.
    """

    def __init__(self, batches: StepBatches, *, first_step: int = 0) -> None:
        """Begin at `first_step`; nothing is read before iteration."""
        self._batches, self._first_step = batches, first_step
        self.waited_s = 0.0
        """Seconds that the consumer has spent in waiting for a batch."""

    def __len__(self) -> int:
        """Batches of the whole run, those before `first_step` too."""
        return self._batches.steps * self._batches.share.parts

    def __iter__(self) -> Iterator[dict[str, Batch]]:
        """Batches under the name that the trainer's loss reads."""
        ready: queue.Queue[Any] = queue.Queue(AHEAD)
        stop = threading.Event()
        reader = threading.Thread(
            target=_fill, args=(self._plan(), self._batches.read, ready, stop), daemon=True
        )
        reader.start()
        try:
            for _ in self._plan():
                started = time.perf_counter()
                batch = ready.get()
                self.waited_s += time.perf_counter() - started
                if isinstance(batch, BaseException):
                    raise batch
                yield {"batch": batch}
        finally:
            stop.set()
            reader.join()

    def _plan(self) -> Sequence[tuple[int, int]]:
        parts = range(self._batches.share.parts)
        steps = range(self._first_step, self._batches.steps)
        return [(step, part) for step in steps for part in parts]


def _fill(
    plan: Sequence[tuple[int, int]],
    read: Callable[[int, int], Batch],
    ready: queue.Queue[Any],
    stop: threading.Event,
) -> None:
    for step, part in plan:
        made: Batch | BaseException
        try:
            made = read(step, part)
        except Exception as error:  # noqa: BLE001 - raised again where the batch is asked for
            made = error
        while not stop.is_set():
            try:
                ready.put(made, timeout=0.1)
                break
            except queue.Full:
                continue
        if stop.is_set() or isinstance(made, BaseException):
            return
