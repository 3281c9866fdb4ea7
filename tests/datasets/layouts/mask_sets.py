"""Datasets of masks alone, each in its published form: three discs that cross a textured wall.

Disc 1 is there from the start, disc 2 appears in frame 6, disc 3 leaves after frame 40. Pictures
are 96 x 64, never square, so that an exchange of rows and columns shows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from p4d.encoding import write_mp4
from tests.datasets.layouts.run_lengths import coded, runs
from tests.datasets.png_files import DAVIS_PALETTE, write_png

WIDTH, HEIGHT, FRAMES = 96, 64, 48
COLOURS = {1: (220, 40, 40), 2: (40, 190, 80), 3: (50, 80, 230)}
APPEARS, LEAVES = 6, 40
VOID = (slice(0, 4), slice(90, 96))


@dataclass(frozen=True)
class Discs:
    """What a reader must find: ids [T, H, W], and pictures [T, H, W, 3]."""

    folder: Path
    ids_thw: np.ndarray
    rgb_thw3: np.ndarray


def discs(folder: Path, wall: int) -> Discs:
    """Sets differ in their wall, so that no two have equal videos."""
    v, u = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    wall = (90 + 40 * (((u + wall) // 6 + v // 6) % 2) + 10 * np.sin(u / 9)).astype(np.uint8)
    ids, pictures = [], []
    for t in range(FRAMES):
        centres = {1: (14 + 1.4 * t, 20), 2: (80 - 1.2 * t, 40), 3: (30 + 0.5 * t, 50)}
        shown = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number, (x, y) in centres.items():
            if (number == 2 and t < APPEARS) or (number == 3 and t > LEAVES):
                continue
            shown[(u - x) ** 2 + (v - y) ** 2 < 64] = number
        picture = np.repeat(wall[..., None], 3, -1)
        for number, colour in COLOURS.items():
            picture[shown == number] = colour
        ids.append(shown)
        pictures.append(picture)
    return Discs(folder, np.stack(ids), np.stack(pictures))


def write_davis(
    folder: Path, *, sequence: str = "bear", binary: bool = False, first_only: bool = False
) -> Discs:
    """DAVIS 2017 with void, or 2016 with 0 and 255 and no palette; `first_only`: a test split."""
    made = discs(folder, 0)
    for t in range(FRAMES):
        _jpeg(folder / "JPEGImages" / "480p" / sequence / f"{t:05d}.jpg", made.rgb_thw3[t])
        if first_only and t:
            continue
        path = folder / "Annotations" / "480p" / sequence / f"{t:05d}.png"
        if binary:
            write_png(path, np.where(made.ids_thw[t] == 1, 255, 0).astype(np.uint8))
            continue
        ids = made.ids_thw[t].copy()
        ids[VOID] = 255
        write_png(path, ids, palette=DAVIS_PALETTE)
    lists = folder / "ImageSets" / "2017"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "train.txt").write_text(f"{sequence}\n")
    return made


def write_youtube_vos(folder: Path, *, video: str = "0a2f2bd294") -> Discs:
    """Every fifth frame of a video of 30 Hz, named by its number, with categories."""
    made = discs(folder, 1)
    for t in range(FRAMES):
        _jpeg(folder / "JPEGImages" / video / f"{5 * t:05d}.jpg", made.rgb_thw3[t])
        path = folder / "Annotations" / video / f"{5 * t:05d}.png"
        write_png(path, made.ids_thw[t], palette=DAVIS_PALETTE)
    objects = {
        "1": {"category": "dog", "frames": ["00000"]},
        "2": {"category": "dog", "frames": [f"{5 * APPEARS:05d}"]},
        "3": {"category": "person", "frames": ["00000"]},
    }
    (folder / "meta.json").write_text(json.dumps({"videos": {video: {"objects": objects}}}))
    return made


def write_youtube_vis(folder: Path) -> Discs:
    """One object in each of COCO's spellings: text, counts, polygons; null where it is not seen.

    Files are every fifth frame of a video of 30 Hz, named by its number.
    """
    made = discs(folder, 2)
    for t in range(FRAMES):
        _jpeg(folder / "JPEGImages" / "v1" / f"{5 * t:05d}.jpg", made.rgb_thw3[t])

    def spelled(number: int, t: int) -> object:
        mask = made.ids_thw[t] == number
        if not mask.any():
            return None
        if number == 1:
            return coded(mask)
        if number == 2:
            return {"size": [HEIGHT, WIDTH], "counts": runs(mask)}
        return [_outline(mask)]

    stated = {
        "videos": [
            {"id": 7, "width": WIDTH, "height": HEIGHT, "length": FRAMES,
             "file_names": [f"v1/{5 * t:05d}.jpg" for t in range(FRAMES)]}
        ],
        "categories": [{"id": 3, "name": "ball"}, {"id": 5, "name": "person"}],
        "annotations": [
            {"id": n, "video_id": 7, "category_id": {1: 3, 2: 3, 3: 5}[n], "iscrowd": 0,
             "segmentations": [spelled(n, t) for t in range(FRAMES)]}
            for n in (1, 2, 3)
        ],
    }  # fmt: skip
    (folder / "instances.json").write_text(json.dumps(stated))
    return made


def write_sav(folder: Path) -> Discs:
    """A video of 24 Hz with masklets of every fourth frame; the ids begin with 0."""
    made = discs(folder, 3)
    _mp4(folder / "sav_000001.mp4", made.rgb_thw3, 24)
    frames = range(0, FRAMES, 4)
    stated = {
        "video_id": "sav_000001",
        "video_duration": FRAMES / 24,
        "video_frame_count": float(FRAMES),
        "video_height": float(HEIGHT),
        "video_width": float(WIDTH),
        "masklet": [[coded(made.ids_thw[t] == n) for n in (1, 2, 3)] for t in frames],
        "masklet_id": [0, 1, 2],
        "masklet_num": 3,
    }
    (folder / "sav_000001_manual.json").write_text(json.dumps(stated))
    return made


def write_sav_evaluation(folder: Path) -> Discs:
    """Pictures at 24 Hz, and one folder of binary masks per object, of every fourth frame."""
    made = discs(folder, 4)
    for t in range(FRAMES):
        _jpeg(folder / "JPEGImages_24fps" / "sav_000002" / f"{t:05d}.jpg", made.rgb_thw3[t])
        if t % 4:
            continue
        for n in (1, 2, 3):
            mask = np.where(made.ids_thw[t] == n, 255, 0).astype(np.uint8)
            place = folder / "Annotations_6fps" / "sav_000002" / f"{n - 1:03d}"
            write_png(place / f"{t:05d}.png", mask)
    return made


def write_videorefer(folder: Path) -> Discs:
    """Three rows about one video; the first region is asked about twice, one has counts null."""
    made = discs(folder, 5)
    _mp4(folder / "videos" / "a.mp4", made.rgb_thw3, 24)

    def region(number: int, *frames: int) -> dict:
        return {str(t): {"segmentation": coded(made.ids_thw[t] == number)} for t in frames}

    broken = region(3, 2) | {"20": {"segmentation": {"size": [HEIGHT, WIDTH], "counts": None}}}
    talk = [{"from": "human", "value": "<video>\nWhat does <region> do?"}]
    rows = [
        {"id": 0, "video": "videos/a.mp4", "conversations": talk, "annotation": [region(1, 0)]},
        {"id": 1, "video": "videos/a.mp4", "conversations": talk,
         "annotation": [region(1, 0), region(2, 8, 16)]},
        {"id": 2, "video": "videos/a.mp4", "conversations": talk, "annotation": [broken, {}]},
        {"id": 3, "video": "videos/other.mp4", "conversations": talk},
    ]  # fmt: skip
    (folder / "VideoRefer-700K-short-caption.json").write_text(json.dumps(rows))
    return made


def _outline(mask_hw: np.ndarray) -> list[float]:
    """The corner points of a convex mask's rows, around it."""
    rows = np.flatnonzero(mask_hw.any(1)).tolist()
    left = [int(np.argmax(mask_hw[row])) for row in rows]
    right = [mask_hw.shape[1] - int(np.argmax(mask_hw[row][::-1])) for row in rows]
    points: list[float] = []
    for row, x in zip(rows, right, strict=True):
        points += [x, row, x, row + 1]
    for row, x in zip(rows[::-1], left[::-1], strict=True):
        points += [x, row + 1, x, row]
    return [float(each) for each in points]


def _jpeg(path: Path, rgb_hw3: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb_hw3).save(path, quality=95)


def _mp4(path: Path, rgb_thw3: np.ndarray, fps: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mp4(path, enumerate(rgb_thw3), Fraction(1, fps), Fraction(fps))
