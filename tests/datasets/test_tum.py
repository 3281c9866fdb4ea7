"""The TUM layout, landed: pairs by time, poses of the camera, and what a damaged list costs."""

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from p4d.datasets.association import associate, poses_at
from p4d.datasets.convert import convert
from p4d.datasets.tum.cameras import CAMERAS
from p4d.datasets.tum.lists import stamp_ns
from p4d.datasets.undistortion import Undistortion
from p4d.errors import DatasetError
from p4d.sidecars import SOURCE_SUFFIX, read_source, sidecar_path
from p4d.truth import path_for, read
from p4d.video.decoding.decode import decode, read_timeline
from tests.datasets.layouts.tum import (
    CAMERA,
    DEPTH_OF,
    HEIGHT,
    STAMPS_NS,
    WIDTH,
    seconds,
    write_tum,
)

NAME = "rgbd_dataset_freiburg1_made"


@pytest.fixture
def made(tmp_path):
    return write_tum(tmp_path / NAME)


def converted(made, tmp_path, format_name="tum", **options):
    options.setdefault("camera", CAMERA)
    return convert(format_name, made.folder, made.folder.name, tmp_path / "out", options)


def truth_of(made, tmp_path, **options):
    return read(path_for(converted(made, tmp_path, **options).video))


def origin_of(done):
    return read_source(sidecar_path(done.video, SOURCE_SUFFIX)).origin


def test_depth_joins_the_picture_of_its_time(made, tmp_path):
    truth = truth_of(made, tmp_path)
    assert truth.gives == ("intrinsics", "camera_poses", "depth")
    for t in range(4):
        if t not in DEPTH_OF:
            assert truth.depth[t] is None
            continue
        expected = made.depth_u16_nhw[DEPTH_OF[t]].astype(np.float64) / 5000
        assert truth.depth[t] == pytest.approx(expected, rel=1e-5)
        assert truth.depth[t][0, 0] == pytest.approx(1.234, rel=1e-5)
        assert truth.depth[t][1, 2] == 0


def test_poses_are_those_of_the_picture_s_time(made, tmp_path):
    truth = truth_of(made, tmp_path)
    assert tuple(truth.camera.valid) == made.pose_known_t
    known = list(made.pose_known_t)
    assert truth.camera.matrix[known] == pytest.approx(made.world_T_cam_t44[known], abs=1e-9)


def test_the_video_has_the_stamps_and_the_pixel_centres_move(made, tmp_path):
    done = converted(made, tmp_path)
    relative = np.array(STAMPS_NS) - STAMPS_NS[0]
    assert (read_timeline(done.video).pts_ns == relative).all()
    levels = [float(frame.rgb().mean()) for frame in decode(done.video)]
    assert levels == pytest.approx([40, 90, 140, 190], abs=3)
    truth = read(path_for(done.video))
    assert truth.K_t33[0] == pytest.approx(np.array([[20, 0, 8], [0, 21, 6], [0, 0, 1]]))
    assert (truth.scale, truth.up, truth.times) == ("metric", "z", "measured")
    origin = origin_of(done)
    assert origin.first_stamp_ns == STAMPS_NS[0]
    assert (origin.terms_id, origin.redistributable) == ("CC-BY-4.0", True)


def test_another_depth_factor_is_a_setting(made, tmp_path):
    done = converted(made, tmp_path, depth_per_m="5208")
    depth = read(path_for(done.video)).depth[0]
    assert depth[0, 0] == pytest.approx(6170 / 5208, rel=1e-5)
    assert "depth: 5208 per metre" in " ".join(origin_of(done).notes)


@pytest.mark.parametrize("value", ["0", "-5000", "many", "inf", "nan"])
def test_a_depth_factor_that_is_none_is_named(made, tmp_path, value):
    with pytest.raises(DatasetError, match="depth_per_m"):
        converted(made, tmp_path, depth_per_m=value)


def greedy(times, others, within):
    """The rule of `associate.py`, restated over all pairs."""
    pairs = sorted(
        (abs(a - b), a, b) for a in times for b in others if abs(a - b) < within
    )  # fmt: skip
    free_a, free_b, found = set(times), set(others), {}
    for _, a, b in pairs:
        if a in free_a and b in free_b:
            free_a.remove(a)
            free_b.remove(b)
            found[times.index(a)] = others.index(b)
    return dict(sorted(found.items()))


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_those_of_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    times = sorted(rng.choice(2_000, 60, replace=False).tolist())
    others = sorted(rng.choice(2_000, 70, replace=False).tolist())
    assert associate(times, others, 20) == greedy(times, others, 20)


