"""Kubric's scenes, landed: exact truth in p4d's conventions, and what a damaged scene costs."""

import json

import numpy as np
import pytest
from PIL import Image

from p4d.datasets.convert import convert
from p4d.errors import DatasetError
from p4d.sidecars import SOURCE_SUFFIX, read_source, sidecar_path
from p4d.truth import path_for, read
from p4d.video.decoding.decode import read_timeline
from tests.datasets.layouts.movi import FRAMES, HEIGHT, WIDTH, write_movi

KEPT = 1e-5
"""Depth in a sidecar has 16 bits of mantissa."""


@pytest.fixture
def scene(tmp_path):
    return write_movi(tmp_path / "scene_0007")


def converted(scene, tmp_path, **options):
    return convert("movi", scene.folder, scene.folder.name, tmp_path / "out", options)


def test_a_scene_becomes_exact_truth(scene, tmp_path):
    made = converted(scene, tmp_path)
    truth = read(path_for(made.video))
    assert truth.gives == (
        "intrinsics",
        "camera_poses",
        "depth",
        "instances",
        "object_poses",
        "object_sizes",
    )
    assert (truth.scale, truth.up, truth.times, truth.background) == (
        "metric",
        "z",
        "measured",
        "still",
    )
    assert (truth.width_px, truth.height_px, len(truth.pts_ns)) == (WIDTH, HEIGHT, FRAMES)
    K = [[scene.fx_px, 0, WIDTH / 2], [0, scene.fx_px, HEIGHT / 2], [0, 0, 1]]
    assert truth.K_t33 == pytest.approx(np.repeat([K], FRAMES, axis=0))
    assert truth.camera.matrix == pytest.approx(scene.world_T_cam_t44, abs=1e-9)
    assert truth.object_poses.matrix == pytest.approx(scene.world_T_obj_kt44, abs=1e-9)
    assert (scene.z_m_thw == 0).mean() > 0.01
    for t in range(FRAMES):
        assert truth.depth[t] == pytest.approx(scene.z_m_thw[t], rel=KEPT)  # planar; 1e10 became 0
        assert (truth.instances[t] == scene.instance_thw[t]).all()
    assert [obj.name for obj in truth.objects] == ["cube", "cube 2", "cube 3"]
    assert np.array([obj.size_m for obj in truth.objects]) == pytest.approx(np.array(scene.size_m))
    assert [obj.motion for obj in truth.objects] == [
        "static",
        "static",
        "translating_rotating",
    ]


def test_the_video_has_the_scenes_rate_and_pictures(scene, tmp_path):
    made = converted(scene, tmp_path)
    timeline = read_timeline(made.video)
    expected = np.rint(np.arange(FRAMES) * 1e9 / 12)
    assert np.abs(timeline.pts_ns - expected).max() <= 1000
    assert not timeline.is_vfr
    stated = read_source(sidecar_path(made.video, SOURCE_SUFFIX))
    assert stated.problem is None
    assert stated.licence == "Apache-2.0"
    assert stated.origin.dataset == "movi"
    assert stated.origin.redistributable
    assert stated.origin.times == "measured"


def test_equal_scenes_give_equal_files(tmp_path):
    first, second = (
        converted(write_movi(tmp_path / place / "scene"), tmp_path / place) for place in "ab"
    )
    assert first.video.name == second.video.name
    for suffix in ("", ".truth.safetensors", ".source.json"):
        paths = [
            sidecar_path(made.video, suffix) if suffix else made.video for made in (first, second)
        ]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_rate_that_nothing_states_is_declared(tmp_path):
    scene = write_movi(tmp_path / "scene", fps=None)
    made = converted(scene, tmp_path)
    origin = read_source(sidecar_path(made.video, SOURCE_SUFFIX)).origin
    assert origin.times == "declared"
    assert "12 frames per second" in " ".join(origin.notes)
    slow = converted(scene, tmp_path, fps="6")
    assert read_timeline(slow.video).pts_ns[1] == pytest.approx(1e9 / 6, abs=1000)


def test_a_lost_picture_costs_its_frame_and_no_other_time(scene, tmp_path):
    (scene.folder / "rgba_00004.png").unlink()
    (scene.folder / "rgba_00006.png").write_bytes(b"\x89PNG cut short")
    made = converted(scene, tmp_path)
    truth = read(path_for(made.video))
    kept = [t for t in range(FRAMES) if t not in (4, 6)]
    assert truth.pts_ns == pytest.approx(np.array(kept) * 1e9 / 12, abs=1000)
    assert truth.camera.matrix == pytest.approx(scene.world_T_cam_t44[kept], abs=1e-9)
    problems = " ".join(made.problems)
    assert "rgba_00004.png" in problems
    assert "rgba_00006.png is no readable picture" in problems


def test_masks_saved_as_colours_are_refused_by_name(scene, tmp_path):
    path = scene.folder / "segmentation_00003.png"
    Image.open(path).convert("RGB").save(path)
    made = converted(scene, tmp_path)
    assert any("segmentation_00003.png" in problem for problem in made.problems)
    truth = read(path_for(made.video))
    known = [truth.instances[t] is not None for t in range(FRAMES)]
    assert known == [t != 3 for t in range(FRAMES)]


def test_depth_of_another_size_is_left_out_and_the_rest_is_kept(scene, tmp_path):
    half = np.ones((HEIGHT // 2, WIDTH // 2), np.float32)
    Image.fromarray(half).save(scene.folder / "depth_00002.tiff")
    made = converted(scene, tmp_path)
    truth = read(path_for(made.video))
    assert [t for t in range(FRAMES) if truth.depth[t] is None] == [2]
    assert any(
        f"{WIDTH // 2}x{HEIGHT // 2} px, the picture {WIDTH}x{HEIGHT}" in problem
        for problem in made.problems
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda meta: meta.pop("camera"), "no object `camera`"),
        (lambda meta: meta["camera"].pop("focal_length"), "focal_length"),
        (lambda meta: meta["camera"]["positions"].pop(), "all 12 frames"),
        (lambda meta: meta["camera"]["quaternions"].__setitem__(0, [0, 0, 0, 0]), "zero"),
    ],
)
def test_metadata_without_a_camera_is_an_error_that_names_it(scene, tmp_path, damage, message):
    path = scene.folder / "metadata.json"
    meta = json.loads(path.read_text())
    damage(meta)
    path.write_text(json.dumps(meta))
    with pytest.raises(DatasetError, match=message):
        converted(scene, tmp_path)
