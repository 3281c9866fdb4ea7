"""Writes scenes of the look `atelier` in POV-Ray's language, and renders them.

Every picture is rendered twice: with light, and with flat colours that say which toy a pixel shows
and how far it is.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.reality.looks.atelier.stage import Atelier
from benchmarks.reality.looks.rendering import FAR_M, HoldsNothing, Picture
from benchmarks.reality.looks.scenes import Thing

HEADER = """#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 4 }
#include "colors.inc"
#include "woods.inc"
#include "stones.inc"
#include "metals.inc"
"""
LEVELS = 65535
NUMBERS = 20
"""Largest number of a toy; the green channel encodes it in this many steps."""


class PovRay(HoldsNothing):
    """Renders one scene."""

    def __init__(self, scene: Atelier, folder: Path) -> None:
        """Render in `folder`.

        Raises:
            FileNotFoundError: the program is not installed.
        """
        program = shutil.which("povray")
        if program is None:
            raise FileNotFoundError("povray is not installed: apt install povray povray-includes")
        self._scene, self._folder, self._program = scene, folder, program

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        return self.pictures([at_s])[0]

    def pictures(self, at_s: Sequence[float]) -> list[Picture]:
        """Render the scene at some times, in one run of the program for each kind of picture."""
        lit = self._rendered("lit", [_lit(self._scene, at) for at in at_s], ["+A0.2", "+AM2"])
        flat = self._rendered("flat", [_flat(self._scene, at) for at in at_s], ["-A", "+FN16"])
        return [_picture(one, other) for one, other in zip(lit, flat, strict=True)]

    def _rendered(
        self, name: str, texts: Sequence[Iterator[str]], options: list[str]
    ) -> list[NDArray]:
        """Render texts; blue, green and red, as OpenCV reads them."""
        frames = ["\n".join(text) for text in texts]
        if len(frames) > 1:  # a single one is no animation, and has no number
            frames = [
                f"#if (frame_number = {number})\n{text}\n#end"
                for number, text in enumerate(frames, start=1)
            ]
        source = self._folder / f"{name}.pov"
        source.write_text(HEADER + "\n".join(frames) + "\n", encoding="utf-8")
        width, height = self._scene.size_px
        gamma = "File_Gamma=1.0" if name == "flat" else "File_Gamma=sRGB"
        done = subprocess.run(
            [self._program, f"+I{source.name}", f"+O{name}_.png", f"+W{width}", f"+H{height}",
             "+KFI1", f"+KFF{len(frames)}", "-D", "+WT1", gamma, *options],
            cwd=self._folder, capture_output=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
        made = sorted(self._folder.glob(f"{name}_*.png"))
        if done.returncode or len(made) != len(frames):
            raise RuntimeError(f"povray: {done.stderr[-800:]}")
        pictures = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., :3] for path in made]
        for path in made:
            path.unlink()
        return pictures


def _picture(lit_hw3: NDArray, flat_hw3: NDArray) -> Picture:
    number_hw = np.rint(flat_hw3[..., 1].astype(float) / LEVELS * NUMBERS).astype(np.uint8)
    depth_hw = (flat_hw3[..., 2].astype(np.float32) / LEVELS * FAR_M).astype(np.float32)
    return Picture(np.ascontiguousarray(lit_hw3[..., ::-1]), depth_hw, number_hw)


def _vector(values: NDArray | tuple[float, ...]) -> str:
    return "<" + ", ".join(f"{float(value):.6f}" for value in values) + ">"


def _camera(scene: Atelier, at_s: float) -> str:
    pose = scene.camera.pose(at_s)
    width, height = scene.size_px
    right, down, ahead, eye = pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3]
    across, up = right * width / scene.focal_px, -down * height / scene.focal_px
    return (
        f"camera {{ perspective location {_vector(eye)} right {_vector(across)}"
        f" up {_vector(up)} direction {_vector(ahead)} }}"
    )


def _shape(thing: Thing) -> str:
    """The solid of a toy around its centre, without texture."""
    half = np.array(thing.size_m_3) / 2
    x, _, z = half
    if thing.shape in ("egg", "pillow"):
        east, north = (1.0, 0.8) if thing.shape == "egg" else (0.4, 0.3)
        return f"superellipsoid {{ <{east}, {north}> scale {_vector(half)} }}"
    if thing.shape == "ball":
        return f"sphere {{ 0, {x:.6f} }}"
    if thing.shape == "brick":
        return f"box {{ {_vector(-half)}, {_vector(half)} }}"
    if thing.shape == "drum":
        return f"cylinder {{ <0,0,{-z:.6f}>, <0,0,{z:.6f}>, {x:.6f} }}"
    if thing.shape == "cone":
        return f"cone {{ <0,0,{-z:.6f}>, {x:.6f}, <0,0,{z:.6f}>, {x * 0.2:.6f} }}"
    if thing.shape == "torus":
        return f"torus {{ {x - z:.6f}, {z:.6f} rotate x*90 }}"
    if thing.shape == "rocket":
        return (
            f"union {{ cylinder {{ <0,0,{-z:.6f}>, <0,0,{z * 0.4:.6f}>, {x * 0.6:.6f} }}"
            f" cone {{ <0,0,{z * 0.4:.6f}>, {x * 0.6:.6f}, <0,0,{z:.6f}>, 0 }}"
            f" cylinder {{ <0,0,{-z:.6f}>, <0,0,{-z * 0.8:.6f}>, {x:.6f} }} }}"
        )
    return (  # a dumbbell
        f"union {{ sphere {{ <0,0,{z - x:.6f}>, {x:.6f} }} sphere {{ <0,0,{x - z:.6f}>, {x:.6f} }}"
        f" cylinder {{ <0,0,{-z / 2:.6f}>, <0,0,{z / 2:.6f}>, {x * 0.5:.6f} }} }}"
    )


def _placed(thing: Thing, at_s: float) -> str:
    pose = thing.motion.pose(at_s)
    return f"matrix {_vector(np.concatenate([pose[:3, :3].T.ravel(), pose[:3, 3]]))}"


def _texture(kind: str, seed: int, scale_m: float) -> str:
    """A texture, in the coordinates of what it covers."""
    rng = np.random.default_rng(seed)
    one, other = (_vector(rng.uniform(0.03, 0.95, 3)) for _ in range(2))
    scale = f"scale {scale_m * rng.uniform(0.5, 1.5):.4f}"
    shine = f"finish {{ phong {rng.uniform(0, 0.8):.2f} phong_size 30 diffuse 0.75 }}"
    if kind == "stone":
        return f"texture {{ T_Stone{int(rng.integers(1, 25))} {scale} }}"
    if kind == "wood":
        wood, turn = int(rng.integers(1, 31)), f"rotate y*{rng.uniform(0, 90):.1f}"
        return f"texture {{ T_Wood{wood} {turn} {scale} }}"
    if kind == "metal":
        metal = rng.choice(["Brass", "Copper", "Chrome", "Silver"])
        return f"texture {{ T_{metal}_{int(rng.integers(1, 4))}A }}"
    if kind == "lacquer":
        return f"texture {{ pigment {{ rgb {one} }} {shine} }}"
    if kind == "checker":
        return f"texture {{ pigment {{ checker rgb {one} rgb {other} {scale} }} {shine} }}"
    if kind == "hexagon":
        three = f"rgb {one} rgb {other} rgb {_vector(rng.uniform(0.03, 0.95, 3))}"
        return f"texture {{ pigment {{ hexagon {three} rotate x*90 {scale} }} {shine} }}"
    if kind == "brick":
        return f"texture {{ pigment {{ brick rgb {one} rgb {other} scale 0.07 }} {shine} }}"
    return (
        f"texture {{ pigment {{ {kind} color_map {{ [0 rgb {one}] [1 rgb {other}] }} {scale} }}"
        f" {shine} }}"
    )


def _set(scene: Atelier) -> Iterator[tuple[str, str]]:
    """Solids that never move, with their textures."""
    yield "plane { z, 0 }", _texture(scene.floor, scene.seed, 0.4)
    if scene.wall != "none":
        bearing = scene.camera.bearing_rad
        towards = np.array([np.cos(bearing), np.sin(bearing), 0.0])
        yield (
            f"plane {{ {_vector(towards)}, {-scene.wall_m:.4f} }}",
            _texture(scene.wall, scene.seed + 1, 0.8),
        )
    kinds = ("stone", "lacquer", "granite", "wood")
    for k, (x, y, radius, height) in enumerate(scene.columns_m_k4):
        yield (
            f"cylinder {{ <{x:.4f},{y:.4f},0>, <{x:.4f},{y:.4f},{height:.4f}>, {radius:.4f} }}",
            _texture(kinds[k % len(kinds)], scene.seed + 2 + k, 0.3),
        )


def _lit(scene: Atelier, at_s: float) -> Iterator[str]:
    """The scene with light and textures."""
    yield _camera(scene, at_s)
    sun = np.array(scene.light_3) * 40
    yield f"light_source {{ {_vector(sun)} rgb {1 - scene.ambient / 2:.3f} }}"
    fill = -np.array(scene.light_3) * 30
    fill[2] = 20
    yield f"light_source {{ {_vector(fill)} rgb {scene.ambient:.3f} shadowless }}"
    sky, top = _vector(scene.sky_rgb), _vector(np.array(scene.sky_rgb) * 0.4)
    pattern = f"gradient z color_map {{ [0 rgb {sky}] [1 rgb {top}] }}"
    if scene.sky == "clouds":
        colours = f"[0 rgb {sky}] [0.5 rgb {top}] [0.7 rgb 0.9] [1 rgb 0.6]"
        pattern = f"bozo turbulence 0.7 color_map {{ {colours} }} scale <0.4, 0.4, 0.15>"
    yield f"sky_sphere {{ pigment {{ {pattern} }} }}"
    for solid, texture in _set(scene):
        yield f"object {{ {solid} {texture} }}"
    for thing in scene.things:
        texture = _texture(thing.texture, thing.texture_seed, max(thing.size_m_3) * 0.4)
        yield f"object {{ {_shape(thing)} {texture} {_placed(thing, at_s)} }}"


def _flat(scene: Atelier, at_s: float) -> Iterator[str]:
    """The scene without light: red is the distance along the axis of the camera, green the toy."""
    pose = scene.camera.pose(at_s)
    (ax, ay, az), (ex, ey, ez) = pose[:3, 2], pose[:3, 3]
    away = (
        f"min(0.999, max(0, ((x - ({ex:.6f})) * ({ax:.8f}) + (y - ({ey:.6f})) * ({ay:.8f})"
        f" + (z - ({ez:.6f})) * ({az:.8f})) / {FAR_M}))"
    )
    yield _camera(scene, at_s)
    yield "background { rgb <1, 0, 0> }"

    def texture(number: int) -> str:
        green = number / NUMBERS
        return (
            f"texture {{ pigment {{ function {{ {away} }} color_map {{ [0 rgb <0, {green}, 0>]"
            f" [1 rgb <1, {green}, 0>] }} }} finish {{ ambient 0 diffuse 0 emission 1 }} }}"
        )

    for solid, _ in _set(scene):
        yield f"object {{ {solid} {texture(0)} }}"
    for number, thing in enumerate(scene.things, start=1):
        yield f"object {{ {_shape(thing)} {_placed(thing, at_s)} {texture(number)} }}"