def test_a_pair_exactly_as_far_as_allowed_is_none():
    assert associate([0, 100], [20, 119], 20) == {1: 1}


def test_no_pose_is_invented_in_a_gap_or_at_the_ends():
    stamps = np.array([0, 50, 400])
    poses = np.repeat(np.eye(4)[None], 3, axis=0)
    poses[:, 0, 3] = (0.0, 1.0, 2.0)
    poses[1, :3, :3] = Rotation.from_rotvec([0, 0, 0.5]).as_matrix()
    when = np.array([-20, -5, 0, 25, 50, 58, 200, 395, 420])
    found, known = poses_at(when, stamps, poses, gap_ns=100, nearest_ns=10)
    assert known.tolist() == [False, True, True, True, True, True, False, True, False]
    assert found[known, 0, 3] == pytest.approx([0, 0, 0.5, 1, 1, 2])
    turn = Rotation.from_matrix(found[3, :3, :3]).as_rotvec()
    assert turn == pytest.approx([0, 0, 0.25])


def test_stamps_become_nanoseconds_without_a_float():
    assert stamp_ns("1305031102.175304") == 1305031102175304000
    assert stamp_ns("1.305031102175304e+09") == 1305031102175304000
    assert stamp_ns("1548266469.88512") == 1548266469885120000
    for wrong in ("soon", "nan", "1e30", ""):
        with pytest.raises(DatasetError):
            stamp_ns(wrong)


def test_a_lens_is_taken_out_as_the_published_model_says():
    """A picture that is linear in its pixels stays exact under bilinear interpolation."""
    camera = CAMERAS["fr1"]
    k1, k2, p1, p2, k3 = camera.distortion
    lens = Undistortion.of(camera.K, camera.distortion, 480, 640)
    u, v = np.meshgrid(np.arange(640), np.arange(480))
    bent = np.stack([u * 0.35, v * 0.5, (u + v) * 0.2], axis=-1)
    straight = lens.colour(np.rint(bent).astype(np.uint8))
    depth = lens.depth((u + 1000 * v + 1).astype(np.float32))
    for row, column in ((240, 320), (60, 100), (400, 560), (150, 500), (230, 90)):
        # OpenCV's model in its own pixels, one number at a time.
        x, y = (column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
        r2 = x**2 + y**2
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        at_u = camera.fx * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)) + camera.cx
        at_v = camera.fy * (y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y) + camera.cy
        expected = [at_u * 0.35, at_v * 0.5, (at_u + at_v) * 0.2]
        assert straight[row, column] == pytest.approx(expected, abs=1.01)
        assert depth[row, column] == round(at_u) + 1000 * round(at_v) + 1
    assert abs(at_u - column) > 1  # the lens bends there: a reader without it would be seen


def test_what_the_lens_did_not_see_is_black_and_unknown():
    camera = CAMERAS["fr1"]
    lens = Undistortion.of(camera.K, (0.5, 0, 0, 0, 0), 480, 640)
    assert (lens.colour(np.full((480, 640, 3), 200, np.uint8))[0, 0] == 0).all()
    assert lens.depth(np.ones((480, 640), np.float32))[0, 0] == 0


def test_a_sequence_of_a_known_camera_is_straightened(tmp_path):
    made = write_tum(tmp_path / NAME)
    rng = np.random.default_rng(0)
    for path in (made.folder / "rgb").iterdir():
        Image.fromarray(rng.integers(0, 255, (480, 640, 3), np.uint8)).save(path)
    for path in (made.folder / "depth").iterdir():
        Image.fromarray(np.full((480, 640), 5000, np.uint16)).save(path)
    done = convert("tum", made.folder, NAME, tmp_path / "out", {})
    truth = read(path_for(done.video))
    assert truth.K_t33[0][0, 2] == pytest.approx(318.643040 + 0.5)
    assert "undistorted" in " ".join(origin_of(done).notes)
    assert truth.depth[0][240, 320] == 1


def test_a_camera_that_nothing_names_costs_the_intrinsics_alone(made, tmp_path):
    done = converted(made, tmp_path, camera="")  # 16x12 px are not those of the known camera
    assert done.gives == ("camera_poses", "depth")
    assert any("--set camera=" in problem for problem in done.problems)


