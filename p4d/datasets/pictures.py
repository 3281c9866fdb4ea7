"""Picture files of datasets: colour, masks, 16-bit and float depth, each checked for its form.

PIL alone is not enough: it reduces colour of 16 bits to 8 without an error (png16.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from p4d.errors import DatasetError

MAX_PICTURE_PX = 8192 * 8192
"""Largest picture that is decoded; a file of a few bytes can state any size."""


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A colour or grey picture as [H, W, 3]; transparency is dropped, not blended.

    Raises:
        DatasetError: the file is missing or no readable picture.
    """
    with _opened(path) as picture:
        if picture.mode not in ("RGB", "RGBA", "L", "P", "LA"):
            raise DatasetError(
                f"{path.name}: pictures of mode {picture.mode} are not read as colour; "
                "expected 8 bits per channel"
            )
        return np.asarray(picture.convert("RGB"))


def read_palette_ids(path: Path) -> NDArray[np.uint8]:
    """The values of a palette or grey picture of 8 bits, [H, W]; colours mean nothing.

    Raises:
        DatasetError: the file is missing, unreadable, or holds colours instead of ids.
    """
    with _opened(path) as picture:
        if picture.mode not in ("P", "L"):
            raise DatasetError(
                f"{path.name}: expected one id per pixel, found mode {picture.mode}; masks that "
                "were saved as colours have lost their ids"
            )
        return np.asarray(picture)


def read_depth_u16(path: Path) -> NDArray[np.uint16]:
    """A grey picture of 16 bits, [H, W].

    Raises:
        DatasetError: the file is missing, unreadable, or of another form.
    """
    with _opened(path) as picture:
        if not picture.mode.startswith("I"):
            raise DatasetError(
                f"{path.name}: expected depth of 16 bits, found mode {picture.mode}; a conversion "
                "to 8 bits loses it"
            )
        values = np.asarray(picture)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise DatasetError(f"{path.name}: depth is not from 0 to 65535")
    return values.astype(np.uint16)


def read_float(path: Path) -> NDArray[np.float32]:
    """A TIFF of one float32 per pixel, [H, W].

    Raises:
        DatasetError: the file is missing, unreadable, or of another form.
    """
    with _opened(path) as picture:
        if picture.mode != "F":
            raise DatasetError(f"{path.name}: expected float32, found mode {picture.mode}")
        return np.asarray(picture, np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                if picture.width * picture.height > MAX_PICTURE_PX:
                    raise DatasetError(
                        f"{path.name}: {picture.width}x{picture.height} px, at most "
                        f"{MAX_PICTURE_PX} pixels are read"
                    )
                picture.load()
                yield picture
    except FileNotFoundError as error:
        raise DatasetError(f"{path.name} is missing") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path.name} is no readable picture: {error}") from error
