"""Convex solids that are no MuJoCo primitive, for worlds with the held-out look.

Each fills the unit cube centred on the origin, so that scaling it by an object's extents gives a
body whose bounding box has exactly those extents and is centred on the body, as for primitives.
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
        ConfigError: no such solid.
    """
    makers = {
        "cone": _cone,
        "pyramid": _pyramid,
        "prism": _prism,
        "wedge": _wedge,
        "gem": _gem,
    }
    if shape not in makers:
        raise ConfigError(f"no shape {shape!r}; meshes are {sorted(makers)}")
    vertices = np.array(makers[shape](), np.float64)
    return vertices, _hull(vertices)


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


def _hull(vertices: NDArray[np.float64]) -> NDArray[np.int32]:
    """Triangles of the convex hull of few points: all planes through three with none outside.

    A face with more than three corners is cut into a fan once.
    """
    count = len(vertices)
    faces: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for i in range(count):
        for j in range(i + 1, count):
            for k in range(j + 1, count):
                normal = np.cross(vertices[j] - vertices[i], vertices[k] - vertices[i])
                length = float(np.linalg.norm(normal))
                if length < 1e-9:
                    continue
                distance = (vertices - vertices[i]) @ (normal / length)
                if distance.max() > 1e-9 and distance.min() < -1e-9:
                    continue
                outward = normal / length if distance.max() <= 1e-9 else -normal / length
                faces[tuple(np.flatnonzero(np.abs(distance) <= 1e-9).tolist())] = outward
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
