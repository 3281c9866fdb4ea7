"""Draws the time of each frame into it (paper, Table 6: burned-in time marks)."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SHARE = 0.1
"""Height of the digits, as a share of the frame's; at least `LEAST_PX`."""
LEAST_PX = 8


def with_times(frames_fhw3: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """A copy with `0.25 s` in black on white at the top left of every frame that has a time."""
    drawn = frames_fhw3.copy()
    font = ImageFont.load_default(size=max(LEAST_PX, round(SHARE * frames_fhw3.shape[1])))
    for frame, time_s in zip(drawn, times_s.tolist(), strict=True):
        if not math.isfinite(time_s):
            continue
        picture = Image.fromarray(frame)
        pen = ImageDraw.Draw(picture)
        text = f"{time_s:.2f} s"
        pen.rectangle(pen.textbbox((1, 1), text, font=font), fill="white")
        pen.text((1, 1), text, fill="black", font=font)
        frame[:] = np.asarray(picture)
    return drawn
