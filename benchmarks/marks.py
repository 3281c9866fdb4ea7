"""How fast marked pictures are drawn, on one core: `python -m benchmarks.marks`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np

from p4d.questions.marks import draw_marks

SIZES_PX = (64, 128, 384)


def scene_like(size_px: int, regions: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy frame and round regions of the sizes that clips have."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:size_px, :size_px]
    centres = rng.uniform(0.2, 0.8, (regions, 2)) * size_px
    radii = rng.uniform(0.06, 0.14, regions) * size_px
    masks = [np.hypot(u - x, v - y) < r for (x, y), r in zip(centres, radii, strict=True)]
    frame = rng.integers(0, 255, (size_px, size_px, 3), dtype=np.uint8)
    return frame, np.stack(masks).astype(np.uint8)


def marks_per_s(size_px: int, *, regions: int = 4, pictures: int = 200) -> float:
    """Pictures drawn per second at the student's scale."""
    scenes = [scene_like(size_px, regions, seed) for seed in range(min(pictures, 50))]
    started = time.perf_counter()
    for number in range(pictures):
        draw_marks(*scenes[number % len(scenes)])
    return pictures / (time.perf_counter() - started)


def measure(sizes_px: Sequence[int] = SIZES_PX) -> dict[str, float]:
    """Pictures per second by side of the frame."""
    return {f"{size}_px": round(marks_per_s(size), 1) for size in sizes_px}


if __name__ == "__main__":
    print(json.dumps({"marks_per_s": measure()}, indent=2))
