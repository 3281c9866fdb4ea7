"""The look `bullet`: PyBullet's software renderer, with hard shadows and flat shading."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import pybullet
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.rendering import FAR_M, NEAR_M, Picture, files_of
from benchmarks.reality.looks.scenes import Scene
from p4d.geometry.cameras import inverse

_GL_T_CV = np.diag([1.0, -1.0, -1.0, 1.0])


class TinyRenderer:
    """Renders one scene."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        """Load meshes and textures into a world of its own."""
        self._scene = scene
        self._world = pybullet.connect(pybullet.DIRECT)
        self._bodies = []
        for number, thing in enumerate((*scene.background, *scene.things)):
            mesh, texture = files_of(thing, folder, number)
            shape = pybullet.createVisualShape(
                pybullet.GEOM_MESH, fileName=str(mesh), rgbaColor=[1, 1, 1, 1],
                physicsClientId=self._world,
            )  # fmt: skip
            body = pybullet.createMultiBody(
                0, baseVisualShapeIndex=shape, physicsClientId=self._world
            )
            picture = pybullet.loadTexture(str(texture), physicsClientId=self._world)
            pybullet.changeVisualShape(
                body, -1, textureUniqueId=picture, physicsClientId=self._world
            )
            self._bodies.append(body)

    def __enter__(self) -> TinyRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        pybullet.disconnect(self._world)

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        scene = self._scene
        behind = len(scene.background)
        for body, thing in zip(self._bodies[behind:], scene.things, strict=True):
            pose = thing.motion.pose(at_s)
            pybullet.resetBasePositionAndOrientation(
                body, pose[:3, 3].tolist(), Rotation.from_matrix(pose[:3, :3]).as_quat().tolist(),
                physicsClientId=self._world,
            )  # fmt: skip
        width, height = scene.size_px
        view = _GL_T_CV @ inverse(scene.camera.pose(at_s))
        across, up = width / 2 / scene.focal_px * NEAR_M, height / 2 / scene.focal_px * NEAR_M
        projection = pybullet.computeProjectionMatrix(-across, across, -up, up, NEAR_M, FAR_M)
        _, _, rgba, buffer, bodies = pybullet.getCameraImage(
            width, height, viewMatrix=view.T.ravel().tolist(), projectionMatrix=projection,
            lightDirection=(np.array(scene.light_3) * 10).tolist(), shadow=1,
            lightAmbientCoeff=scene.ambient, lightDiffuseCoeff=0.7, lightSpecularCoeff=0.1,
            renderer=pybullet.ER_TINY_RENDERER, physicsClientId=self._world,
        )  # fmt: skip
        bodies = np.asarray(bodies).reshape(height, width)
        rgb = np.array(rgba, np.uint8).reshape(height, width, 4)[..., :3].copy()
        rgb[bodies < 0] = (255 * np.array(scene.sky_rgb)).astype(np.uint8)
        depth = np.asarray(buffer, np.float64).reshape(height, width)
        z_m = FAR_M * NEAR_M / (FAR_M - (FAR_M - NEAR_M) * depth)
        instance = np.zeros((height, width), np.uint8)
        for number, body in enumerate(self._bodies[behind:], start=1):
            instance[bodies == body] = number
        return Picture(rgb, np.where(bodies < 0, FAR_M, z_m).astype(np.float32), instance)
