"""The instants and intervals of a clip that questions ask about."""

from __future__ import annotations


def instants(frames: int) -> list[int]:
    """Return the frames that questions ask about: first, last and two between, as four options."""
    return list(dict.fromkeys(round(i * (frames - 1) / 3) for i in range(4)))


def spans(frames: int) -> list[tuple[int, int]]:
    """Return the frame pairs that questions ask about: the whole clip and its two halves."""
    middle = frames // 2
    whole = (0, frames - 1)
    return list(dict.fromkeys([whole, (0, middle), (frames - 1 - middle, frames - 1)]))
