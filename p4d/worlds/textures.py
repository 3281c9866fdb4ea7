"""Procedural textures: tiling noise in one dominant colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from p4d.worlds.motion import Vector


def tiling_noise(
    rng: np.random.Generator, pictures: int, size_px: int, first_cells: int, octaves: int
) -> NDArray[np.float64]:
    """Smooth value noise in [0, 1] that repeats at its borders, [pictures, size, size]."""
    total = np.zeros((pictures, size_px, size_px))
    for octave in range(octaves):
        cells = first_cells * 2**octave
        position = np.arange(size_px) * cells / size_px
        cell = position.astype(np.int64)
        following = (cell + 1) % cells
        f = position - cell
        f = f * f * (3 - 2 * f)
        lattice = rng.random((pictures, cells, cells)) * 0.55**octave
        columns = lattice[:, :, cell] * (1 - f) + lattice[:, :, following] * f
        total += columns[:, cell] * (1 - f)[:, None]
        total += columns[:, following] * f[:, None]
    low = total.min(axis=(1, 2), keepdims=True)
    high = total.max(axis=(1, 2), keepdims=True)
    return np.asarray((total - low) / (high - low))


def surface(rng: np.random.Generator, dark: Vector, light: Vector, size_px: int) -> bytes:
    """A floor or wall between two tones, RGB8 [size, size, 3]."""
    noise = tiling_noise(rng, 1, size_px, 6, 4)[0]
    return _rgb8(noise[..., None] * (np.array(light) - np.array(dark)) + np.array(dark))


def object_faces(rng: np.random.Generator, base: Vector, size_px: int) -> bytes:
    """Six faces of a cube map, RGB8 [6 * size, size, 3].

    Brightness carries the pattern and the hue is constant: blotches of a darker and a lighter shade
    make rotation visible on round objects, and the colour can still be named. Faces differ.
    """
    colour = np.array(base)
    dark, light = 0.45 * colour, colour + 0.35 * (1.0 - colour)
    blotches = tiling_noise(rng, 6, size_px, 3, 1)[..., None]
    grain = tiling_noise(rng, 6, size_px, 8, 2)[..., None]
    faces = colour * (0.85 + 0.3 * grain)
    faces = np.where(blotches > 0.68, light, faces)
    faces = np.where(blotches < 0.30, dark, faces)
    return _rgb8(faces)


def tiles(rng: np.random.Generator, dark: Vector, light: Vector, size_px: int) -> bytes:
    """A tiled floor or wall between two tones, RGB8 [size, size, 3]; held-out look."""
    cells, joint_px = int(rng.integers(6, 11)), 2
    position = np.arange(size_px) * cells / size_px
    cell = position.astype(np.int64)
    joint = (position - cell) * size_px / cells < joint_px
    shade = rng.random((cells, cells))[cell][:, cell]
    shade = np.where(joint[:, None] | joint[None, :], 0.0, 0.25 + 0.75 * shade)
    return _rgb8(shade[..., None] * (np.array(light) - np.array(dark)) + np.array(dark))


def patterned_faces(rng: np.random.Generator, base: Vector, size_px: int) -> bytes:
    """Six faces of a cube map with checks or stripes, RGB8 [6 * size, size, 3]: held-out look.

    As in `object_faces`, brightness carries the pattern and the hue is constant; faces differ.
    """
    colour = np.array(base)
    dark, light = 0.5 * colour, colour + 0.4 * (1.0 - colour)
    rows, columns = np.mgrid[0:size_px, 0:size_px] / size_px
    faces = []
    for _ in range(6):
        checks = int(rng.integers(2, 5))
        if rng.random() < 0.5:
            angle = rng.uniform(0, np.pi)
            bands = (rows * np.cos(angle) + columns * np.sin(angle)) * 2 * checks
            pattern = np.floor(bands) % 2
        else:
            pattern = (np.floor(rows * 2 * checks) + np.floor(columns * 2 * checks)) % 2
        faces.append(np.where(pattern[..., None] > 0, light, dark))
    return _rgb8(np.stack(faces))


def _rgb8(values: NDArray[np.float64]) -> bytes:
    return (np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8).tobytes()
