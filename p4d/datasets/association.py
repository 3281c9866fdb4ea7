"""Pairs frames by their times, as the datasets' own tools do; never by their place in a list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.rotations import nearest_rotation


def associate(
    times_ns: Sequence[int] | NDArray[np.int64],
    other_ns: Sequence[int] | NDArray[np.int64],
    within_ns: int,
) -> dict[int, int]:
    """Pair stamps of two sorted lists: the closest pair first, each stamp used once.

    The rule of the TUM benchmark's `associate.py`, in whole nanoseconds: pairs that differ by
    `within_ns` or more are no pairs.

    Returns:
        By index into `times_ns`, the index into `other_ns`.
    """
    times, others = np.asarray(times_ns, np.int64), np.asarray(other_ns, np.int64)
    first = np.searchsorted(others, times - within_ns, side="right")
    end = np.searchsorted(others, times + within_ns, side="left")
    close = sorted(
        (abs(int(times[i] - others[j])), i, j)
        for i in range(len(times))
        for j in range(int(first[i]), int(end[i]))
    )
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in close:
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return dict(sorted(pairs.items()))


def poses_at(
    times_ns: NDArray[np.int64],
    stamps_ns: NDArray[np.int64],
    poses_n44: NDArray[np.float64],
    *,
    gap_ns: int,
    nearest_ns: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Poses at given times, between those of a sorted trajectory.

    Between two stamps that are at most `gap_ns` apart, positions are interpolated linearly and
    rotations along the shortest turn. Elsewhere the pose within `nearest_ns` is taken as it is.
    Nothing is extrapolated.

    Returns:
        Poses [T, 4, 4], the identity where unknown, and where they are known [T].
    """
    from scipy.spatial.transform import Rotation, Slerp

    found = np.repeat(np.eye(4)[None], len(times_ns), axis=0)
    known = np.zeros(len(times_ns), bool)
    if not len(stamps_ns):
        return found, known
    for t, when in enumerate(times_ns.tolist()):
        after = int(np.searchsorted(stamps_ns, when))
        before = after - 1
        inside = 0 < after < len(stamps_ns)
        if after < len(stamps_ns) and stamps_ns[after] == when:
            found[t], known[t] = poses_n44[after], True
        elif inside and stamps_ns[after] - stamps_ns[before] <= gap_ns:
            share = (when - int(stamps_ns[before])) / int(stamps_ns[after] - stamps_ns[before])
            ends = poses_n44[[before, after]]
            turn = Slerp([0.0, 1.0], Rotation.from_matrix(ends[:, :3, :3]))
            found[t, :3, :3] = nearest_rotation(turn(share).as_matrix())
            found[t, :3, 3] = (1 - share) * ends[0, :3, 3] + share * ends[1, :3, 3]
            known[t] = True
        else:
            near = min(
                (k for k in (before, after) if 0 <= k < len(stamps_ns)),
                key=lambda k: abs(int(stamps_ns[k]) - when),
            )
            if abs(int(stamps_ns[near]) - when) <= nearest_ns:
                found[t], known[t] = poses_n44[near], True
    return found, known
