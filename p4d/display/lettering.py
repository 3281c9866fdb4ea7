"""Text in pictures: a font with the signs of units, and lines that fit."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import ImageFont

INK = (40, 40, 40)
PALE = (110, 110, 110)
PAPER = (255, 255, 255)


@functools.cache
def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings."""
    import matplotlib  # loads slowly, so only when a picture is made

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(folder / name, size_px)


def wrapped(text: str, letters: ImageFont.FreeTypeFont, width_px: int) -> list[str]:
    """Lines of whole words, at most `width_px` wide; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and letters.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
