"""Meshes and textures of the looks, made from numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

SHAPES = ("ball", "box", "drum", "cone", "ring", "pebble")
TEXTURE_PX = 128


@dataclass(frozen=True)
class Mesh:
    """Triangles with texture coordinates: vertices [V, 3], uv [V, 2], faces [F, 3]."""

    vertices_m: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def normals(self) -> np.ndarray:
        """Unit normals at the vertices, [V, 3]."""
        corners = self.vertices_m[self.faces]
        of_face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        total = np.zeros_like(self.vertices_m)
        for corner in range(3):
            np.add.at(total, self.faces[:, corner], of_face)
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        # A pole has a copy per meridian, and some copies belong to no triangle with an area.
        ends = np.where(self.vertices_m[:, 2:] < 0, -1.0, 1.0) * [0.0, 0.0, 1.0]
        return np.where(lengths > 1e-9, total / np.maximum(lengths, 1e-9), ends)

    def write(self, path: Path) -> None:
        """Write as Wavefront OBJ."""
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in self.vertices_m]
        lines += [f"vt {u:.6f} {v:.6f}" for u, v in self.uv]
        lines += [f"vn {x:.6f} {y:.6f} {z:.6f}" for x, y, z in self.normals()]
        lines += [
            "f " + " ".join(f"{index}/{index}/{index}" for index in face) for face in self.faces + 1
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _swept(ring_uv: np.ndarray, around: int) -> Mesh:
    """A surface of revolution about z of a profile of (radius, z), [P, 2]."""
    angle = np.linspace(0, 2 * np.pi, around + 1)
    radius, height = ring_uv[:, 0], ring_uv[:, 1]
    vertices = np.stack(
        [
            np.outer(radius, np.cos(angle)),
            np.outer(radius, np.sin(angle)),
            np.repeat(height[:, None], around + 1, axis=1),
        ],
        axis=-1,
    )
    uv = np.stack(
        np.meshgrid(np.linspace(0, 3, around + 1), np.linspace(0, 2, len(ring_uv))), axis=-1
    )
    grid = np.arange(len(ring_uv) * (around + 1)).reshape(len(ring_uv), around + 1)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    faces = np.concatenate(
        [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
    )
    return Mesh(vertices.reshape(-1, 3), uv.reshape(-1, 2), faces)


def quad(corners_m_43: np.ndarray, tiles: float) -> Mesh:
    """A rectangle of four corners in order, with a texture repeated so many times."""
    uv = np.array([[0, 0], [tiles, 0], [tiles, tiles], [0, tiles]], float)
    return Mesh(np.asarray(corners_m_43, float), uv, np.array([[0, 1, 2], [0, 2, 3]]))


def mesh_of(shape: str, size_m_3: np.ndarray, seed: int) -> Mesh:
    """A shape of full extents `size_m_3` around its centre."""
    half = np.linspace(-np.pi / 2, np.pi / 2, 17)
    if shape == "box":
        sides = []
        for axis in range(3):
            for sign in (-1, 1):
                one, other = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
                middle = sign * np.eye(3)[axis]
                corners = [middle - one - other, middle + one - other, middle + one + other,
                           middle - one + other]  # fmt: skip
                sides.append(quad(np.array(corners[::sign]) / 2, 1.0))
        offsets = np.cumsum([0, *(len(side.vertices_m) for side in sides)])
        mesh = Mesh(
            np.concatenate([side.vertices_m for side in sides]),
            np.concatenate([side.uv for side in sides]),
            np.concatenate([s.faces + o for s, o in zip(sides, offsets, strict=False)]),
        )
    elif shape == "drum":
        mesh = _swept(np.array([[0, -0.5], [0.5, -0.5], [0.5, 0.5], [0, 0.5]]), 24)
    elif shape == "cone":
        mesh = _swept(np.array([[0, -0.5], [0.5, -0.5], [0.25, 0], [0, 0.5]]), 24)
    elif shape == "ring":
        angle = np.linspace(0, 2 * np.pi, 17)
        mesh = _swept(np.stack([0.36 + 0.14 * np.cos(angle), 0.14 * np.sin(angle)], -1), 24)
    else:
        mesh = _swept(np.stack([np.cos(half) / 2, np.sin(half) / 2], -1), 24)
        if shape == "pebble":
            rng = np.random.default_rng(seed)
            waves = rng.normal(size=(4, 3)) * 5
            bump = 1 + 0.1 * np.sin(mesh.vertices_m @ waves.T + rng.uniform(0, 6, 4)).sum(1)
            mesh = Mesh(mesh.vertices_m * bump[:, None], mesh.uv, mesh.faces)
    return Mesh(mesh.vertices_m * size_m_3, mesh.uv, mesh.faces)


TEXTURES = ("plain", "checks", "stripes", "dots", "cloud", "bricks", "grain", "camouflage")


def texture_of(kind: str, seed: int) -> np.ndarray:
    """A texture, u8 [S, S, 3]."""
    rng = np.random.default_rng(seed)
    one, other = rng.uniform(0.05, 0.95, (2, 3))
    v, u = np.indices((TEXTURE_PX, TEXTURE_PX)) / TEXTURE_PX
    tiles = int(rng.integers(3, 7))
    if kind == "checks":
        share = (np.floor(u * tiles) + np.floor(v * tiles)) % 2
    elif kind == "stripes":
        share = (np.sin(2 * np.pi * tiles * (u if rng.random() < 0.5 else v)) > 0).astype(float)
    elif kind == "dots":
        share = ((u * tiles % 1 - 0.5) ** 2 + (v * tiles % 1 - 0.5) ** 2 < 0.09).astype(float)
    elif kind == "bricks":
        row = np.floor(v * tiles * 2)
        share = ((v * tiles * 2 % 1 < 0.12) | ((u * tiles + row / 2) % 1 < 0.06)).astype(float)
    elif kind == "grain":
        share = rng.random((TEXTURE_PX, TEXTURE_PX))
        share = ndimage.gaussian_filter(share, 1.0, mode="wrap")
        share = (share - share.min()) / np.ptp(share)
    elif kind in ("cloud", "camouflage"):
        share = sum(
            ndimage.gaussian_filter(rng.normal(size=(TEXTURE_PX, TEXTURE_PX)), s, mode="wrap") * s
            for s in (2, 4, 8, 16)
        )
        share = (share - share.min()) / np.ptp(share)
        if kind == "camouflage":
            share = np.round(share * 3) / 3
    else:
        share = 0.15 * rng.random((TEXTURE_PX, TEXTURE_PX))
    colour = one + (other - one) * share[..., None]
    return (255 * colour).round().astype(np.uint8)


def write_texture(path: Path, kind: str, seed: int) -> None:
    """Write a texture as PNG."""
    Image.fromarray(texture_of(kind, seed)).save(path)
