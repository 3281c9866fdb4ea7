"""Fixed inputs for which `reference.py` keeps what transformers' own processors make of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("processors.json")
QUESTION = "Which way does <obj_1> move?\nA. left\nB. right"


@dataclass(frozen=True)
class Case:
    """One input: frames of noise, sampled evenly from a longer video, maybe after a still."""

    name: str
    height: int
    width: int
    frames: int = 4
    video_fps: float = 8.0
    every: int = 4
    still: bool = False

    @property
    def indices(self) -> np.ndarray:
        return np.arange(self.frames) * self.every

    @property
    def total(self) -> int:
        return self.frames * self.every

    def pictures(self) -> np.ndarray:
        """u8 [F, H, W, 3]; smooth noise, so that resizing matters."""
        rng = np.random.default_rng(self.height * 1000 + self.width)
        coarse = rng.integers(0, 256, (self.frames, 7, 9, 3))
        down = np.linspace(0, 6, self.height).round().astype(int)
        across = np.linspace(0, 8, self.width).round().astype(int)
        fine = rng.integers(-40, 40, (self.frames, self.height, self.width, 3))
        return np.clip(coarse[:, down][:, :, across] + fine, 0, 255).astype(np.uint8)

    def marked(self) -> np.ndarray:
        """u8 [H, W, 3]: the first frame with something drawn on it."""
        picture = self.pictures()[0]
        picture[10:40, 20:60] = (255, 0, 0)
        return picture


CASES = (
    Case("28", 28, 28),
    Case("56", 56, 56),
    Case("112", 112, 112, frames=5),
    Case("224", 224, 224, frames=8),
    Case("336", 336, 336),
    Case("448", 448, 448, frames=16, every=3, video_fps=29.97),
    Case("wide", 90, 160, frames=6, video_fps=10.0, every=1),
    Case("tall", 250, 61, frames=3),
    Case("still and video", 120, 160, still=True),
)


def with_stills(family: str) -> bool:
    """LLaVA-OneVision and InternVL tile stills, which p4d reads as one picture each."""
    return family not in ("llava_onevision", "internvl")


def cases_of(family: str) -> list[Case]:
    return [case for case in CASES if with_stills(family) or not case.still]


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def runs(ids: list[int]) -> list[list[int]]:
    """Run-length encoding: `[[id, count], ...]`."""
    found: list[list[int]] = []
    for token in ids:
        if found and found[-1][0] == token:
            found[-1][1] += 1
        else:
            found.append([token, 1])
    return found
