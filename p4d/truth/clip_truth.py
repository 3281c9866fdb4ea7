"""The truth of a clip, in parts: what is known at its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.truth.parts import SeenObject


@dataclass(frozen=True, kw_only=True)
class PartialClipTruth:
    """What is known at the frames of a clip; names and types are those of clips/truth.safetensors.

    T frames, S x S pixels, K objects. Absent parts are None. What `p4d.worlds.truth.ClipTruth` has
    too is the same there; the last three arrays state of which frames something is known.
    """

    z_depth_m_thw: NDArray[np.float32] | None
    valid_thw: NDArray[np.uint8] | None
    instance_thw: NDArray[np.uint8] | None
    flow_px_thw2: NDArray[np.float32] | None
    flow_valid_thw: NDArray[np.uint8] | None
    moving_thw: NDArray[np.uint8] | None
    world_T_cam_t44: NDArray[np.float64] | None
    K_t33: NDArray[np.float64] | None
    world_T_obj_kt44: NDArray[np.float64] | None
    camera_known_t: NDArray[np.uint8] | None
    instance_known_t: NDArray[np.uint8] | None
    object_known_kt: NDArray[np.uint8] | None
    objects: tuple[SeenObject, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are there, by name, without the objects table."""
        named = {name: value for name, value in vars(self).items() if name != "objects"}
        return {name: value for name, value in named.items() if value is not None}

    def object_rows(self, clip_id: str) -> Iterator[dict[str, Any]]:
        """Rows of clips/objects.parquet; sizes are null where unknown."""
        for k, item in enumerate(self.objects):
            size_m = item.size_m or (None, None, None)
            yield {
                "clip_id": clip_id,
                "instance": item.instance,
                "k": k,
                "name": item.name,
                "shape": item.shape,
                "colour": item.colour,
                "size_x_m": size_m[0],
                "size_y_m": size_m[1],
                "size_z_m": size_m[2],
                "motion": item.motion,
            }
