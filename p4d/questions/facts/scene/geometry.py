"""The exact geometry of one clip: poses, sizes and visibility of its marked objects.

What follows from it (places in the camera, ranges, sigmas) is computed for several clips at once,
in `stack.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p4d.questions.facts.scene.margins import POSITION_SIGMA_M
from p4d.questions.facts.table import Source

LEAST_LEVEL = 0.1
"""Level part of the direction of view, below which left and right of a movement are undefined."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Exact geometry of the marked objects of one clip.

    Attributes:
        source: teacher and clip of the facts.
        time_ns: [T], relative to the clip's start.
        named_ns: [T], the times that texts name, for example those of the time grid. Frames are
            shown at them, and were taken up to a frame interval before.
        world_T_cam_t44, K_33: camera poses and first intrinsics at the size of the masks.
        region_ids: objects in mark order.
        world_T_obj_kt44: their poses.
        size_m_k3: full extents along their own axes.
        visible_kt: whether the object is visible in the frame.
        names: of the objects, or empty.
        absent_name: a name that no object of the whole scene has, marked or not.
        rest_sigma_m: error of the distance between two equal places, which decides whether
            constancy is certain. That of exact poses, unless places were read off images.
        rest_sigma_m_k: the same by object, where objects differ; the other is then the largest.
        camera_sigma_m: error of a camera position, beside that of exact truth.
        place_sigma_m_kt: errors of the places of objects, beside those of exact truth; None: zero.

    """

    source: Source
    time_ns: np.ndarray
    named_ns: np.ndarray
    world_T_cam_t44: np.ndarray
    K_33: np.ndarray
    region_ids: tuple[str, ...]
    world_T_obj_kt44: np.ndarray
    size_m_k3: np.ndarray
    visible_kt: np.ndarray
    names: tuple[str, ...] = ()
    absent_name: str | None = None
    rest_sigma_m: float = 2 * POSITION_SIGMA_M
    rest_sigma_m_k: np.ndarray | None = None
    camera_sigma_m: float = 0.0
    place_sigma_m_kt: np.ndarray | None = None

    @property
    def metric(self) -> bool:
        """Whether lengths are metric."""
        return self.source.scale_kind == "metric"

    @property
    def steep(self) -> bool:
        """Whether the first camera looks straight up or down: nothing is left or right then."""
        right_m, ahead_m, _ = self.world_T_cam_t44[0, :3, 2].tolist()
        return not float(np.hypot(right_m, ahead_m)) > LEAST_LEVEL
