"""One pass over the frames of a sequence: encodes the pictures and records what else is there.

A frame whose picture cannot be read is left out, and every later frame keeps its own time. Maps of
another size than the picture are left out as well: they belong to another camera.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame
from p4d.encoding import write_mp4
from p4d.errors import DatasetError

TICK_NS = 1_000
"""Tick of the videos that are made: a truth sidecar may differ from its video by as much."""
MAPS = ("z_depth_hw", "instance_hw", "flow_px_hw2")


@dataclass
class Survey:
    """What a pass over a capture found.

    Attributes:
        frames: indices of the frames whose picture was read, in order.
        pts_ns: their times in the video, from 0, in whole ticks.
        present: by map, the indices of the frames that have it.
        pixels: number of pixels per object id, over all frames.
        problems: what could not be read, one line each.
    """

    frames: list[int] = field(default_factory=list)
    pts_ns: list[int] = field(default_factory=list)
    present: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in MAPS})
    pixels: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def encode_and_survey(capture: Capture, video: Path) -> Survey:
    """Write the pictures of a capture to `video` (MP4) and return what its frames hold.

    Raises:
        DatasetError: stamps do not increase, or fewer than two pictures can be read.
    """
    if len(capture) < 2:
        raise DatasetError(f"{capture.sequence}: {len(capture)} frame(s); a video needs two")
    steps = np.diff(capture.times_ns)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise DatasetError(
            f"{capture.sequence}: the stamp of frame {at + 1} is not after that of frame {at}"
        )
    survey = Survey()
    rate = Fraction(1_000_000_000, int(np.median(steps))).limit_denominator(1001)
    write_mp4(video, _shown(capture, survey), Fraction(TICK_NS, 1_000_000_000), rate)
    if len(survey.frames) < 2:
        reasons = "; ".join(survey.problems[:3])
        raise DatasetError(f"{capture.sequence}: fewer than two readable pictures: {reasons}")
    return survey


def _shown(capture: Capture, survey: Survey) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for index in range(len(capture)):
        try:
            frame = read_checked(capture, index)
        except DatasetError as error:
            survey.problems.append(f"frame {index} is left out: {error}")
            continue
        first = survey.frames[0] if survey.frames else index
        tick = round(int(capture.times_ns[index] - capture.times_ns[first]) / TICK_NS)
        if survey.pts_ns and tick * TICK_NS <= survey.pts_ns[-1]:
            survey.problems.append(
                f"frame {index} is left out: less than a microsecond after another"
            )
            continue
        survey.frames.append(index)
        survey.pts_ns.append(tick * TICK_NS)
        survey.problems += frame.problems
        for name in MAPS:
            if getattr(frame, name) is not None:
                survey.present[name].add(index)
        if frame.instance_hw is not None:
            ids, counts = np.unique(frame.instance_hw, return_counts=True)
            survey.pixels.update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
        yield tick, frame.rgb_hw3


def read_checked(capture: Capture, index: int) -> CapturedFrame:
    """A frame of a capture, without maps that have another size than its picture.

    Raises:
        DatasetError: its picture cannot be read, or has another size than the sequence.
    """
    frame = capture.frame(index)
    height, width = frame.rgb_hw3.shape[:2]
    if (width, height) != capture.size_px:
        expected = "x".join(map(str, capture.size_px))
        raise DatasetError(f"its picture has {width}x{height} px, the sequence {expected}")
    wrong = [
        name
        for name in MAPS
        if (values := getattr(frame, name)) is not None and values.shape[:2] != (height, width)
    ]
    problems = list(frame.problems)
    for name in wrong:
        at = getattr(frame, name).shape
        problems.append(
            f"frame {index}: {name} has {at[1]}x{at[0]} px, the picture {width}x{height}; it is "
            "left out"
        )
    return CapturedFrame(
        rgb_hw3=frame.rgb_hw3,
        z_depth_hw=None if "z_depth_hw" in wrong else frame.z_depth_hw,
        instance_hw=None if "instance_hw" in wrong else frame.instance_hw,
        flow_px_hw2=None if "flow_px_hw2" in wrong else frame.flow_px_hw2,
        flow_valid_hw=None if "flow_px_hw2" in wrong else frame.flow_valid_hw,
        problems=tuple(problems),
    )
