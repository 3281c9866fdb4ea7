"""Tracks of run-length masks: an object's segmentation by frame, drawn into maps of ids.

Objects of SA-V and VideoRefer overlap: a person and their hand are two. An instance map has one id
per pixel, so the smaller object is drawn over the larger one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.masks.rle import decode_segmentation
from p4d.errors import DatasetError


@dataclass(frozen=True)
class MaskTrack:
    """One object.

    Attributes:
        id: in instance maps.
        where: place in its file, for errors: `annotations[3]`.
        segmentations: run lengths or polygons by frame; None where the object is not seen.
        category: what the dataset calls its class; empty if it has none.
    """

    id: int
    where: str
    segmentations: Mapping[int, object]
    category: str = ""


def draw_tracks(
    file_name: str, tracks: Sequence[MaskTrack], frame: int, size_hw: tuple[int, int]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Ids [H, W] of one frame, and what is wrong with the objects that are left out.

    Args:
        file_name: of the annotations, for errors.
        tracks: of the video.
        frame: key of the segmentations.
        size_hw: height and width of the video.
    """
    masks: list[tuple[int, int, NDArray[np.bool_]]] = []
    problems = []
    for track in tracks:
        try:
            mask = decode_segmentation(track.segmentations.get(frame), size_hw=size_hw)
        except DatasetError as error:
            problems.append(f"{file_name}: {track.where}, frame {frame}: {error}; left out")
            continue
        if mask is not None and mask.any():
            masks.append((int(mask.sum()), track.id, mask))
    ids = np.zeros(size_hw, np.int32)
    for _, track_id, mask in sorted(masks, key=lambda each: (-each[0], each[1])):
        ids[mask] = track_id
    return ids, tuple(problems)


def annotated_frames(tracks: Sequence[MaskTrack]) -> frozenset[int]:
    """Frames that any of the tracks has an entry for, seen or not."""
    return frozenset(frame for track in tracks for frame in track.segmentations)
