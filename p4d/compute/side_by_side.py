"""Does the work of many items in threads, and gives what it yields to one thread.

The threads wait for an engine; what they find is recorded by the caller alone, in whose thread
Dagster and the terminal are used.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from p4d.compute.threads import short_turns

Item = TypeVar("Item")
Event = TypeVar("Event")
Later = Callable[[Callable[[], None]], None]
"""Takes a function that must run in the caller's thread."""


def side_by_side(
    items: Iterable[Item],
    work: Callable[[Item, Later], Iterator[Event]],
    *,
    width: int,
    stop: Callable[[], None],
    in_threads: bool = False,
) -> Iterator[Event]:
    """Yield what `work` yields for each item, as it comes; of one item in order.

    Args:
        items: what to work on; taken one after another.
        work: called `(item, later)`. `later` runs a function in the thread of the caller: soon, or
            at once if there is one thread only.
        width: number of threads; 1 does everything in the caller's thread.
        in_threads: use a thread even if it is one: the work waits for other processes, and the
            caller records what came before meanwhile.
        stop: ends the work that is under way; called if the caller stops early.

    Raises:
        Exception: what `work` raised first; the others are stopped.
    """
    if width == 1 and not in_threads:
        for item in items:
            yield from work(item, lambda call: call())
        return
    waiting = iter(items)
    taking, found = threading.Lock(), queue.SimpleQueue[Callable[[], list[Event] | None]]()
    ended = threading.Event()

    def later(call: Callable[[], None]) -> None:
        found.put(lambda: call() or [])  # type: ignore[func-returns-value]

    def run() -> None:
        try:
            while not ended.is_set():
                with taking:
                    item = next(waiting, _NONE)
                if item is _NONE:
                    break
                for event in work(item, later):  # type: ignore[arg-type]
                    found.put(lambda event=event: [event])  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            found.put(lambda error=error: _raise(error))  # type: ignore[misc]
        finally:
            found.put(lambda: None)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(width)]
    for thread in threads:
        thread.start()
    try:
        left = width
        with short_turns():
            while left:
                events = found.get()()
                if events is None:
                    left -= 1
                else:
                    yield from events
    finally:
        if left:
            ended.set()
            stop()
        for thread in threads:
            thread.join()


_NONE = object()


def _raise(error: BaseException) -> list[Event]:
    raise error
