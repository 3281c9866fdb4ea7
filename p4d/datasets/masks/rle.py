"""COCO run lengths: masks as counts of equal pixels, column by column, zeros first.

Two spellings exist. "Uncompressed" is a list of counts. "Compressed" is a text: from the fourth
count on, each is stored as its difference to the one two before; a value has 5 bits per character,
lowest first, each plus 48; bit 0x20 of a character says that more follow, bit 0x10 of the last one
is the sign (maskApi.c of pycocotools).

Counts are read here and not by pycocotools: it fills a mask whose counts end early with whatever
lies in memory, and reads beyond the end of a text that stops within a value. Encoding and polygons
are its work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p4d.errors import DatasetError

MAX_PIXELS = 1 << 26
"""Largest mask that is made: 64 Mpx."""


def runs_of_text(text: str | bytes) -> list[int]:
    """The counts of a compressed text.

    Raises:
        DatasetError: a character that no encoder writes, a text that stops within a value, or a
            negative count.
    """
    codes = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for at, code in enumerate(codes):
        bits = code - 48
        if not 0 <= bits < 64:
            raise DatasetError(f"character {at} of the counts, {chr(code)!a}, is no run length")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            if shift > 60:
                raise DatasetError(
                    f"the value that ends at character {at} of the counts is too long"
                )
            continue
        if bits & 0x10:
            value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise DatasetError(f"run {len(runs)} of the counts is negative: {value}")
        runs.append(value)
        value = shift = 0
    if shift:
        raise DatasetError("the counts end within a value; the text was cut")
    return runs


def decode(rle: Mapping[str, Any], *, size_hw: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """The mask [H, W] of a run-length code `{"size": [h, w], "counts": text or list}`.

    Args:
        rle: the code, as JSON gives it.
        size_hw: height and width that the video has; the code must agree. It also stands in for a
            missing `size`.

    Raises:
        DatasetError: no counts, a size that is not the video's, counts that do not sum to h*w.
    """
    height, width = _size(rle, size_hw)
    counts = rle.get("counts")
    if isinstance(counts, str | bytes):
        runs = runs_of_text(counts)
    elif isinstance(counts, Sequence) and all(type(run) is int and run >= 0 for run in counts):
        runs = list(counts)
    else:
        raise DatasetError(
            f"counts is {ascii(counts)[:40]}, expected a text or a list of run lengths"
        )
    if sum(runs) != height * width:
        raise DatasetError(
            f"counts sum to {sum(runs)} pixels, size {height}x{width} (rows x columns) has "
            f"{height * width}"
        )
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def encode(mask_hw: NDArray[Any]) -> dict[str, Any]:
    """The compressed code of a mask [H, W], with counts as text."""
    from pycocotools import mask as coco  # only those who write codes need it

    code = coco.encode(np.asfortranarray(mask_hw, np.uint8))
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode("ascii")}


def decode_polygons(
    polygons: Sequence[Sequence[float]], size_hw: tuple[int, int]
) -> NDArray[np.bool_]:
    """The mask [H, W] of an object that is drawn as polygons, by COCO's own rule of pixels.

    Args:
        polygons: one or more outlines `[x0, y0, x1, y1, ...]` in pixels; their union is the object.
        size_hw: height and width of the picture.

    Raises:
        DatasetError: an outline has fewer than three points, or values that are no numbers.
    """
    height, width = size_hw
    for at, outline in enumerate(polygons):
        if not _is_outline(outline):
            raise DatasetError(
                f"polygon {at} is no outline: it needs x and y of at least three points, "
                "as finite numbers"
            )
    from pycocotools import mask as coco  # only polygons need it

    outlines = [[float(each) for each in outline] for outline in polygons]
    codes = coco.frPyObjects(outlines, height, width)
    return np.asarray(coco.decode(coco.merge(codes)), bool)


def decode_segmentation(
    segmentation: object, *, size_hw: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """The mask of any of COCO's spellings of an object in one picture: run lengths or polygons.

    None and an empty list mean that the object is not seen.

    Raises:
        DatasetError: as `decode` and `decode_polygons`.
    """
    if segmentation is None or (isinstance(segmentation, list) and not segmentation):
        return None
    if isinstance(segmentation, Mapping):
        return decode(segmentation, size_hw=size_hw)
    if isinstance(segmentation, list):
        outlines = segmentation if isinstance(segmentation[0], list) else [segmentation]
        return decode_polygons(outlines, size_hw)
    raise DatasetError(
        f"segmentation is {ascii(segmentation)[:40]}, expected run lengths or polygons"
    )


def _size(rle: Mapping[str, Any], size_hw: tuple[int, int] | None) -> tuple[int, int]:
    size = rle.get("size", size_hw)
    if (
        not isinstance(size, Sequence)
        or len(size) != 2
        or not all(type(side) is int and side > 0 for side in size)
        or size[0] * size[1] > MAX_PIXELS
    ):
        raise DatasetError(f"size is {ascii(size)[:40]}, expected [rows, columns] in pixels")
    height, width = size
    if size_hw is not None and (height, width) != tuple(size_hw):
        swapped = (width, height) == tuple(size_hw)
        hint = "; rows and columns are swapped: COCO writes rows first" if swapped else ""
        raise DatasetError(
            f"size is {height}x{width} (rows x columns), the video has "
            f"{size_hw[0]}x{size_hw[1]}{hint}"
        )
    return height, width


def _is_outline(outline: object) -> bool:
    return (
        isinstance(outline, Sequence)
        and len(outline) >= 6
        and len(outline) % 2 == 0
        and all(type(value) in (int, float) and abs(value) < 1e5 for value in outline)
    )
