"""Measures how much newly landed clips differ from those of the current release.

For each measured column of the clips it returns the two-sample Kolmogorov-Smirnov distance: the
largest gap between the two cumulative distributions, from 0 (equal) to 1 (disjoint). The distance
has no unit and assumes no shape. The drift sensor requests retraining by it; nothing else uses it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p4d.artifacts import read_table

COLUMNS = ("motion_energy",)
THRESHOLD = 0.3
MIN_CLIPS = 20
"""With fewer new clips, chance decides: at 20, equal distributions differ by about 0.2."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How much the new clips differ from the released ones.

    Attributes:
        shards: closed shards with clips that are in no release yet.
        new_clips: accepted clips of those shards.
        distance: per column, 0 to 1.
    """

    shards: tuple[str, ...]
    new_clips: int
    distance: dict[str, float]

    @property
    def is_drifting(self) -> bool:
        """Whether there are enough new clips and a column differs by more than `THRESHOLD`."""
        return self.new_clips >= MIN_CLIPS and max(self.distance.values(), default=0) > THRESHOLD


def measure_drift(data: Path, shards: Sequence[str]) -> Drift:
    """Compare the clips of shards that no release holds with those of the current release.

    Args:
        data: the artifacts; reads `release/manifest.json` and `clips/<shard>/clips.parquet`.
        shards: ids of the closed shards.
    """
    import polars as pl

    path = data / "release" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"shards": []}
    released = {each["shard"] for each in manifest["shards"]}
    excluded = set(manifest.get("excluded", {}))
    files = {shard: data / "clips" / shard / "clips.parquet" for shard in shards}

    def clips(wanted: Sequence[str]) -> pl.DataFrame:
        frames = [
            read_table(files[shard], columns=["outcome", *COLUMNS])
            for shard in wanted
            if files[shard].is_file()
        ]
        return pl.concat(frames).filter(outcome="ok") if frames else pl.DataFrame()

    new = [s for s in shards if s not in released | excluded and files[s].is_file()]
    before, after = clips([s for s in shards if s in released]), clips(new)
    distance = {}
    if before.height and after.height:
        distance = {c: _distance(before[c].to_numpy(), after[c].to_numpy()) for c in COLUMNS}
    return Drift(shards=tuple(new), new_clips=after.height, distance=distance)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    one, other = (np.sort(values[np.isfinite(values)]) for values in (one, other))
    if not len(one) or not len(other):
        return 0.0
    at = np.concatenate([one, other])
    below = [np.searchsorted(values, at, side="right") / len(values) for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max())
