"""Worlds of which the same pictures are shown at other times, so that only seconds tell them apart.

A world is drawn and its pictures are taken once. Each take shows them at times of its own: at a
constant rate, with jitter, with a pause, in bursts, or ever slower or faster. What they show is
equal in all takes; every speed, duration and instant differs. Gravity would reveal the true
seconds, so nothing is thrown. Objects that change place rest before or after, so that there are
events; they do not spin besides, so that "moves" has one meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from p4d.ids import seed_for
from p4d.worlds.sampling import spec_for
from p4d.worlds.spec import ObjectSpec, WorldSpec

TAKES = 8
"""Takes of one world: twice as many as options, so that most answers differ in four of them."""

STEP_S = 0.25
"""Between two pictures in the time of the world, which no viewer learns."""

SHORTEST_S, LONGEST_S = 1.0, 8.0
"""From the first picture to the last, over all takes."""

LEAST_STEP_MS = 17
"""60 pictures a second."""

RHYTHMS = ("even", "jitter", "pause", "bursts", "slower", "faster")
"""How the times of a take lie. `even` is a constant rate, 0.9 to 7 pictures a second."""

_LEAST_MOVING, _LEAST_FRAMES = 2, 2
_APART = 0.85  # of the sum of the reaches of two objects, as when worlds are sampled


@dataclass(frozen=True)
class Take:
    """One timing of the pictures of a world.

    Attributes:
        rhythm: one of RHYTHMS.
        times_ms: of each picture, from 0 on, increasing.
    """

    rhythm: str
    times_ms: tuple[int, ...]

    @property
    def times_ns(self) -> tuple[int, ...]:
        """The times in nanoseconds."""
        return tuple(ms * 1_000_000 for ms in self.times_ms)


def retimed_spec(seed: int, pictures: int, *, appearance: str = "default") -> WorldSpec:
    """The world of a seed: at least two objects change place, from one picture to a later one.

    Args:
        seed: equal seeds give equal worlds.
        pictures: of the clip; they are `STEP_S` apart in the time of the world.
        appearance: see `spec_for`.
    """
    attempt = 0
    while True:
        drawn = seed_for(seed, "retimed", attempt)
        spec = spec_for(drawn, pictures * STEP_S, appearance=appearance)
        found = _with_events(spec, pictures, np.random.default_rng(seed_for(drawn, "events")))
        if found is not None:
            return found
        attempt += 1


def takes_of(seed: int, pictures: int) -> tuple[Take, ...]:
    """The takes of the world of a seed, of all lengths and rhythms, in random order.

    Lengths lie between `SHORTEST_S` and `LONGEST_S`, evenly on a logarithmic scale.
    """
    rng = np.random.default_rng(seed_for(seed, "takes", pictures))
    share = (np.arange(TAKES) + rng.uniform(0.2, 0.8, TAKES)) / TAKES
    lengths_s = SHORTEST_S * (LONGEST_S / SHORTEST_S) ** share
    rhythms = rng.permutation([RHYTHMS[k % len(RHYTHMS)] for k in range(TAKES)])
    takes = [
        Take(str(rhythm), _times_ms(rng, str(rhythm), float(length_s), pictures))
        for rhythm, length_s in zip(rhythms, rng.permutation(lengths_s), strict=True)
    ]
    return tuple(takes)


def _times_ms(
    rng: np.random.Generator, rhythm: str, length_s: float, pictures: int
) -> tuple[int, ...]:
    steps: np.ndarray = np.ones(pictures - 1)
    if rhythm == "jitter":
        steps = rng.uniform(0.3, 1.7, pictures - 1)
    elif rhythm == "pause":  # a stretch of the video is missing
        share = rng.uniform(0.4, 0.75)
        steps[rng.integers(pictures - 1)] = share / (1 - share) * (pictures - 2)
    elif rhythm == "bursts":
        steps[rng.choice(pictures - 1, 2, replace=False)] = rng.uniform(5, 12, 2)
    elif rhythm in ("slower", "faster"):
        steps = rng.uniform(1.25, 1.6) ** np.arange(pictures - 1)
        steps = steps if rhythm == "slower" else steps[::-1]
    steps_ms = np.maximum(np.rint(steps / steps.sum() * length_s * 1000), LEAST_STEP_MS)
    return (0, *(int(ms) for ms in np.cumsum(steps_ms)))


def _with_events(spec: WorldSpec, pictures: int, rng: np.random.Generator) -> WorldSpec | None:
    """The world with every path between two pictures; None if it is not of this kind."""
    if any(obj.launch is not None for obj in spec.objects):
        return None
    if sum(obj.path is not None for obj in spec.objects) < _LEAST_MOVING:
        return None
    found = replace(spec, objects=tuple(_between_pictures(o, pictures, rng) for o in spec.objects))
    return found if _is_free(found.objects, pictures) else None


def _between_pictures(obj: ObjectSpec, pictures: int, rng: np.random.Generator) -> ObjectSpec:
    if obj.path is None:
        return obj
    begin = int(rng.integers(0, pictures - 1 - _LEAST_FRAMES))
    end = int(rng.integers(begin + _LEAST_FRAMES, pictures))
    path = replace(obj.path, profile="window", begin_s=begin * STEP_S, end_s=end * STEP_S)
    return replace(obj, path=path, spin=None, motion="translating")


def _is_free(objects: tuple[ObjectSpec, ...], pictures: int) -> bool:
    """Whether no two objects touch at any time."""
    times_s = np.linspace(0.0, (pictures - 1) * STEP_S, 4 * pictures)
    centres: list[NDArray[np.float64]] = [obj.rest_poses(times_s)[:, :3, 3] for obj in objects]
    reach_m = [0.5 * float(np.linalg.norm(obj.size_m)) for obj in objects]
    for one in range(len(objects)):
        for other in range(one):
            gap_m = np.linalg.norm(centres[one] - centres[other], axis=-1)
            if gap_m.min() < _APART * (reach_m[one] + reach_m[other]):
                return False
    return True
