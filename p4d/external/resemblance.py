"""Which external media show what a clip of a release shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.artifacts import read_table
from p4d.config import ReleaseParams
from p4d.release.duplicates import FrameHashes

_STRICTEST = ("test", "val", "train")


@dataclass(frozen=True, kw_only=True)
class ClipHashes:
    """Hashes of the clips of a release.

    Attributes:
        clips: id and split of the clips that have hashes, in order.
        without: clips of shards that were made before frames were hashed; nothing is known of them.
    """

    clips: tuple[tuple[str, str], ...]
    without: int
    hashes: tuple[NDArray[np.uint64], ...] = field(repr=False)

    @classmethod
    def read(cls, release: Path, shards: Mapping[str, Path]) -> ClipHashes:
        """The hashes of all clips of a release, from the shards that it pinned."""
        table = read_table(release / "clips.parquet", ["clip_id", "split", "shard"])
        hashes: dict[str, list[str]] = {}
        for folder in shards.values():
            path = folder / "frame_hashes.parquet"
            if path.is_file():
                hashes |= dict(read_table(path, ["clip_id", "frame_hash"]).iter_rows())
        known = table.filter(pl.col("clip_id").is_in(list(hashes))).sort("clip_id")
        rows = known.select("clip_id", "split").rows()
        return cls(
            clips=tuple(rows),
            without=table.height - len(rows),
            hashes=tuple(_numbers(hashes[clip_id]) for clip_id, _ in rows),
        )


@dataclass(frozen=True)
class Resemblance:
    """The clip that a medium resembles: of the test split if there is one, else val, else train."""

    clip_id: str
    split: str


class ClipSearch:
    """Finds the clips that a medium resembles."""

    def __init__(self, known: ClipHashes, params: ReleaseParams) -> None:
        """Index the hashes; `params` gives the distances, as between clips of a release."""
        self._known, self._params = known, params
        self._sequences = FrameHashes(len(known.hashes))
        for number, frames in enumerate(known.hashes):
            self._sequences.add(frames, number)
        every = [np.zeros(0, np.uint64), *known.hashes]
        self._frames = np.concatenate(every)
        self._of = np.repeat(np.arange(len(known.hashes)), [len(h) for h in known.hashes])

    def resembling(
        self, windows: Iterable[tuple[Sequence[str], Sequence[str]]]
    ) -> Resemblance | None:
        """The clip that any stretch of a medium resembles, as it is or mirrored; None: no clip."""
        found: set[int] = set()
        for plain, mirrored in windows:
            pair = _numbers(plain), _numbers(mirrored)
            if len(plain) == 1:
                found |= self._of_one_frame(pair)
            else:
                found |= self._sequences.copies(pair, self._params.copy_bits)
        clips = [self._known.clips[number] for number in sorted(found)]
        return next(
            (Resemblance(*clip) for split in _STRICTEST for clip in clips if clip[1] == split), None
        )

    def _of_one_frame(self, pair: tuple[NDArray[np.uint64], NDArray[np.uint64]]) -> set[int]:
        found: set[int] = set()
        for (value,) in pair:
            if value:  # a plain area has no gradient: it resembles nothing
                near = np.bitwise_count(self._frames ^ value) <= self._params.duplicate_hamming_bits
                found.update(self._of[near].tolist())
        return found


def _numbers(hashes: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(each, 16) for each in hashes], dtype=np.uint64)
