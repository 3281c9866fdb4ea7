"""Sparse depth of the frames of a KITTI recording: accumulated ground truth, or single scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.kitti.maps import project_scan, read_depth, read_scan
from p4d.errors import DatasetError

DEPTH_SIGMA_RATIO = 0.02
"""Relative error of a depth, one sigma: the laser has 2 cm, and at 10 m the turn of the scanner
during a picture and the calibration to the camera add as much as a pixel or two."""


@dataclass(frozen=True, kw_only=True)
class SparseDepth:
    """Where depth of frames comes from, by their number.

    Attributes:
        maps: 16-bit PNG files; where there is any, scans are not used.
        scans: laser scans, projected into the camera.
        cam_T_velo, K: for the scans.
        size_px: of the pictures.
    """

    maps: Mapping[int, Path] = field(default_factory=dict)
    scans: Mapping[int, Path] = field(default_factory=dict)
    cam_T_velo: NDArray[np.float64] | None = None
    K: NDArray[np.float64] | None = None
    size_px: tuple[int, int] = (0, 0)

    def of(self, number: int) -> tuple[NDArray[np.float32] | None, tuple[str, ...]]:
        """Planar depth in metres [H, W], or None, and what could not be read."""
        try:
            if self.maps:
                return (read_depth(self.maps[number]) if number in self.maps else None), ()
            if number in self.scans and self.cam_T_velo is not None and self.K is not None:
                points = read_scan(self.scans[number])
                return project_scan(points, self.cam_T_velo, self.K, self.size_px), ()
        except DatasetError as error:
            return None, (f"{error}; the frame has no depth",)
        return None, ()

    @property
    def source(self) -> str:
        """One line for the card."""
        if self.maps:
            return "depth: accumulated scans, as KITTI ships them; moving things may be smeared"
        if self.scans and self.cam_T_velo is not None:
            return (
                "depth: one laser scan per frame; points that are hidden from the camera are in it"
            )
        return "no depth"
