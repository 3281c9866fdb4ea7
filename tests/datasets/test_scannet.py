"""ScanNet scenes, landed: depth in the colour camera, lost poses, and what a damaged file costs."""

import shutil
import struct

import numpy as np
import pytest

from p4d.datasets.convert import convert
from p4d.datasets.registry import reader_named, recognise
from p4d.errors import DatasetError
from p4d.sidecars import SOURCE_SUFFIX, read_source, sidecar_path
from p4d.truth import path_for, read
from p4d.video.decoding.decode import read_timeline
from tests.datasets.layouts.scannet import (
    ALIGN,
    COLOUR,
    DEPTH,
    FRAMES,
    INSTANCES,
    LOST,
    STEP,
    stamp_us,
    write_scannet,
    write_sens,
)

KNOWN = [t for t in range(FRAMES) if t != LOST]


def converted(made, tmp_path, **options):
    return convert("scannet", made.folder, made.folder.name, tmp_path / "out", options)


def truth_of(made, tmp_path, **options):
    return read(path_for(converted(made, tmp_path, **options).video))


@pytest.fixture
def made(tmp_path):
    return write_scannet(tmp_path / "scene0000_00")


def check_depth(found, expected, at_least):
    """Depth of the colour camera, where no edge is near: there a coarser camera sees another side.

    Within the step to the next depth pixel, which covers two colour pixels.
    """
    known = found > 0
    assert known.mean() > at_least
    near = np.stack([np.roll(expected, by, axis=axis) for axis in (0, 1) for by in (-2, 2)])
    step = np.abs(near - expected).max(axis=0)
    inner = np.zeros(known.shape, bool)
    inner[4:-4, 4:-4] = True
    flat = known & (step < 0.05 * expected) & inner
    assert flat.mean() > 0.6
    error = (found - expected)[flat]
    assert (np.abs(error) <= step[flat] + 0.002).mean() > 0.97
    assert abs(np.median(error)) < 0.004  # without a shift: errors to both sides


@pytest.mark.parametrize("apart", [False, True])
def test_depth_is_that_of_the_colour_camera(tmp_path, apart):
    made = write_scannet(tmp_path / "scene0000_00", apart=apart)
    truth = truth_of(made, tmp_path)
    assert (truth.width_px, truth.height_px) == COLOUR
    assert truth.K_t33[0] == pytest.approx(made.K_colour, abs=1e-6)
    for t in (0, FRAMES - 1):
        check_depth(truth.depth[t], made.z_colour_thw[t], 0.8)
    # The naive way, resizing depth to colour, is off where the cameras differ.
    if apart:
        rows = np.linspace(0, DEPTH[1] - 1, COLOUR[1]).round().astype(int)
        columns = np.linspace(0, DEPTH[0] - 1, COLOUR[0]).round().astype(int)
        naive = made.depth_mm_thw[0][rows][:, columns] / 1000
        with pytest.raises(AssertionError):
            check_depth(naive, made.z_colour_thw[0], 0.8)


def test_extrinsics_may_be_left_out(tmp_path):
    made = write_scannet(tmp_path / "scene0000_00", apart=True)
    aligned = truth_of(made, tmp_path, extrinsics="none")
    with pytest.raises(AssertionError):  # as if both cameras were at one place
        check_depth(aligned.depth[0], made.z_colour_thw[0], 0.8)
    with pytest.raises(DatasetError, match="expected scene or none"):
        converted(made, tmp_path, extrinsics="both")


def test_a_lost_pose_keeps_its_frame_and_the_world_is_turned_up(made, tmp_path):
    done = converted(made, tmp_path)
    truth = read(path_for(done.video))
    assert np.flatnonzero(~truth.camera.valid).tolist() == [LOST]
    expected = ALIGN @ made.world_T_cam_t44[KNOWN]
    assert truth.camera.matrix[KNOWN] == pytest.approx(expected, abs=3e-6)  # six decimals
    assert (truth.scale, truth.up, truth.times, truth.background) == (
        "metric", "z", "declared", "still",
    )  # fmt: skip
    assert any("1 of 6 frames have no pose" in problem for problem in done.problems)


def test_times_follow_the_numbers(made, tmp_path):
    timeline = read_timeline(converted(made, tmp_path).video)
    assert timeline.pts_ns == pytest.approx(np.arange(FRAMES) * STEP * 1e9 / 30, abs=1000)
    slow = read_timeline(converted(made, tmp_path, fps="15").video)
    assert slow.pts_ns[1] == pytest.approx(STEP * 1e9 / 15, abs=1000)


def test_instances_have_their_names_and_stand_still(made, tmp_path):
    truth = truth_of(made, tmp_path)
    assert [(obj.name, obj.motion) for obj in truth.objects] == [
        (f"thing {each}", "static") for each in INSTANCES
    ]
    ids = made.instance_thw[4]
    assert set(np.unique(ids)) == {0, *INSTANCES}
    assert (truth.instances[4] == np.where(ids == 3, 1, np.where(ids == 200, 2, 0))).all()


