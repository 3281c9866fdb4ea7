"""Still pictures from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from p4d.errors import ContractError
from p4d.video.appearance import area_mean


def read_still(path: Path, height_px: int, width_px: int) -> np.ndarray:
    """A picture file as u8 `[height_px, width_px, 3]`, resized by area averaging.

    Raises:
        ContractError: the file is not a readable picture.
    """
    try:
        with Image.open(path) as picture:
            rgb = np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise ContractError(f"{path.name}: not a readable picture ({error})") from error
    return area_mean(rgb, height_px, width_px)
