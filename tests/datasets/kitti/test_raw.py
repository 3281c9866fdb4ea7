"""A raw drive: poses, sparse depth, stamps, and what each missing file costs."""

import re

import numpy as np
import pytest

from p4d.datasets.kitti.raw import KittiRawReader
from p4d.errors import DatasetError
from tests.datasets.layouts.kitti import (
    DATE,
    DRIVE,
    FIRST_DEPTH,
    FRAMES,
    LAST_DEPTH,
    SIZE_PX,
    WITHOUT_SCAN,
    write_raw,
)
from tests.datasets.png_files import write_png

SEQUENCE = f"{DATE}/{DRIVE}"


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture
def own_drive(tmp_path):
    """A drive to damage."""
    return write_raw(tmp_path / "raw", depth="accumulated")


def read(drive, **options):
    return KittiRawReader().read(drive.folder, SEQUENCE, options)


def test_a_folder_of_dates_is_recognised_and_its_drives_are_sequences(drive, tmp_path):
    reader = KittiRawReader()
    assert reader.recognise(drive.folder) and reader.sequences(drive.folder, {}) == [SEQUENCE]
    assert not reader.recognise(drive.folder / DATE)
    unrectified = tmp_path / DATE / f"{DATE}_drive_0001_extract" / "image_02"
    unrectified.mkdir(parents=True)
    assert not reader.recognise(tmp_path)
    with pytest.raises(DatasetError, match="holds no sequences: expected DATE/DATE_drive_NNNN"):
        reader.sequences(tmp_path, {})


def test_camera_and_poses_are_those_of_the_drive(drive):
    found = read(drive)
    assert found.size_px == SIZE_PX and len(found) == FRAMES
    assert found.scale == "metric" and found.up_known
    assert found.exchange_group == "2011_09_26_drive_0009"
    assert np.abs(found.K_t33 - drive.K).max() < 1e-4, "calibration has seven digits"
    # Packets have 14 digits, a millionth of a metre; rotations of the calibration seven.
    assert np.abs(found.world_T_cam_t44 - drive.world_T_cam_t44).max() < 2e-5
    assert found.pose_valid_t.all()
    rotation = found.world_T_cam_t44[:, :3, :3]
    assert np.abs(rotation @ rotation.swapaxes(1, 2) - np.eye(3)).max() < 1e-12
    forward = found.world_T_cam_t44[0, :3, 2]
    assert forward[0] > 0.99, "the car drives east, along the camera's z"
    assert found.world_T_cam_t44[0, :3, 1][2] < -0.99, "y of the camera points down"


def test_stamps_keep_their_nanoseconds(drive):
    found = read(drive)
    assert found.times == "measured"
    assert (np.diff(found.times_ns) == np.diff(drive.stamps_ns)).all()
    assert found.times_ns[0] % 1_000_000_000 == drive.stamps_ns[0] % 1_000_000_000


def test_depth_of_scans_is_paired_by_number_and_exact_where_a_point_lands(drive):
    found = read(drive)
    for t in range(FRAMES):
        depth = found.frame(t).z_depth_hw
        if t in WITHOUT_SCAN:
            assert depth is None
            continue
        known = depth > 0
        assert 0.15 < known.mean() < 0.34, "every third pixel"
        error = np.abs(depth - drive.views[t].z_m_hw)[known] / depth[known]
        # Points were made at pixel centres; float32 and six digits may cross to a neighbour.
        assert np.quantile(error, 0.98) < 1e-4


def test_accumulated_depth_begins_at_frame_5_and_wins_over_scans(own_drive):
    found = read(own_drive)
    for t in range(FRAMES):
        depth = found.frame(t).z_depth_hw
        if not FIRST_DEPTH <= t <= LAST_DEPTH:
            assert depth is None, t
            continue
        known = depth > 0
        assert np.abs(depth - own_drive.views[t].z_m_hw)[known].max() <= 0.5 / 256 + 1e-6
        assert 0.2 < known.mean() < 0.4
    assert "accumulated scans" in " ".join(found.notes)


def test_a_frame_that_is_missing_keeps_the_times_and_poses_of_the_others(own_drive):
    (own_drive.folder / SEQUENCE / "image_02" / "data" / "0000000007.png").unlink()
    found = read(own_drive)
    kept = [t for t in range(FRAMES) if t != 7]
    assert (np.diff(found.times_ns) == np.diff(own_drive.stamps_ns[kept])).all()
    assert np.abs(found.world_T_cam_t44 - own_drive.world_T_cam_t44[kept]).max() < 2e-5
    known = (depth := found.frame(7).z_depth_hw) > 0
    assert np.abs(depth - own_drive.views[8].z_m_hw)[known].max() < 0.01, "frame 8, by number"
    assert any("frame 7 is missing" in each for each in found.problems)


