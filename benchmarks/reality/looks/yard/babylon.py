"""Renders the scenes of the look `yard` with Babylon.js in a headless Chromium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.browser import GL_FROM_CV, MODULES, PageRenderer, columns
from benchmarks.reality.looks.rendering import FAR_M
from benchmarks.reality.looks.yard.place import Body, Yard
from p4d.geometry.cameras import inverse

PAGE = Path(__file__).with_name("page.html")


class Babylon(PageRenderer):
    """Renders one scene."""

    def __init__(self, scene: Yard, folder: Path) -> None:
        """Render a scene; `folder` is for files of the browser.

        Raises:
            FileNotFoundError: Chromium or Babylon.js is not installed.
        """
        scripts = {"babylon.js": MODULES / "babylonjs/babylon.js"}
        super().__init__(lambda at_s: _described(scene, at_s), scene.size_px, PAGE, scripts, folder)


def _described(scene: Yard, at_s: Sequence[float]) -> dict[str, object]:
    """What the page needs."""
    bodies = [thing for thing in scene.things if isinstance(thing, Body)]
    return {
        "size_px": scene.size_px,
        "fov_rad": float(2 * np.arctan(scene.size_px[1] / 2 / scene.focal_px)),
        "far_m": FAR_M,
        "sun": scene.light_3,
        "ambient": scene.ambient,
        "sky": scene.sky_rgb,
        "shine": scene.shine,
        "buildings": [vars(part) for part in scene.buildings],
        "bodies": [[vars(part) for part in body.parts] for body in bodies],
        "frames": [
            {
                "sunlight": scene.sunlight(at),
                "view": columns(inverse(scene.camera.pose(at) @ GL_FROM_CV)),
                "eye": scene.camera.pose(at)[:3, 3].tolist(),
                "bodies": [_placed(body.motion.pose(at)) for body in bodies],
            }
            for at in at_s
        ],
    }


def _placed(pose_44: NDArray[np.float64]) -> dict[str, list[float]]:
    """Place and quaternion (x, y, z, w)."""
    turn = Rotation.from_matrix(pose_44[:3, :3]).as_quat()
    return {"at_m": pose_44[:3, 3].tolist(), "turn": turn.tolist()}
