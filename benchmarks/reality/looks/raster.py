"""The look `vtk`: VTK's rasterizer, with two lights, gloss and smooth shading."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from benchmarks.reality.looks.rendering import FAR_M, NEAR_M, Picture
from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import texture_of


class Rasterizer:
    """Renders one scene: once with light, once with a flat colour per instance."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        """Build actors; `folder` stays empty."""
        del folder
        self._scene = scene
        self._window: Any = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(*scene.size_px)
        self._renderer: Any = vtk.vtkRenderer()
        self._window.AddRenderer(self._renderer)
        self._actors = [_actor(thing) for thing in (*scene.background, *scene.things)]
        for actor in self._actors:
            self._renderer.AddActor(actor)
        self._renderer.AutomaticLightCreationOff()
        for direction, share in ((scene.light_3, 0.8), ((0.3, -0.5, 1.0), 0.4)):
            light = vtk.vtkLight()
            light.SetLightTypeToSceneLight()
            light.SetPosition(*(np.array(direction) * 20))
            light.SetFocalPoint(0, 0, 0)
            light.SetIntensity(share)
            self._renderer.AddLight(light)

    def __enter__(self) -> Rasterizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._window.Finalize()

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        scene = self._scene
        height = scene.size_px[1]
        behind = len(scene.background)
        for actor, thing in zip(self._actors[behind:], scene.things, strict=True):
            matrix = vtk.vtkMatrix4x4()
            matrix.DeepCopy(thing.motion.pose(at_s).ravel().tolist())
            actor.SetUserMatrix(matrix)
        pose = scene.camera.pose(at_s)
        camera = self._renderer.GetActiveCamera()
        camera.SetPosition(*pose[:3, 3])
        camera.SetFocalPoint(*(pose[:3, 3] + pose[:3, 2]))
        camera.SetViewUp(*(-pose[:3, 1]))
        camera.SetViewAngle(np.rad2deg(2 * np.arctan(height / 2 / scene.focal_px)))
        camera.SetClippingRange(NEAR_M, FAR_M)
        rgb = self._shown(scene.sky_rgb)
        depth = self._read(of_depth=True)[..., 0].astype(np.float64)
        z_m = FAR_M * NEAR_M / (FAR_M - (FAR_M - NEAR_M) * depth)
        return Picture(rgb, z_m.astype(np.float32), self._instances())

    def _instances(self) -> np.ndarray:
        textures = [actor.GetTexture() for actor in self._actors]
        for number, actor in enumerate(self._actors):
            instance = max(0, number - len(self._scene.background) + 1)
            actor.SetTexture(None)
            actor.GetProperty().LightingOff()
            actor.GetProperty().SetColor(instance * 20 / 255, 0, 0)
        flat = self._shown((0.0, 0.0, 0.0))
        for actor, texture in zip(self._actors, textures, strict=True):
            actor.SetTexture(texture)
            actor.GetProperty().LightingOn()
            actor.GetProperty().SetColor(1, 1, 1)
        return np.rint(flat[..., 0] / 20).astype(np.uint8)

    def _shown(self, sky_rgb: tuple[float, float, float]) -> np.ndarray:
        self._renderer.SetBackground(*sky_rgb)
        self._window.Render()
        return self._read(of_depth=False)

    def _read(self, *, of_depth: bool) -> np.ndarray:
        """The pixels of the window or its depth buffer, [H, W, C]."""
        read = vtk.vtkWindowToImageFilter()
        read.SetInput(self._window)
        read.ReadFrontBufferOff()
        read.ShouldRerenderOff()
        if of_depth:
            read.SetInputBufferTypeToZBuffer()
        else:
            read.SetInputBufferTypeToRGB()
        read.Update()
        width, height = self._scene.size_px
        values = vtk_to_numpy(read.GetOutput().GetPointData().GetScalars())
        return values.reshape(height, width, -1)[::-1].copy()


def _actor(thing: Thing) -> Any:
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(thing.mesh.vertices_m, deep=True))
    triangles = vtk.vtkCellArray()
    for face in thing.mesh.faces:
        triangles.InsertNextCell(3, face.tolist())
    surface = vtk.vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(triangles)
    surface.GetPointData().SetTCoords(numpy_to_vtk(thing.mesh.uv, deep=True))
    surface.GetPointData().SetNormals(numpy_to_vtk(thing.mesh.normals(), deep=True))
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(surface)
    pixels = texture_of(thing.texture, thing.texture_seed)[::-1]
    image = vtk.vtkImageData()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(pixels.reshape(-1, 3), deep=True))
    texture = vtk.vtkTexture()
    texture.SetInputData(image)
    texture.RepeatOn()
    texture.InterpolateOn()
    texture.MipmapOn()
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    actor.SetTexture(texture)
    look = actor.GetProperty()
    look.SetColor(1, 1, 1)
    look.SetAmbient(0.35)
    look.SetDiffuse(0.7)
    look.SetSpecular(0.4)
    look.SetSpecularPower(25)
    return actor
