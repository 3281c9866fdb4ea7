"""What every renderer of a look returns, and which one a look has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.reality.looks.scenes import Scene, Thing
from benchmarks.reality.looks.shapes import write_texture

NEAR_M, FAR_M = 0.1, 60.0


@dataclass(frozen=True)
class Picture:
    """One frame: u8 [H, W, 3], planar depth in m (FAR_M: nothing) if known, instance numbers."""

    rgb_hw3: NDArray[np.uint8]
    z_depth_m_hw: NDArray[np.float32] | None
    instance_hw: NDArray[np.uint8]


class Renderer(Protocol):
    """Renders one scene at any time."""

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time in seconds."""


class HoldsNothing(AbstractContextManager):
    """A renderer that opens nothing, so that its context has nothing to close."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Nothing is open."""


def pictures_of(renderer: Renderer, at_s: Sequence[float]) -> list[Picture]:
    """Render at some times, all at once if the renderer has `pictures`."""
    together: Callable[[Sequence[float]], list[Picture]] | None
    together = getattr(renderer, "pictures", None)
    return together(at_s) if together else [renderer.picture(at) for at in at_s]


RENDERERS = {"bullet": "tiny:TinyRenderer", "vtk": "raster:Rasterizer", "mitsuba": "tracer:Tracer",
             "collage": "collage:Collage", "panda": "panda:Forest",
             "atelier": "atelier.povray:PovRay", "nursery": "nursery.browser:Browser",
             "yard": "yard.babylon:Babylon"}  # fmt: skip


def renderer_of(look: str) -> Callable[[Scene, Path], AbstractContextManager[Renderer]]:
    """The renderer of a look; it takes a scene and a folder for its files.

    Raises:
        ImportError: its package is not installed: `pip install 'p4d[looks]'`.
    """
    module, name = RENDERERS[look].split(":")
    return getattr(import_module(f"benchmarks.reality.looks.{module}"), name)


def files_of(thing: Thing, folder: Path, number: int) -> tuple[Path, Path]:
    """Write mesh and texture of a thing; returns both paths."""
    mesh, texture = folder / f"{number}.obj", folder / f"{number}.png"
    thing.mesh.write(mesh)
    write_texture(texture, thing.texture, thing.texture_seed)
    return mesh, texture
