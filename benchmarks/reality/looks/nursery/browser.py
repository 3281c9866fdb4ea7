"""Renders the scenes of the look `nursery` with three.js in a headless Chromium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.reality.looks.browser import GL_FROM_CV, MODULES, PageRenderer, columns
from benchmarks.reality.looks.nursery.room import Nursery, Toy
from benchmarks.reality.looks.rendering import FAR_M

PAGE = Path(__file__).with_name("page.html")
THREE = MODULES / "three/build"


class Browser(PageRenderer):
    """Renders one scene."""

    def __init__(self, scene: Nursery, folder: Path) -> None:
        """Render a scene; `folder` is for files of the browser.

        Raises:
            FileNotFoundError: Chromium or three.js is not installed.
        """
        scripts = {name: THREE / name for name in ("three.module.js", "three.core.js")}
        super().__init__(lambda at_s: _described(scene, at_s), scene.size_px, PAGE, scripts, folder)


def _described(scene: Nursery, at_s: Sequence[float]) -> dict[str, object]:
    """What the page needs, with matrices by column as WebGL has them."""
    toys = [thing for thing in scene.things if isinstance(thing, Toy)]
    return {
        "size_px": scene.size_px,
        "fov_deg": float(np.rad2deg(2 * np.arctan(scene.size_px[1] / 2 / scene.focal_px))),
        "far_m": FAR_M,
        "sun": scene.light_3,
        "ambient": scene.ambient,
        "sky": scene.sky_rgb,
        "fog": scene.fog_per_m,
        "furniture": [vars(part) for part in scene.furniture],
        "toys": [[vars(part) for part in toy.parts] for toy in toys],
        "frames": [
            {
                "brightness": scene.brightness(at),
                "camera": columns(scene.camera.pose(at) @ GL_FROM_CV),
                "toys": [columns(toy.motion.pose(at)) for toy in toys],
            }
            for at in at_s
        ],
        "facing": scene.camera.bearing_rad,
    }
