"""What source `flow` measured of the clips of a shard: `paths.safetensors` of the regions.

Per clip, in px of pictures of `size_px_2` (width, height), at the instants of the clip:

- `{clip}.place_kt2`, `{clip}.own_kt2`, `{clip}.flow_kt2`: places of the regions in mark order, as
  `ThingMotion` has them; without regions of this source, K is 0;
- `{clip}.area_kt`: areas of the silhouettes, NaN where they are lost;
- `{clip}.view_t42`, `{clip}.all_moved_px_tt`, `{clip}.stirs_tt33`, `{clip}.may_stir_tt33`,
  `{clip}.size_px_2`: as `ClipMotion` has them.

Files of earlier versions lack areas, `all_moved_px_tt` and what stirs: these read as not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.artifacts import Arrays
from p4d.questions.regions.flow.clip_motion import ClipMotion

PATHS = "paths.safetensors"


@dataclass(frozen=True, kw_only=True)
class ClipPaths:
    """The arrays of one clip."""

    place_kt2: NDArray[np.float64]
    own_kt2: NDArray[np.float64]
    flow_kt2: NDArray[np.float64]
    area_kt: NDArray[np.float64]
    view_t42: NDArray[np.float64]
    all_moved_px_tt: NDArray[np.float64]
    stirs_tt33: NDArray[np.float64]
    may_stir_tt33: NDArray[np.float64]
    size_px_2: NDArray[np.float64]

    @property
    def camera_rests(self) -> bool:
        """Whether the camera certainly rests from the first instant to the last."""
        return bool((self.view_t42 == self.view_t42[0]).all())


def clip_paths(clip_id: str, motion: ClipMotion, keys: Sequence[int]) -> dict[str, NDArray]:
    """The arrays of one clip, with the things of these numbers in this order."""
    none = np.zeros((0, len(motion.view_t42), 2))
    kept = [motion.things[key] for key in keys]
    return {
        f"{clip_id}.place_kt2": np.stack([each.place_t2 for each in kept]) if kept else none,
        f"{clip_id}.own_kt2": np.stack([each.own_t2 for each in kept]) if kept else none,
        f"{clip_id}.flow_kt2": np.stack([each.flow_t2 for each in kept]) if kept else none,
        f"{clip_id}.area_kt": np.stack([each.area_t for each in kept]) if kept else none[..., 0],
        f"{clip_id}.view_t42": motion.view_t42,
        f"{clip_id}.all_moved_px_tt": motion.all_moved_px_tt,
        f"{clip_id}.stirs_tt33": motion.stirs_tt33,
        f"{clip_id}.may_stir_tt33": motion.may_stir_tt33,
        f"{clip_id}.size_px_2": np.array(motion.size_px_2, dtype=np.float64),
    }


def read_clip_paths(arrays: Arrays, clip_id: str) -> ClipPaths:
    """Read the arrays of one clip back."""
    names = ("place_kt2", "own_kt2", "flow_kt2", "view_t42", "size_px_2")
    found = {name: arrays[f"{clip_id}.{name}"] for name in names}
    times = len(found["view_t42"])
    later = {
        "area_kt": found["place_kt2"].shape[:2], "all_moved_px_tt": (times, times),
        "stirs_tt33": (times, times, 3, 3), "may_stir_tt33": (times, times, 3, 3),
    }  # fmt: skip
    for name, shape in later.items():
        key = f"{clip_id}.{name}"
        found[name] = arrays[key] if key in arrays else np.full(shape, np.nan)
    return ClipPaths(**found)
