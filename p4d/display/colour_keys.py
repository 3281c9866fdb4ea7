"""Draws colour keys and puts them under a sheet, so that a picture needs no manual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from p4d.display.lettering import INK, PAPER, font, wrapped
from p4d.drawing import depth_rgb, flow_rgb, motion_rgb

_KEY_PX = (24, 96)
_WHEEL_PX = 64
_MARGIN_PX = 10
_TEXT_PX = 13

Key = tuple[np.ndarray, str]
"""A u8 [H, W, 3] picture of the colours, and what they mean."""


def depth_key(extent: str = "the range is in the caption") -> Key:
    """Near to far; `extent` says where the range of depths is given."""
    depth_hw = np.tile(np.geomspace(1.0, 10.0, _KEY_PX[1]), (_KEY_PX[0], 1))
    return depth_rgb(depth_hw, near=1.0, far=10.0), (
        f"depth: red is near, blue is far, logarithmic; {extent}; grey: not valid"
    )


def flow_key(longest: str = "the longest of the clip") -> Key:
    """The colour wheel: each pixel has the colour of a flow in its direction.

    Args:
        longest: the flow that has full colour, in words.
    """
    side = np.linspace(-1, 1, _WHEEL_PX)
    flow_hw2 = np.stack(np.meshgrid(side, side), axis=-1)
    inside_hw = np.linalg.norm(flow_hw2, axis=-1) <= 1
    wheel = flow_rgb(flow_hw2, longest_px=1.0)
    return np.where(inside_hw[..., None], wheel, np.uint8(PAPER[0])), (
        "flow to the frame before: the hue is the direction, as from the centre of the wheel; "
        f"white is no flow, the full colour {longest}; grey: not valid"
    )


def motion_key() -> Key:
    """Probability 0 to 1."""
    probability_hw = np.tile(np.linspace(0, 1, _KEY_PX[1]), (_KEY_PX[0], 1))
    return motion_rgb(probability_hw), (
        "motion: probability that the point moves in the world, from 0 (black, or the dimmed "
        "frame) to 1 (orange); motion of the camera is left out"
    )


def rays_key() -> Key:
    """Direction of camera rays."""
    side = np.linspace(0, 1, _WHEEL_PX)
    red, green = np.meshgrid(side, side)
    colours = np.stack([red, green, np.zeros_like(red)], axis=-1)
    return np.rint(255 * colours).astype(np.uint8), (
        "rays: red grows to the right, green downwards with the direction of the ray; blue is how "
        "far the camera is from where it started"
    )


def with_keys(sheet_hw3: np.ndarray, keys: Sequence[Key]) -> np.ndarray:
    """A sheet with its colour keys below, as wide as the sheet; u8 [H, W, 3]."""
    width, letters = sheet_hw3.shape[1], font(_TEXT_PX)
    rows: list[tuple[np.ndarray, list[str], int]] = []
    for picture, text in keys:
        room_px = width - _KEY_PX[1] - 3 * _MARGIN_PX
        lines = wrapped(text, letters, room_px)
        rows.append((picture, lines, max(picture.shape[0], len(lines) * (_TEXT_PX + 4))))
    height = sum(tall + _MARGIN_PX for *_, tall in rows) + _MARGIN_PX
    canvas = Image.new("RGB", (width, height), PAPER)
    draw, top = ImageDraw.Draw(canvas), _MARGIN_PX
    for picture, lines, tall in rows:
        left = _MARGIN_PX + (_KEY_PX[1] - picture.shape[1]) // 2
        canvas.paste(Image.fromarray(picture), (left, top))
        for number, line in enumerate(lines):
            place = (2 * _MARGIN_PX + _KEY_PX[1], top + number * (_TEXT_PX + 4))
            draw.text(place, line, INK, font=letters)
        top += tall + _MARGIN_PX
    return np.concatenate([sheet_hw3, np.asarray(canvas)])