@pytest.mark.parametrize(
    ("name", "lost", "what"),
    [
        ("calib_cam_to_cam.txt", "K poses", "no intrinsics, poses or projected scans"),
        ("calib_velo_to_cam.txt", "poses", "no poses and no projected scans"),
        ("calib_imu_to_velo.txt", "poses", "no poses"),
    ],
)
def test_a_missing_calibration_costs_what_needs_it(own_drive, name, lost, what):
    (own_drive.folder / DATE / name).unlink()
    found = read(own_drive)
    assert (found.K_t33 is None) == ("K" in lost)
    assert found.world_T_cam_t44 is None and not found.up_known
    assert found.frame(9).z_depth_hw is not None, "accumulated depth needs no calibration"
    (problem,) = [each for each in found.problems if name in each]
    assert what in problem and "cannot be read" in problem
    assert str(own_drive.folder) not in problem


def test_a_calibration_without_its_camera_is_named(own_drive):
    path = own_drive.folder / DATE / "calib_cam_to_cam.txt"
    path.write_text(path.read_text().replace("P_rect_02", "P_02"))
    (problem,) = read(own_drive).problems
    assert "calib_cam_to_cam.txt: has no P_rect_02; take the file of the same drive" in problem


def test_lost_and_broken_packets_leave_their_frames_without_pose(own_drive):
    oxts = own_drive.folder / SEQUENCE / "oxts" / "data"
    (oxts / "0000000002.txt").unlink()
    (oxts / "0000000004.txt").write_text("49.0 8.4 112.8\n")
    found = read(own_drive)
    assert np.flatnonzero(~found.pose_valid_t).tolist() == [2, 4]
    problems = "\n".join(found.problems)
    assert "0000000002.txt: cannot be read" in problems
    assert "0000000004.txt:1: holds 3 values, expected 30; the frame has no pose" in problems
    others = [t for t in range(FRAMES) if t not in (2, 4)]
    error = np.abs(found.world_T_cam_t44 - own_drive.world_T_cam_t44)[others]
    assert error.max() < 2e-5


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda lines: lines[:10], r"timestamps\.txt: ends with frame 9, frame 23 exists"),
        (lambda lines: [*lines[:3], "yesterday", *lines[4:]], r"timestamps\.txt:4: 'yesterday'"),
        (lambda lines: [*lines[:3], lines[1], *lines[4:]], r"timestamps\.txt:4: is not later"),
    ],
)
def test_bad_stamps_make_times_declared(own_drive, damage, what):
    path = own_drive.folder / SEQUENCE / "image_02" / "timestamps.txt"
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")
    found = read(own_drive)
    assert found.times == "declared"
    assert (np.diff(found.times_ns) == 100_000_000).all()
    assert any(re.search(what, each) for each in found.problems)


def test_depth_that_was_saved_with_8_bits_is_named_and_left_out(own_drive):
    folder = own_drive.folder / "val" / DRIVE / "proj_depth" / "groundtruth" / "image_02"
    write_png(folder / "0000000006.png", np.zeros(SIZE_PX[::-1], np.uint8))
    frame = read(own_drive).frame(6)
    assert frame.z_depth_hw is None and frame.rgb_hw3.shape == (75, 248, 3)
    assert "0000000006.png: has 8 bits" in frame.problems[0]


def test_a_drive_without_the_chosen_camera_is_an_error(drive):
    with pytest.raises(DatasetError, match="image_03/data: cannot be read"):
        read(drive, camera="image_03")
    with pytest.raises(DatasetError, match="--set camera=left: expected one of image_00"):
        read(drive, camera="left")


def test_pykitti_agrees_on_every_pose(drive):
    pykitti = pytest.importorskip("pykitti")
    theirs = pykitti.raw(str(drive.folder), DATE, "0009")
    world_T_imu = np.stack([each.T_w_imu for each in theirs.oxts])
    ours = read(drive).world_T_cam_t44
    # pykitti leaves two of the three numbers of the colour camera's place out: 5 mm.
    expected = world_T_imu @ np.linalg.inv(theirs.calib.T_cam2_imu)
    assert np.abs(ours - expected).max() < 6e-3
    assert np.abs(ours[:, :3, :3] - expected[:, :3, :3]).max() < 1e-6