def test_bonn_s_poses_are_those_of_the_camera(tmp_path):
    made = write_tum(tmp_path / "rgbd_bonn_made")
    done = converted(made, tmp_path, "bonn")
    truth = read(path_for(done.video))
    ros = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    body_T_cam = np.array(
        [
            [1.0157, 0.1828, -0.2389, 0.0113],
            [0.0009, -0.8431, -0.6413, -0.0098],
            [-0.3009, 0.6147, -0.8085, 0.0111],
            [0, 0, 0, 1],
        ]
    )
    expected = np.linalg.inv(ros) @ made.world_T_cam_t44[0] @ ros @ body_T_cam
    found = truth.camera.matrix[0]
    assert found[:3, 3] == pytest.approx(expected[:3, 3], abs=1e-9)
    # The published matrix is no rotation; the nearest one is within its error.
    assert np.abs(found[:3, :3] - expected[:3, :3]).max() < 0.06
    assert found[:3, :3] @ found[:3, :3].T == pytest.approx(np.eye(3), abs=1e-12)
    assert truth.up == "unknown"
    assert not origin_of(done).redistributable


def test_lists_that_are_damaged_keep_what_can_be_read(made, tmp_path):
    path = made.folder / "rgb.txt"
    lines = path.read_text().splitlines()
    lines[2], lines[5] = lines[5], lines[2]  # out of order
    lines += ["no-stamp rgb/a.png", f"{seconds(STAMPS_NS[1])} rgb/{seconds(STAMPS_NS[0])}.png"]
    lines += ["1305031103.0 ../../etc/passwd", "1305031103.1 rgb/gone.png", "only"]
    path.write_text("\n".join(lines))
    track = made.folder / "groundtruth.txt"
    text = track.read_text().splitlines()
    text[2] = text[2].rsplit(" ", 4)[0] + " 0 0 0 0"
    text[3] = text[3].rsplit(" ", 1)[0]
    text[4] = text[4].replace(text[4].split()[1], "-inf")
    track.write_text("\n".join(text))
    done = converted(made, tmp_path)
    assert done.frames == 4
    problems = "\n".join(done.problems)
    for expected in (
        "rgb.txt: lines are out of order",
        "rgb.txt:7: 'no-stamp' is no time",
        "occurs twice; the first counts",
        "rgb.txt:9: '../../etc/passwd' is no relative path",
        "rgb.txt:10: rgb/gone.png is missing",
        "rgb.txt:11: expected a stamp and a path",
        "groundtruth.txt:3: a quaternion is zero",
        "groundtruth.txt:4: expected tx ty tz qx qy qz qw",
        "groundtruth.txt:5: the pose is not finite",
    ):
        assert expected in problems, expected


def test_depth_of_another_size_or_of_8_bits_is_named(made, tmp_path):
    first = made.folder / "depth" / f"{seconds(STAMPS_NS[0] + 4_000_000)}.png"
    Image.fromarray(np.ones((HEIGHT * 2, WIDTH), np.uint16)).save(first)
    second = made.folder / "depth" / f"{seconds(STAMPS_NS[1] - 7_000_000)}.png"
    Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).save(second)
    done = converted(made, tmp_path)
    truth = read(path_for(done.video))
    assert [truth.depth[t] is not None for t in range(4)] == [False, False, False, True]
    problems = "\n".join(done.problems)
    assert "16x24 px, the picture 16x12" in problems
    assert f"{second.name}: expected depth of 16 bits, found mode L" in problems


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "rgb.txt").unlink(), "rgb.txt"),
        (lambda folder: (folder / "rgb.txt").write_text("# nothing\n"), "names no file"),
        (lambda folder: (folder / "rgb.txt").write_bytes(b"\xff\xfe\x00"), "no text"),
    ],
)
def test_a_folder_without_pictures_is_an_error_that_names_it(made, tmp_path, damage, message):
    damage(made.folder)
    with pytest.raises(DatasetError, match=message):
        converted(made, tmp_path)


def test_a_folder_without_depth_and_poses_gives_a_video(made, tmp_path):
    (made.folder / "depth.txt").unlink()
    (made.folder / "groundtruth.txt").unlink()
    done = converted(made, tmp_path)
    assert done.gives == ("intrinsics",)
    assert done.frames == 4


def test_a_capture_of_one_s_own_states_its_terms(tmp_path):
    made = write_tum(tmp_path / "my_kitchen")
    assert not origin_of(converted(made, tmp_path)).redistributable
    assert origin_of(converted(made, tmp_path, terms="own")).redistributable
