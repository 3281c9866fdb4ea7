"""Real pipeline folders, made small: worlds rendered to clips, with no video in between."""

from __future__ import annotations

from pathlib import Path

from p4d.config import ClipsParams, replace_params
from p4d.project import Project
from p4d.worlds.clip_shards import CLIPS_PER_WORLD, write_clip_shard


def clips_params(size_px: int = 64, frames: int = 8) -> ClipsParams:
    """The repository's parameters of clips, at a size of the test's."""
    params = Project.find(Path(__file__).parent).params
    return replace_params(params, clips={"size_px": size_px, "frames": frames}).clips


def make_clips_dir(
    folder: Path,
    n_clips: int,
    seed: int = 0,
    size_px: int = 64,
    frames: int = 8,
    shard: str = "0000-00000000",
) -> Path:
    """Write a `clips/<shard>` folder of `n_clips` (even) clips; other seeds give other videos."""
    worlds = range(n_clips // CLIPS_PER_WORLD)
    seeds = [1_000_000 * (seed + 1) + number for number in worlds]
    return write_clip_shard(folder, seeds, clips_params(size_px, frames), shard=shard)
