"""The look `mitsuba`: a path tracer, with soft light, gloss and the noise of few samples."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import mitsuba
import numpy as np

from benchmarks.reality.looks.rendering import FAR_M, Picture, files_of
from benchmarks.reality.looks.scenes import Scene, Thing

SAMPLES = 6
mitsuba.set_variant("scalar_rgb")


class Tracer:
    """Renders one scene."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        """Write meshes and textures to `folder` and load the textures once."""
        self._scene = scene
        self._files = [
            files_of(thing, folder, number)
            for number, thing in enumerate((*scene.background, *scene.things))
        ]
        self._surfaces = [self._surface(number) for number in range(len(self._files))]
        width, height = scene.size_px
        v, u = np.indices((height, width)) + 0.5
        off = np.stack([(u - width / 2), (v - height / 2)]) / scene.focal_px
        self._z_share_hw = 1 / np.sqrt(1 + (off**2).sum(0))

    def __enter__(self) -> Tracer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._surfaces.clear()

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        scene = self._scene
        things = (*scene.background, *scene.things)
        shapes = {f"thing{n:02d}": self._shape(n, thing, at_s) for n, thing in enumerate(things)}
        pose = scene.camera.pose(at_s)
        width, height = scene.size_px
        built = mitsuba.load_dict(
            {
                "type": "scene",
                "integrator": {"type": "path", "max_depth": 3},
                "sky": {
                    "type": "constant",
                    "radiance": {"type": "rgb", "value": [0.6 * s for s in scene.sky_rgb]},
                },
                "sun": {
                    "type": "directional",
                    "direction": (-np.array(scene.light_3)).tolist(),
                    "irradiance": {"type": "rgb", "value": [2.2, 2.1, 1.9]},
                },
                "eye": {
                    "type": "perspective",
                    "fov": float(np.rad2deg(2 * np.arctan(width / 2 / scene.focal_px))),
                    "fov_axis": "x",
                    "to_world": mitsuba.ScalarTransform4f().look_at(
                        pose[:3, 3].tolist(), (pose[:3, 3] + pose[:3, 2]).tolist(),
                        (-pose[:3, 1]).tolist(),
                    ),
                    "film": {
                        "type": "hdrfilm", "width": width, "height": height,
                        "rfilter": {"type": "box"},
                    },
                },
                **shapes,
            }
        )  # fmt: skip
        light = np.array(mitsuba.render(built, spp=SAMPLES, seed=int(at_s * 1000)))[..., :3]
        maps = mitsuba.load_dict({"type": "aov", "aovs": "t:depth,i:shape_index"})
        found = np.array(mitsuba.render(built, integrator=maps, spp=1))
        t_m, index = found[..., -2], np.rint(found[..., -1]).astype(int)
        hit = t_m > 0
        # Shapes are counted from 1 in the scene's own order; zero is nothing.
        numbers = [int(shape.id().removeprefix("thing")) for shape in built.shapes()]
        thing = np.array([0, *numbers])[index]
        instance = np.where(hit, np.maximum(0, thing - len(scene.background) + 1), 0)
        rgb = 255 * np.clip(light, 0, 1) ** (1 / 2.2)
        z_m = np.where(hit, t_m * self._z_share_hw, FAR_M)
        return Picture(
            rgb.round().astype(np.uint8), z_m.astype(np.float32), instance.astype(np.uint8)
        )

    def _surface(self, number: int) -> Any:
        texture = {
            "type": "bitmap", "filename": str(self._files[number][1]), "filter_type": "bilinear",
        }  # fmt: skip
        if number % 3 == 2:
            return mitsuba.load_dict({"type": "plastic", "diffuse_reflectance": texture})
        matte = {"type": "diffuse", "reflectance": texture}
        return mitsuba.load_dict({"type": "twosided", "inner": matte})

    def _shape(self, number: int, thing: Thing, at_s: float) -> dict[str, Any]:
        to_world = mitsuba.ScalarTransform4f(thing.motion.pose(at_s))
        return {
            "type": "obj", "filename": str(self._files[number][0]), "to_world": to_world,
            "bsdf": self._surfaces[number],
        }  # fmt: skip
