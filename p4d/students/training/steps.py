"""The batches of a run: which process computes which rows of a step, read ahead of use.

The number of a step alone determines its rows. They are dealt round-robin to the processes and to
the parts of an accumulated step, so that any division of a step holds the same rows, and a run
resumes from the number of the next step.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch.utils.data import Dataset

from p4d.errors import ContractError
from p4d.students.data.conversations import DecodedConversation
from p4d.students.data.samples import Sample
from p4d.students.data.unlabelled import UnlabelledClips
from p4d.students.distillation.viewed_clips import ViewedClips
from p4d.students.model.batch import PackedBatch

AHEAD = 4
"""Batches that are kept ready. One hides reading; more hide the pauses of a slow disk."""


Rows = Dataset[Sample] | Dataset[Sample | DecodedConversation]
"""Rows of a run by number: clips, or clips and external conversations."""


class BatchPacker(Protocol):
    """Makes a batch of rows."""

    def pack(self, samples: Sequence[Any], *, scored: bool) -> PackedBatch:
        """One batch of all rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which rows of every step this process computes: its rank among processes, in `parts`."""

    rank: int = 0
    processes: int = 1
    parts: int = 1

    def rows(self, part: int, count: int) -> range:
        """Rows of one part of a step of `count` rows."""
        return range(self.rank * self.parts + part, count, self.processes * self.parts)


class StepBatches:
    """Packed batches of a whole run.

    The first steps have the rows of `perception`, `perception.per_step` each, as long as it has
    any. `samples` has `batch` rows for every step after them. `unlabelled` has
    `unlabelled.per_step` more, which are appended to these as long as it has rows left.
    """

    def __init__(
        self,
        samples: Rows,
        packer: BatchPacker,
        *,
        steps: int,
        batch: int,
        share: Share,
        unlabelled: UnlabelledClips | None = None,
        perception: UnlabelledClips | ViewedClips | None = None,
    ) -> None:
        """Plan the run.

        Raises:
            ContractError: the rows of a step do not divide into equal shares.
        """
        self.steps, self.share = steps, share
        self._samples, self._packer, self._batch = samples, packer, batch
        self._unlabelled, self._perception = unlabelled, perception
        extra = unlabelled.per_step if unlabelled else 0
        shares = share.processes * share.parts
        if batch % shares or extra % shares:
            raise ContractError(
                f"{batch} clips and {extra} unlabelled clips per step do not divide "
                f"into {share.processes} processes x {share.parts} parts; change training.batch, "
                "distillation.unlabelled_clips or training.gradient_accumulation"
            )

    def read(self, step: int, part: int) -> PackedBatch:
        """One part of a step, of this process; steps count from 0."""
        rows: list[tuple[Rows, int]]
        alone = self._perception
        if alone is not None and step * alone.per_step < len(alone):
            rows = [(alone, step * alone.per_step + i) for i in range(alone.per_step)]
            return self._packed(rows, part)
        if alone is not None:
            step -= len(alone) // alone.per_step
        rows = [(self._samples, step * self._batch + i) for i in range(self._batch)]
        extra = self._unlabelled
        if extra is not None and step * extra.per_step < len(extra):
            rows += [(extra, step * extra.per_step + i) for i in range(extra.per_step)]
        return self._packed(rows, part)

    def _packed(self, rows: Sequence[tuple[Rows, int]], part: int) -> PackedBatch:
        chosen = [rows[row] for row in self.share.rows(part, len(rows))]
        return self._packer.pack([dataset[index] for dataset, index in chosen], scored=False)


class Prefetched:
    """Reads batches in a thread ahead of their use, in order.

    A thread suffices: reading is decompression and copying, which release the interpreter's lock,
    and a thread needs no second copy of the process. Errors of reading are raised where the batch
    is requested. Has the interface of a data loader that `transformers.Trainer` needs.
    """

    def __init__(self, batches: StepBatches, *, first_step: int = 0) -> None:
        """Start at `first_step`; nothing is read before iteration."""
        self._batches, self._first_step = batches, first_step
        self.waited_s = 0.0
        """Seconds that the consumer has waited for batches."""

    def __len__(self) -> int:
        """Batches of the whole run, including those before `first_step`."""
        return self._batches.steps * self._batches.share.parts

    def __iter__(self) -> Iterator[dict[str, PackedBatch]]:
        """Batches under the key that `ArmTrainer.compute_loss` reads."""
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
    read: Callable[[int, int], PackedBatch],
    ready: queue.Queue[Any],
    stop: threading.Event,
) -> None:
    for step, part in plan:
        made: PackedBatch | BaseException
        try:
            made = read(step, part)
        except Exception as error:  # noqa: BLE001 - raised again where the batch is requested
            made = error
        while not stop.is_set():
            try:
                ready.put(made, timeout=0.1)
                break
            except queue.Full:
                continue
        if stop.is_set() or isinstance(made, BaseException):
            return
