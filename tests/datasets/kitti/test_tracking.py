import numpy as np
import pytest

from p4d.datasets.kitti.tracking import KittiMotsReader
from p4d.errors import DatasetError
from tests.datasets.layouts.kitti import FRAMES, SIZE_PX, WITHOUT_SCAN, write_mots
from tests.datasets.png_files import write_png


def read(drive):
    return KittiMotsReader().read(drive.folder, "0002", {})


@pytest.fixture(scope="module", params=["png", "txt"])
def drive(request, tmp_path_factory):
    return write_mots(tmp_path_factory.mktemp(request.param), form=request.param)


def test_both_forms_give_the_same_masks(drive):
    reader = KittiMotsReader()
    assert reader.recognise(drive.folder) and reader.sequences(drive.folder, {}) == ["0002"]
    found = read(drive)
    assert found.problems == ()
    for t in range(FRAMES):
        assert (found.frame(t).instance_hw == drive.views[t].ids_hw).all(), t
    table = [(each.id, each.name, each.category) for each in found.objects]
    assert table == [
        (1001, "car", "car"),
        (1005, "car", "car"),
        (2003, "pedestrian", "pedestrian"),
    ]


def test_what_mots_ignores_is_no_object(drive):
    assert 10_000 not in [each.id for each in read(drive).objects]
    assert "id 10000" in " ".join(read(drive).notes)


def test_poses_and_depth_of_the_tracking_benchmark(drive):
    found = read(drive)
    assert np.abs(found.world_T_cam_t44 - drive.world_T_cam_t44).max() < 2e-5
    assert found.up_known and found.pose_valid_t.all()
    assert [t for t in range(FRAMES) if found.frame(t).z_depth_hw is None] == list(WITHOUT_SCAN)
    assert found.times == "declared" and found.times_ns[-1] == 2_300_000_000


def test_masks_alone_are_enough(tmp_path):
    found = read(write_mots(tmp_path, with_geometry=False))
    assert found.K_t33 is None and found.world_T_cam_t44 is None
    assert found.frame(3).z_depth_hw is None and found.frame(3).instance_hw is not None
    assert "0002.txt: cannot be read" in found.problems[0]


def test_no_masks_are_a_problem_and_no_error(tmp_path):
    drive = write_mots(tmp_path)
    (tmp_path / "instances" / "0002").rename(tmp_path / "instances" / "0003")
    found = read(drive)
    assert found.objects == () and found.frame(0).instance_hw is None
    assert "has neither instances/0002 nor instances_txt/0002.txt" in found.problems[0]


def test_a_damaged_mask_costs_its_frame_alone(tmp_path):
    drive = write_mots(tmp_path)
    masks = tmp_path / "instances" / "0002"
    (masks / "000004.png").write_bytes(b"\x89PNG")
    write_png(masks / "000005.png", np.zeros(SIZE_PX[::-1], np.uint8))
    (masks / "000006.png").unlink()
    found = read(drive)
    assert [t for t in range(10) if found.frame(t).instance_hw is None] == [4, 5, 6]
    assert "000004.png: is no PNG" in found.frame(4).problems[0]
    assert "000005.png: has 8 bits" in found.frame(5).problems[0]


def test_an_inertial_file_that_ends_early_costs_the_last_poses(tmp_path):
    drive = write_mots(tmp_path)
    path = tmp_path / "training" / "oxts" / "0002.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    found = read(drive)
    assert np.flatnonzero(~found.pose_valid_t).tolist() == [FRAMES - 2, FRAMES - 1]
    assert "0002.txt: ends with frame 21; frame 22 has no pose" in found.problems[0]


def test_a_folder_of_something_else_says_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match="expected training/image_02/0002 in it"):
        KittiMotsReader().sequences(tmp_path, {})


def test_trackeval_reads_the_same_masks(drive, tmp_path):
    """The benchmark's own evaluation code, where it is installed."""
    trackeval = pytest.importorskip("trackeval")
    coco = pytest.importorskip("pycocotools.mask")
    text = drive.folder / "instances_txt" / "0002.txt"
    if not text.is_file():
        pytest.skip("this evaluation reads the text form")
    found = {}
    rows, ignored = trackeval.datasets._base_dataset._BaseDataset._load_simple_text_file(
        str(text), crowd_ignore_filter={2: ["10"]}, force_delimiters=" "
    )
    for frame, regions in rows.items():
        ids = np.zeros(SIZE_PX[::-1], int)
        for _, each, _, height, width, counts in regions:
            mask = coco.decode({"size": [int(height), int(width)], "counts": counts.encode()})
            ids[mask > 0] = int(each)
        found[int(frame)] = ids
    assert set(found) == set(range(FRAMES)) and ignored
    for t, ids in found.items():
        assert (read(drive).frame(t).instance_hw == ids).all()
