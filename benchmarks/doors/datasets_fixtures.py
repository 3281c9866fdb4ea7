"""The fixture of each dataset format, long enough for a clip of two seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.datasets.layouts import kitti, mask_sets
from tests.datasets.layouts.lenses import BONN
from tests.datasets.layouts.movi import write_movi
from tests.datasets.layouts.scannet import write_scannet, write_sens
from tests.datasets.layouts.sintel import write_sintel
from tests.datasets.layouts.tum import write_long_tum


def _bonn(folder: Path) -> object:
    return write_long_tum(folder.with_name("rgbd_bonn_made"), lens=BONN)


def _tum(folder: Path) -> object:
    return write_long_tum(folder.with_name("rgbd_dataset_freiburg3_made"))


def _scannet(folder: Path) -> object:
    """Both forms: an export, and a stream of another part of the walk."""
    write_sens(folder.with_name("scene0001_00"), frames=45, step=4, begin_s=1.5)
    return write_scannet(folder.with_name("scene0000_00"), apart=True, frames=45, step=4)


FIXTURES: Mapping[str, Callable[[Path], object]] = {
    "movi": lambda folder: write_movi(folder, frames=30),
    "tum": _tum,
    "bonn": _bonn,
    "scannet": _scannet,
    "sintel": lambda folder: write_sintel(folder, frames=54),
    "davis": mask_sets.write_davis,
    "youtube_vis": mask_sets.write_youtube_vis,
    "sav": mask_sets.write_sav,
    "videorefer": mask_sets.write_videorefer,
    "kitti_raw": kitti.write_raw,
    "kitti_odometry": kitti.write_odometry,
    "kitti_mots": kitti.write_mots,
    "kitti_flow": kitti.write_flow,
}
