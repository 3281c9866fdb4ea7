import numpy as np
import pytest

from p4d.datasets.kitti.flow2015 import KittiFlowReader
from p4d.errors import DatasetError
from tests.datasets.layouts.kitti import SIZE_PX, write_flow
from tests.datasets.png_files import write_png


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return write_flow(tmp_path_factory.mktemp("flow"))


@pytest.fixture
def own(tmp_path):
    return write_flow(tmp_path / "flow")


def read(drive):
    return KittiFlowReader().read(drive.folder, "000000", {})


def test_flow_of_frame_11_leads_back_to_frame_10(drive):
    found = read(drive)
    assert len(found) == 21
    with_flow = [t for t in range(21) if found.frame(t).flow_px_hw2 is not None]
    assert with_flow == [11]
    frame = found.frame(11)
    exact, _, _ = drive.views[11].flow_to(drive.views[10])
    valid = frame.flow_valid_hw
    assert 0.3 < valid.mean() < 0.95
    error = np.linalg.norm(frame.flow_px_hw2 - exact, axis=-1)[valid]
    # A vector belongs to a point up to half a pixel from the centre; 1/64 px are stored.
    assert np.median(error) < 0.06 and np.quantile(error, 0.95) < 0.35
    negated, known, _ = drive.views[10].flow_to(drive.views[11])
    wrong = np.linalg.norm(-negated - exact, axis=-1)[valid & known]
    assert np.median(wrong) > 5 * np.median(error), "negated in place it would be another flow"


def test_depth_of_frame_10_is_of_its_disparity(drive):
    found = read(drive)
    assert [t for t in range(21) if found.frame(t).z_depth_hw is not None] == [10]
    depth, z_m = found.frame(10).z_depth_hw, drive.views[10].z_m_hw
    known = depth > 0
    # Half a level of 1/256 px of disparity, d z = z^2 / (f b) d.
    limit = z_m**2 / (drive.K[0, 0] * 0.53) / 512 * 1.05 + 1e-4 * z_m
    assert (np.abs(depth - z_m) <= limit)[known].all() and known.mean() > 0.3


def test_cars_are_labelled_in_frame_10_alone(drive):
    found = read(drive)
    assert [t for t in range(21) if found.frame(t).instance_hw is not None] == [10]
    assert ((found.frame(10).instance_hw == 1) == (drive.views[10].ids_hw == 1005)).all()
    assert [(each.id, each.name) for each in found.objects] == [(1, "car")]


def test_a_pair_without_the_frames_around_it_is_a_sequence_of_two(tmp_path):
    drive = write_flow(tmp_path, multiview=False)
    found = read(drive)
    assert found.times_ns.tolist() == [1_000_000_000, 1_100_000_000]
    assert found.frame(1).flow_px_hw2 is not None


def test_a_lost_frame_10_leaves_frame_11_without_flow(own):
    (own.folder / "training" / "image_2" / "000000_10.png").unlink()
    found = read(own)
    assert all(found.frame(t).flow_px_hw2 is None for t in range(20))
    assert "image_2/000000_10.png is missing" in found.problems


def test_occluded_flow_alone_is_not_turned_round(own):
    (own.folder / "training" / "flow_noc" / "000000_10.png").unlink()
    frame = read(own).frame(11)
    assert frame.flow_px_hw2 is None
    assert "flow_noc/000000_10.png: is missing: flow_occ alone cannot" in frame.problems[0]


def test_flow_of_8_bits_and_a_missing_calibration_are_named(own):
    root = own.folder / "training"
    write_png(root / "flow_noc" / "000000_10.png", np.zeros((*SIZE_PX[::-1], 3), np.uint8))
    (root / "calib_cam_to_cam" / "000000.txt").unlink()
    found = read(own)
    assert found.K_t33 is None and found.frame(10).z_depth_hw is None
    assert "000000.txt: cannot be read" in found.problems[0]
    assert "000000_10.png: has 8 bits" in found.frame(11).problems[0]
    assert found.frame(10).instance_hw is not None


def test_a_folder_of_something_else(tmp_path):
    assert not KittiFlowReader().recognise(tmp_path)
    with pytest.raises(DatasetError, match="training/image_2 and training/flow_noc"):
        KittiFlowReader().sequences(tmp_path, {})
