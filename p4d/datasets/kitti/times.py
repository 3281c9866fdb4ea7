"""Times of KITTI: stamps with nanoseconds of the raw drives, seconds of the odometry benchmark."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.number_table import read_lines
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

RATE_HZ = 10.0
"""Of all recordings; used where a benchmark ships no times."""

_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_stamps(path: Path) -> NDArray[np.int64]:
    """Stamps of `timestamps.txt`, one to a frame number, in ns of an epoch without time zone.

    Raises:
        DatasetError: a line is no stamp.
    """
    found = []
    for at, line in enumerate(read_lines(path), 1):
        match = _STAMP.fullmatch(line.strip())
        try:
            if match is None:
                raise ValueError
            moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
        except ValueError as error:
            raise DatasetError(
                f"{shown(path)}:{at}: {line.strip()[:40]!a} is no stamp YYYY-MM-DD "
                "hh:mm:ss.nnnnnnnnn"
            ) from error
        since = moment - _EPOCH
        whole_s = since.days * 86_400 + since.seconds
        found.append(whole_s * 1_000_000_000 + int((match[2] or "0").ljust(9, "0")))
    return np.array(found, np.int64)


def read_seconds(path: Path) -> NDArray[np.int64]:
    """Times of `times.txt`, seconds such as 1.036224e-01, one to a frame, in ns.

    Raises:
        DatasetError: a line is no number.
    """
    found = []
    for at, line in enumerate(read_lines(path), 1):
        try:
            seconds = Decimal(line.strip())
            if not seconds.is_finite() or abs(seconds) > 10**9:
                raise InvalidOperation
        except InvalidOperation as error:
            raise DatasetError(
                f"{shown(path)}:{at}: {line.strip()[:40]!a} is no time in seconds"
            ) from error
        found.append(int((seconds * 1_000_000_000).to_integral_value()))
    return np.array(found, np.int64)


def declared_times(numbers: NDArray[np.int64] | list[int], rate_hz: float) -> NDArray[np.int64]:
    """Times in ns of frames by their numbers, at a declared rate: gaps stay gaps."""
    return np.array([round(int(number) * 1e9 / rate_hz) for number in numbers], np.int64)


def times_of_frames(
    path: Path,
    read: Callable[[Path], NDArray[np.int64]],
    order: list[int],
    problems: list[str],
) -> tuple[NDArray[np.int64], Literal["measured", "declared"]]:
    """Times of frames by their numbers: the n-th line of the file belongs to number n.

    A file that does not have them all, in order, is a problem: times are then declared.
    """
    try:
        stated = read(path)
        if order[-1] >= len(stated):
            raise DatasetError(
                f"{shown(path)}: ends with frame {len(stated) - 1}, frame {order[-1]} exists"
            )
        chosen = stated[order]
        if (np.diff(chosen) <= 0).any():
            at = int(np.argmax(np.diff(chosen) <= 0)) + 1
            raise DatasetError(f"{shown(path)}:{order[at] + 1}: is not later than the frame before")
    except DatasetError as error:
        problems.append(f"{error}; times are declared, {RATE_HZ:g} Hz")
        return declared_times(order, RATE_HZ), "declared"
    return chosen, "measured"
