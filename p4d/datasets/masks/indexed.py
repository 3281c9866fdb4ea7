"""Masks as pictures whose values are ids: DAVIS, YouTube-VOS, SA-V."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from p4d.datasets.shown import shown
from p4d.errors import DatasetError

VOID = 255
"""Of palette files: pixels that nobody assigned. In grey files of 0 and 255 it is the object."""
MAX_PIXELS = 1 << 26


def read_indexed(path: Path) -> tuple[NDArray[np.int32], bool]:
    """Values of a mask picture, [H, W], and whether it has a palette.

    The colours of a palette are decoration; they are not read.

    Raises:
        DatasetError: the file is missing or damaged, or was saved as colours.
    """
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DatasetError(f"{shown(path)}: has more than {MAX_PIXELS} pixels")
            mode = picture.mode
            if mode not in ("P", "L", "1", "I;16", "I"):
                raise DatasetError(
                    f"{shown(path)}: is saved as {mode}: its values are colours and no ids; save "
                    "the "
                    "palette file itself (Pillow: without convert(), OpenCV cannot)"
                )
            values = np.asarray(picture)
    except DatasetError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{shown(path)}: cannot be read as a mask: {reason}") from error
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{shown(path)}: {error}") from error
    if mode == "1":
        values = values.astype(np.int32) * VOID
    return values.astype(np.int32), mode == "P"


def ids_of(values_hw: NDArray[np.int32], *, binary: bool) -> tuple[NDArray[np.int32], int]:
    """Ids [H, W] from the values of a mask, and the number of void pixels, which become background.

    Args:
        values_hw: as `read_indexed` gives them.
        binary: the sequence has one object, drawn as 255 (DAVIS 2016).
    """
    if binary:
        return (values_hw > 0).astype(np.int32), 0
    void = values_hw == VOID
    return np.where(void, 0, values_hw), int(void.sum())