def test_the_pictures_may_not_leave(made, tmp_path):
    done = converted(made, tmp_path)
    origin = read_source(sidecar_path(done.video, SOURCE_SUFFIX)).origin
    assert (origin.terms_id, origin.redistributable) == ("ScanNet-ToS", False)


def test_without_an_alignment_up_is_unknown(made, tmp_path):
    (made.folder / "scene0000_00.txt").unlink()
    truth = truth_of(made, tmp_path)
    assert truth.up == "unknown"
    assert truth.camera.matrix[0] == pytest.approx(made.world_T_cam_t44[0], abs=3e-6)


def test_a_stream_gives_what_its_export_gives(made, tmp_path):
    streamed = write_sens(tmp_path / "sens" / "scene0000_00")
    assert recognise(streamed.folder) == "scannet"
    truth = truth_of(streamed, tmp_path / "sens")
    exported = truth_of(made, tmp_path)
    assert truth.depth[0] == pytest.approx(exported.depth[0])
    check_depth(truth.depth[1], streamed.z_colour_thw[1], 0.8)
    assert np.flatnonzero(~truth.camera.valid).tolist() == [LOST]
    expected = streamed.world_T_cam_t44[KNOWN]
    assert truth.camera.matrix[KNOWN] == pytest.approx(expected, abs=1e-6)  # float32
    assert truth.times == "measured"
    stamps = np.array([stamp_us(t) for t in range(FRAMES)]) * 1000
    assert (truth.pts_ns == stamps - stamps[0]).all()


def test_a_stream_without_stamps_has_a_declared_rate(tmp_path):
    truth = truth_of(write_sens(tmp_path / "scene0000_00", stamps=False), tmp_path)
    assert truth.times == "declared"
    assert truth.pts_ns == pytest.approx(np.arange(FRAMES) * 1e9 / 30, abs=1000)


def test_a_stream_that_is_cut_keeps_its_whole_frames(tmp_path):
    made = write_sens(tmp_path / "scene0000_00")
    path = made.folder / "scene0000_00.sens"
    path.write_bytes(path.read_bytes()[:-50])
    done = converted(made, tmp_path)
    assert done.frames == FRAMES - 1
    assert any("is cut after 5 frames" in problem for problem in done.problems)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, struct.pack("<I", 5), "version 5"),
        (4, struct.pack("<Q", 2**40), "name of the sensor"),
        (4 + 8 + 15 + 256 + 4, struct.pack("<i", 2), "occi_ushort of depth"),
        (4 + 8 + 15 + 256 + 8, struct.pack("<I", 2**20), "states"),
    ],
)
def test_a_stream_of_another_form_is_named(tmp_path, at, value, message):
    made = write_sens(tmp_path / "scene0000_00")
    path = made.folder / "scene0000_00.sens"
    payload = bytearray(path.read_bytes())
    payload[at : at + len(value)] = value
    path.write_bytes(payload)
    with pytest.raises(DatasetError, match=message):
        converted(made, tmp_path)


def test_damaged_files_cost_their_part_of_their_frame(made, tmp_path):
    (made.folder / "depth" / "10.png").write_bytes(b"\x89PNG cut")
    (made.folder / "pose" / "30.txt").write_text("1 0 0 0\n0 1 0 0\n")
    np.savetxt(made.folder / "pose" / "40.txt", np.diag([2.0, 2, 2, 1]))
    (made.folder / "instance-filt" / "50.png").unlink()
    done = converted(made, tmp_path)
    assert done.frames == FRAMES
    truth = read(path_for(done.video))
    assert [t for t in range(FRAMES) if truth.depth[t] is None] == [1]
    assert np.flatnonzero(~truth.camera.valid).tolist() == [LOST, 3, 4]
    assert [t for t in range(FRAMES) if truth.instances[t] is None] == [5]
    problems = "\n".join(done.problems)
    for expected in ("10.png", "30.txt: expected four lines", "40.txt: the matrix is no rotation"):
        assert expected in problems, expected


def test_a_scene_without_depth_or_its_camera_keeps_the_rest(made, tmp_path):
    (made.folder / "intrinsic" / "intrinsic_depth.txt").unlink()
    done = converted(made, tmp_path)
    assert "depth" not in done.gives
    assert any("intrinsic_depth.txt" in problem for problem in done.problems)
    shutil.rmtree(made.folder / "depth")
    assert any("depth/ is missing" in problem for problem in converted(made, tmp_path).problems)


def test_a_folder_that_is_no_scene_is_named(tmp_path):
    with pytest.raises(DatasetError, match="is no ScanNet scene"):
        reader_named("scannet").sequences(tmp_path, {})
