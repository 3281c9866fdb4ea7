"""The renderer of the look `panda`: models of a game engine in its forest, by Panda3D in software.

A panda walks with its legs. The renderer gives no depth, so this look has no truth sidecars.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from panda3d import core

from benchmarks.reality.looks.forest import Trips
from benchmarks.reality.looks.rendering import FAR_M, NEAR_M, Picture
from benchmarks.reality.looks.scenes import Scene, Thing

FINER = 2
"""The picture is made so many times larger, and averaged."""
STRIDE_M = 0.9
"""Way of one cycle of the panda's legs, per metre of its height."""
FLAT_RGB = (1.0, 0.0, 1.0)
"""Colour of the objects where instances are read; nothing in the forest has it."""

core.loadPrcFileData("", "textures-power-2 down\nallow-incomplete-render 0")


class Forest:
    """Renders one scene: once with light, once with the objects in flat colours."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        """Load the models; `folder` stays empty."""
        del folder
        self._scene = scene
        self._engine = core.GraphicsEngine()
        pipes = core.GraphicsPipeSelection.getGlobalPtr()
        pipe = pipes.makePipe("TinyOffscreenGraphicsPipe", "p3tinydisplay")
        properties = core.FrameBufferProperties()
        properties.setRgbColor(True)
        properties.setDepthBits(24)
        size = core.WindowProperties.size(*(side * FINER for side in scene.size_px))
        self._window = self._engine.makeOutput(
            pipe, "forest", 0, properties, size, core.GraphicsPipe.BFRefuseWindow
        )
        self._shown = core.Texture()
        self._window.addRenderTexture(self._shown, core.GraphicsOutput.RTMCopyRam)
        self._window.setClearColor((*scene.sky_rgb, 1))
        self._root = core.NodePath("root")
        lens = core.PerspectiveLens()
        lens.setFilmSize(*scene.size_px)
        lens.setFocalLength(scene.focal_px)
        lens.setNearFar(NEAR_M, FAR_M)
        self._camera = self._root.attachNewNode(core.Camera("camera", lens))
        self._window.makeDisplayRegion().setCamera(self._camera)
        self._light()
        forest = _model("environment")
        forest.setScale(0.25)
        forest.setMat(forest.getMat() * _mat(scene.background[0].motion.pose(0)))
        forest.reparentTo(self._root)
        self._things = [self._placed(thing) for thing in scene.things]

    def _light(self) -> None:
        ambient = core.AmbientLight("ambient")
        ambient.setColor((*[self._scene.ambient] * 3, 1))
        sun = core.DirectionalLight("sun")
        sun.setColor((0.8, 0.8, 0.75, 1))
        sun.setDirection(core.LVector3(*(-each for each in self._scene.light_3)))
        for light in (ambient, sun):
            self._root.setLight(self._root.attachNewNode(light))

    def _placed(self, thing: Thing) -> tuple[Any, Any]:
        """The node of a thing, its model centred in it, and what moves its legs."""
        node = self._root.attachNewNode(thing.shape)
        walks = core.AnimControlCollection()
        model = _model("panda-model" if thing.shape == "panda" else thing.shape)
        if thing.shape == "panda":
            _model("panda-walk4").reparentTo(model)
            same = core.PartGroup.HMFOkPartExtra | core.PartGroup.HMFOkAnimExtra
            core.autoBind(model.node(), walks, same | core.PartGroup.HMFOkWrongRootName)
        low, high = model.getTightBounds()
        scale = thing.size_m_3[2] / float((high - low)[2])
        model.setScale(scale)
        model.setPos(*(-(low + high)[axis] * scale / 2 for axis in range(3)))
        model.reparentTo(node)
        node.setColorScale(*_tint(thing))
        return node, walks

    def __enter__(self) -> Forest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._engine.removeAllWindows()

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        axes = np.eye(4)
        axes[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # ahead is y here, and up is z
        self._camera.setMat(_mat(self._scene.camera.pose(at_s) @ axes))
        for (node, walks), thing in zip(self._things, self._scene.things, strict=True):
            node.setMat(_mat(thing.motion.pose(at_s)))
            if walks.getNumAnims() and isinstance(thing.motion, Trips):
                cycles = thing.motion.gone_m(at_s) / (STRIDE_M * thing.size_m_3[2])
                control = walks.getAnim(0)
                control.pose(cycles % 1.0 * (control.getNumFrames() - 1))
        finer = self._rendered()
        height, width = (side // FINER for side in finer.shape[:2])
        small = finer.reshape(height, FINER, width, FINER, 3).mean(axis=(1, 3))
        return Picture(np.rint(small).astype(np.uint8), None, self._instances()[::FINER, ::FINER])

    def _instances(self) -> np.ndarray:
        for number, (node, _) in enumerate(self._things, start=1):
            node.setLightOff(10)
            node.setTextureOff(10)
            node.setColorScaleOff(10)
            node.setColor((FLAT_RGB[0], number * 20 / 255, FLAT_RGB[2], 1), 10)
        flat = self._rendered().astype(int)
        for (node, _), thing in zip(self._things, self._scene.things, strict=True):
            node.clearLight()
            node.clearTexture()
            node.clearColor()
            node.setColorScale(*_tint(thing))
        number = np.rint(flat[..., 1] / 20).astype(int)
        ours = (flat[..., 0] > 250) & (flat[..., 2] > 250) & (number <= len(self._things))
        return np.where(ours & (abs(flat[..., 1] - 20 * number) < 4), number, 0).astype(np.uint8)

    def _rendered(self) -> np.ndarray:
        self._engine.renderFrame()
        width, height = (side * FINER for side in self._scene.size_px)
        pixels = np.frombuffer(self._shown.getRamImageAs("RGB"), np.uint8)
        return pixels.reshape(height, width, 3)[::-1]


def _tint(thing: Thing) -> tuple[float, float, float, float]:
    red, green, blue = np.random.default_rng(thing.texture_seed).uniform(0.6, 1.0, 3)
    return red, green, blue, 1.0


def _model(name: str) -> Any:
    """A model that the engine ships."""
    folder = str(files("panda3d") / "models")
    for path in (folder, str(Path(folder).parent)):
        if core.Filename.fromOsSpecific(path) not in core.getModelPath().getDirectories():
            core.getModelPath().appendDirectory(core.Filename.fromOsSpecific(path))
    found = core.Loader.getGlobalPtr().loadSync(core.Filename(f"{folder}/{name}.egg.pz"))
    if found is None:
        raise FileNotFoundError(f"{folder} has no model {name}")
    return core.NodePath(found)


def _mat(pose: np.ndarray) -> Any:
    """The engine multiplies rows from the left."""
    return core.LMatrix4(*pose.T.ravel().tolist())
