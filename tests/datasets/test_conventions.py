"""Readers of datasets with geometry: what they give explains the pictures, and a mistake does not.

The fixtures are rendered by the written conventions of each dataset, without our readers. Each
mistake is one that a reader could make; a gate of stage `clips` must find it.
"""

import numpy as np
import pytest
from numpy.linalg import inv

from p4d.datasets.convert import convert
from p4d.datasets.formats import movi
from p4d.datasets.kitti import odometry
from p4d.datasets.scannet import reader as scannet
from p4d.datasets.sintel import reader as sintel
from p4d.datasets.tum import reader as tum
from tests.datasets.gates import found_in
from tests.datasets.layouts import kitti
from tests.datasets.layouts.lenses import BONN
from tests.datasets.layouts.movi import write_movi
from tests.datasets.layouts.scannet import write_scannet, write_sens
from tests.datasets.layouts.sintel import write_sintel
from tests.datasets.layouts.tum import write_long_tum

FIXTURES = {
    # (format, sequence or the folder's name, folder, writer)
    "movi": ("movi", "", "scene", lambda at: write_movi(at, frames=24)),
    "tum": ("tum", "", "rgbd_dataset_freiburg3_made", write_long_tum),
    "bonn": ("bonn", "", "rgbd_bonn_made", lambda at: write_long_tum(at, lens=BONN)),
    "scannet": (
        "scannet", "", "scene0000_00",
        lambda at: write_scannet(at, apart=True, frames=16, step=4, lost=None),
    ),
    "sens": (
        "scannet", "", "scene0001_00", lambda at: write_sens(at, frames=16, step=4, lost=None),
    ),
    "sintel": ("sintel", "clean/alley_1", "sintel", lambda at: write_sintel(at, frames=50)),
    "kitti_odometry": ("kitti_odometry", "00", "kitti", kitti.write_odometry),
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    written = {}

    def folder(name):
        if name not in written:
            _, _, place, write = FIXTURES[name]
            written[name] = tmp_path_factory.mktemp(name) / place
            write(written[name])
        return written[name]

    return folder


def offenders(name, folder, out):
    """Videos that the gates name in a converted fixture, and the fits of one clip of it."""
    kind, sequence, _, _ = FIXTURES[name]
    made = convert(kind, folder, sequence or folder.name, out, {})
    return found_in(made.video)


@pytest.mark.parametrize("name", FIXTURES)
def test_what_a_reader_gives_explains_the_pictures(name, folders, tmp_path):
    found, fits = offenders(name, folders(name), tmp_path)
    assert not found
    error = {reading: fit.error_levels.mean() for reading, fit in fits.items()}
    still = error.pop("identity")
    assert fits["stated"].coverage > 0.85
    # A laser's sparse depth explains few pixels; the others explain most of what changes.
    assert error["stated"] < (1.0 if name == "kitti_odometry" else 0.4) * still
    assert error["stated"] == min(each for name, each in error.items() if "flow" not in name)
    flows = {reading: each for reading, each in error.items() if "flow" in reading}
    assert not flows or flows["stored flow"] == min(flows.values()) < 0.5 * still


def second(function, change):
    """A function of a pair, with its second result changed."""

    def wrong(*given):
        first, last = function(*given)
        return first, change(last)

    return wrong


MISTAKES = {
    "movi: OpenGL's axes are kept": ("movi", movi, "_GL_T_CV", lambda right: np.eye(3)),
    "movi: distance along the ray is taken as planar": (
        "movi", movi._SceneFrames, "_planar",
        lambda right: lambda frames, along: np.where(along < 1e6, along, 0).astype(np.float32),
    ),
    "tum: poses lead from the world to the camera": (
        "tum", tum.TumReader, "camera_poses", lambda right: lambda reader, poses: inv(poses),
    ),
    "bonn: poses are taken as those of the camera": (
        "bonn", tum, "bonn_camera_poses", lambda right: lambda poses: poses,
    ),
    "scannet: poses lead from the world to the camera": (
        "scannet", scannet, "read_pose", lambda right: lambda path: inv(right(path)),
    ),
    "sens: poses lead from the world to the camera": (
        "sens", scannet, "rigid_matrix", lambda right: lambda *given: inv(right(*given)),
    ),
    "sintel: N is taken as the pose of the camera": (
        "sintel", sintel, "read_camera", lambda right: second(right, inv),
    ),
    "sintel: flow is taken as leading to the frame before": (
        "sintel", sintel, "backward_flow", lambda right: lambda forward, usable: (forward, usable),
    ),
    "kitti_odometry: poses lead from the world to the camera": (
        "kitti_odometry", odometry, "camera_poses",
        lambda right: lambda poses: right([None if each is None else inv(each) for each in poses]),
    ),
}  # fmt: skip
"""A mistake by name: fixture, where the reader's part is, and what makes it wrong."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_a_reader_fails_a_gate(mistake, folders, tmp_path, monkeypatch):
    name, owner, part, change = MISTAKES[mistake]
    monkeypatch.setattr(owner, part, change(getattr(owner, part)))
    found, fits = offenders(name, folders(name), tmp_path)
    assert found, {name: (fit.coverage, fit.error_levels.mean()) for name, fit in fits.items()}
