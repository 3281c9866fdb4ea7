import numpy as np
import pytest

from p4d.datasets.kitti.odometry import KittiOdometryReader
from p4d.errors import DatasetError
from tests.datasets.layouts.kitti import FRAMES, projection, write_odometry


@pytest.fixture
def drive(tmp_path):
    return write_odometry(tmp_path / "odometry")


def read(drive, **options):
    return KittiOdometryReader().read(drive.folder, "00", options)


def test_a_root_is_recognised(drive, tmp_path):
    reader = KittiOdometryReader()
    assert reader.recognise(drive.folder) and reader.sequences(drive.folder, {}) == ["00"]
    assert not reader.recognise(tmp_path)
    with pytest.raises(DatasetError, match="expected sequences/00/image_2"):
        reader.sequences(tmp_path, {})


def test_poses_are_of_the_colour_camera_in_the_first_grey_one(drive):
    found = read(drive)
    first_cam0 = drive.world_T_cam_t44[0] @ projection("02")[1]
    expected = np.linalg.inv(first_cam0) @ drive.world_T_cam_t44
    assert np.abs(found.world_T_cam_t44 - expected).max() < 2e-5, "text has seven digits"
    assert np.linalg.norm(found.world_T_cam_t44[0, :3, 3]) == pytest.approx(0.06, abs=0.003)
    assert found.pose_valid_t.all() and not found.up_known and found.scale == "metric"


def test_it_shows_the_same_recording_as_its_raw_drive(drive):
    assert read(drive).exchange_group == "2011_10_03_drive_0027"


def test_times_and_depth_belong_to_numbers(drive):
    (drive.folder / "sequences" / "00" / "image_2" / "000003.png").unlink()
    found = read(drive)
    kept = [t for t in range(FRAMES) if t != 3]
    expected_ns = (drive.stamps_ns - drive.stamps_ns[0])[kept]
    assert np.abs(found.times_ns - expected_ns).max() < 1_000_000, "seven digits of seconds"
    depth = found.frame(3).z_depth_hw
    known = depth > 0
    error = np.abs(depth - drive.views[4].z_m_hw)[known] / depth[known]
    assert np.quantile(error, 0.98) < 1e-4


def test_test_sequences_have_no_poses_and_no_problem(drive):
    (drive.folder / "poses" / "00.txt").unlink()
    found = read(drive)
    assert found.world_T_cam_t44 is None and found.problems == ()


def test_lines_that_are_no_poses_cost_their_frames(drive):
    path = drive.folder / "poses" / "00.txt"
    lines = path.read_text().splitlines()
    lines[2] = "2 0 0 0 0 2 0 0 0 0 2 0"
    path.write_text("\n".join(lines[:-2]) + "\n")
    found = read(drive)
    assert np.flatnonzero(~found.pose_valid_t).tolist() == [2, FRAMES - 2, FRAMES - 1]
    assert any("00.txt:3: the matrix is no rotation" in each for each in found.problems)
    assert any("00.txt: ends with frame 21; 2 frame(s)" in each for each in found.problems)


@pytest.mark.parametrize(
    ("damage", "gone", "what"),
    [
        (lambda text: text.replace("P2:", "Q2:"), ("K", "poses", "depth"), "has no P2; take"),
        (lambda text: text.replace("Tr:", "TR:"), ("depth",), "has no Tr or Tr_velo_to_cam"),
        (lambda text: text.replace("P2: ", "P2: 1 "), ("K", "poses", "depth"), "P2 holds 13"),
    ],
)
def test_calibration_that_lacks_an_entry_costs_what_needs_it(drive, damage, gone, what):
    path = drive.folder / "sequences" / "00" / "calib.txt"
    path.write_text(damage(path.read_text()))
    found = read(drive)
    assert (found.K_t33 is None) == ("K" in gone)
    assert (found.world_T_cam_t44 is None) == ("poses" in gone)
    assert (found.frame(0).z_depth_hw is None) == ("depth" in gone)
    assert any(what in each for each in found.problems)


def test_pykitti_agrees(drive):
    pykitti = pytest.importorskip("pykitti")
    theirs = pykitti.odometry(str(drive.folder), "00")
    cam0 = np.stack(theirs.poses)
    ours = read(drive)
    shift = projection("02")[1]
    assert np.abs(ours.world_T_cam_t44 @ shift - cam0).max() < 1e-5
    seconds = [each.total_seconds() for each in theirs.timestamps]
    assert np.abs(ours.times_ns / 1e9 - seconds).max() < 1e-6
    assert np.abs(ours.K_t33[0] - theirs.calib.K_cam2)[:2, 2] == pytest.approx([0.5, 0.5])
