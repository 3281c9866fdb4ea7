"""Convex solids that MuJoCo has no primitive for, used by worlds with the held-out appearance.

Each solid fills the unit cube centred on the origin. Scaled by an object's extents, its bounding
box has exactly those extents and is centred on the body, as for primitives.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from p4d.errors import ConfigError

_AROUND = 24  # corners of the cone's base


@functools.cache
def unit_vertices(shape: str) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Corners [V, 3] and triangles [F, 3] of a solid, counter-clockwise from outside.

    Raises:
        ConfigError: there is no such solid; the known ones are listed.
    """
    makers = {
        "cone": _cone,
        "pyramid": _pyramid,
        "prism": _prism,
        "wedge": _wedge,
        "gem": _gem,
    }
    if shape not in makers:
        raise ConfigError(f"no mesh is called {shape!r}; known are {sorted(makers)}")
    vertices = np.array(makers[shape](), np.float64)
    return vertices, _hull_triangles(vertices)


def _cone() -> list[tuple[float, float, float]]:
    angles = 2 * np.pi * np.arange(_AROUND) / _AROUND
    base = [(0.5 * float(np.cos(a)), 0.5 * float(np.sin(a)), -0.5) for a in angles]
    return [*base, (0.0, 0.0, 0.5)]


def _pyramid() -> list[tuple[float, float, float]]:
    base = [(x, y, -0.5) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]
    return [*base, (0.0, 0.0, 0.5)]


def _prism() -> list[tuple[float, float, float]]:
    """A tent: a triangle along x."""
    return [(x, y, z) for x in (-0.5, 0.5) for y, z in ((-0.5, -0.5), (0.5, -0.5), (0.0, 0.5))]


def _wedge() -> list[tuple[float, float, float]]:
    """A ramp: a box cut along a diagonal."""
    return [(x, y, z) for x in (-0.5, 0.5) for y, z in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5))]


def _gem() -> list[tuple[float, float, float]]:
    """An octahedron."""
    points = []
    for axis in range(3):
        for sign in (-0.5, 0.5):
            point = [0.0, 0.0, 0.0]
            point[axis] = sign
            points.append((point[0], point[1], point[2]))
    return points


def _hull_triangles(vertices: NDArray[np.float64]) -> NDArray[np.int32]:
    """Triangles of the convex hull, each face cut into a fan from one of its corners.

    Qhull's own triangles would do for the shape. Fans in a fixed order keep the mesh, and with it
    the bytes of rendered worlds, independent of Qhull's order.
    """
    from scipy.spatial import ConvexHull  # slow to import, and only held-out worlds need it

    faces: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for *normal, offset in ConvexHull(vertices).equations:
        outward = np.array(normal)
        on_plane = np.abs(vertices @ outward + offset) <= 1e-9
        faces[tuple(np.flatnonzero(on_plane).tolist())] = outward
    triangles = []
    for corners, outward in sorted(faces.items(), key=lambda item: item[0]):
        points = vertices[list(corners)]
        centre = points.mean(axis=0)
        across = points[0] - centre
        across /= np.linalg.norm(across)
        along = np.cross(outward, across)
        offsets = points - centre
        order = np.argsort(np.arctan2(offsets @ along, offsets @ across), kind="stable")
        ring = [corners[int(index)] for index in order]
        triangles += [[ring[0], b, c] for b, c in itertools.pairwise(ring[1:])]
    return np.array(triangles, np.int32)
