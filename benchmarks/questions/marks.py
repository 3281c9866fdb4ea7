"""Measures how fast marks are drawn, and whether they are legible.

`python -m benchmarks.questions.marks R4D_WORLD` draws marks on one core, then searches the label of
every mark in the frames that students see of that release. Key `marks` of
benchmarks/results/questions.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import RESULTS, describe, merge_results
from p4d.artifacts import Arrays
from p4d.project import Project
from p4d.questions.regions.marks import COLOURS_RGB, draw_marks

SIZES_PX = (64, 128, 384)
_CORNER_PX = 24  # a picture of nothing but one mark, whose label is clear of it


def scene_like(size_px: int, regions: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy frame and round regions of typical sizes."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:size_px, :size_px]
    centres = rng.uniform(0.2, 0.8, (regions, 2)) * size_px
    radii = rng.uniform(0.06, 0.14, regions) * size_px
    masks = [np.hypot(u - x, v - y) < r for (x, y), r in zip(centres, radii, strict=True)]
    frame = rng.integers(0, 255, (size_px, size_px, 3), dtype=np.uint8)
    return frame, np.stack(masks).astype(np.uint8)


def marks_per_s(size_px: int, *, regions: int = 4, pictures: int = 200) -> float:
    """Return frames drawn per second at the student's scale."""
    scenes = [scene_like(size_px, regions, seed) for seed in range(min(pictures, 50))]
    started = time.perf_counter()
    for number in range(pictures):
        draw_marks(*scenes[number % len(scenes)])
    return pictures / (time.perf_counter() - started)


def measure(sizes_px: Sequence[int] = SIZES_PX) -> dict[str, float]:
    """Return frames per second by side of the frame."""
    return {f"{size}_px": round(marks_per_s(size), 1) for size in sizes_px}


def legibility(clips: Iterable[np.ndarray]) -> dict[str, float | int]:
    """Measure how legible the marks of clips are at the resolution of their masks.

    Args:
        clips: 0/1 masks [K, H, W] of first frames, in the order of marks.

    Returns:
        marks: number of marks.
        intact: share of labels with every pixel visible.
        own_nearest: share of labels at least as near to their own region as to any other.
        hidden: mean share of a region that labels cover.
    """
    tiles = [_tile(mark) for mark in range(len(COLOURS_RGB))]
    intact, nearest, hidden = [], [], []
    for masks_khw in clips:
        picture = draw_marks(np.zeros((*masks_khw.shape[1:], 3), np.uint8), masks_khw)
        covered = np.zeros(masks_khw.shape[1:], dtype=bool)
        for mark in range(len(masks_khw)):
            places = _places(picture, tiles[mark])
            intact.append(bool(places))
            if places:
                top, left = places[0]
                box = np.s_[top : top + tiles[mark].shape[0], left : left + tiles[mark].shape[1]]
                covered[box] = True
                gaps = [_gap(box, other_hw) for other_hw in masks_khw]
                nearest.append(gaps[mark] <= min(gaps))
        hidden += [float(covered[mask_hw > 0].mean()) for mask_hw in masks_khw]
    return {
        "marks": len(intact),
        "intact": round(float(np.mean(intact)), 4),
        "own_nearest": round(float(np.mean(nearest)), 4),
        "hidden": round(float(np.mean(hidden)), 4),
    }


def _tile(mark0: int) -> np.ndarray:
    """Return the label of a mark as the renderer draws it: u8 [h, w, 3]."""
    masks_khw = np.zeros((mark0 + 1, _CORNER_PX, _CORNER_PX), np.uint8)
    masks_khw[mark0, -2:, -2:] = 1
    picture = draw_marks(np.full((_CORNER_PX, _CORNER_PX, 3), 7, np.uint8), masks_khw)
    # On a grey that no mark has, the label is the black pixels and what they surround.
    rows, columns = np.nonzero((picture == 0).all(-1))
    return picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _places(picture: np.ndarray, tile: np.ndarray) -> list[tuple[int, int]]:
    """Return the top left corners at which the frame contains the tile."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, tile.shape)[:, :, 0]
    found = np.argwhere((windows == tile).all(axis=(-3, -2, -1)))
    return [(int(top), int(left)) for top, left in found]


def _gap(box: tuple[slice, slice], mask_hw: np.ndarray) -> float:
    """Return the distance in pixels between a box and the nearest pixel of a mask."""
    rows, columns = np.nonzero(mask_hw)
    down = np.maximum(np.maximum(box[0].start - rows, rows - box[0].stop + 1), 0)
    across = np.maximum(np.maximum(box[1].start - columns, columns - box[1].stop + 1), 0)
    return float(np.hypot(down, across).min(initial=np.inf))


def _first_masks(benchmark: Path) -> Iterable[np.ndarray]:
    for file in sorted((benchmark / "stages" / "regions").glob("*/masks.safetensors")):
        masks = Arrays(file)
        yield from (masks[name][:, 0] for name in sorted(masks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", type=Path, help="folder of R4D-World")
    given = parser.parse_args()
    project = Project.find()
    figures = {
        "pictures_per_s": measure(),
        "legibility_at_64_px": legibility(_first_masks(given.benchmark)),
        "machine": describe(project.root),
        "command": f"python -m benchmarks.questions.marks {given.benchmark}",
    }
    merge_results(RESULTS / "questions.json", {"marks": figures})
    print(figures)


if __name__ == "__main__":
    main()
