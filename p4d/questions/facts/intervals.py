"""The instants and intervals of a clip that questions ask about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from p4d.questions.facts.table import Fact


def instants(frames: int) -> list[int]:
    """Return the frames that questions ask about: first, last and two between, as four options."""
    return list(dict.fromkeys(round(i * (frames - 1) / 3) for i in range(4)))


def spans(frames: int) -> list[tuple[int, int]]:
    """Return the frame pairs that questions ask about: the whole clip and its two halves."""
    middle = frames // 2
    whole = (0, frames - 1)
    return list(dict.fromkeys([whole, (0, middle), (frames - 1 - middle, frames - 1)]))


def grid_times_ns(clip: Mapping[str, Any]) -> np.ndarray:
    """Return the instants at which a clip is sampled, [T], relative to its start.

    They are the same for clips of any frame rate, so clips share intervals and exchange options.
    """
    frames = len(clip["frame_pts_ns"])
    length_ns = int(clip["end_ns"]) - int(clip["start_ns"])
    return np.arange(frames, dtype=np.int64) * length_ns // frames


def in_view(
    facts: Iterable[Fact],
    frames: tuple[int, int],
    region_ids: Sequence[str],
    visible_kt: np.ndarray,
) -> Iterator[Fact]:
    """Yield the facts all of whose regions are in the picture at both ends of an interval.

    Args:
        facts: of the interval.
        frames: first and last frame.
        region_ids: regions in mark order.
        visible_kt: whether a region is visible in a frame, `[K, T]`.
    """
    begin, end = frames
    seen = {
        region_id
        for region_id, shown_t in zip(region_ids, visible_kt, strict=True)
        if shown_t[begin] and shown_t[end]
    }
    yield from (fact for fact in facts if seen.issuperset(fact.region_ids))
