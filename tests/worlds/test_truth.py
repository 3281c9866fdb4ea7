"""Truth of a video, resampled to clips and checked against its video."""

import dataclasses

import numpy as np
import pytest

from p4d.errors import TruthError
from p4d.truth import PartialTruth, Poses, SeenObject, clip_truth
from p4d.worlds import sidecar


@pytest.fixture(scope="module")
def stored(busy_video, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "a.truth.safetensors"
    sidecar.write(path, busy_video.truth)
    return path


def test_resampling_to_a_third_takes_the_pixels_whose_centres_coincide(stored):
    truth = sidecar.read(stored)
    clip = truth.resample([0, 3, 6], 64)
    assert clip.z_depth_m_thw.shape == (3, 64, 64)
    for t, frame in enumerate((0, 3, 6)):
        z_m, ids = truth.frames[frame]
        np.testing.assert_array_equal(clip.z_depth_m_thw[t], z_m[1::3, 1::3])
        np.testing.assert_array_equal(clip.instance_thw[t], ids[1::3, 1::3])
    np.testing.assert_allclose(clip.K_t33[0, :2], truth.K_t33[0, :2] / 3)
    dtypes = {name: str(array.dtype) for name, array in clip.arrays().items()}
    assert dtypes == {
        "z_depth_m_thw": "float32", "valid_thw": "uint8", "instance_thw": "uint8",
        "flow_px_thw2": "float32", "flow_valid_thw": "uint8", "moving_thw": "uint8",
        "world_T_cam_t44": "float64", "K_t33": "float64", "world_T_obj_kt44": "float64",
    }  # fmt: skip


def test_flow_between_resampled_frames_is_a_third_of_the_native_flow(stored):
    truth = sidecar.read(stored)
    small, full = truth.resample([1, 4], 64), truth.resample([1, 4], 192)
    both = (small.flow_valid_thw[1] == 1) & (full.flow_valid_thw[1, 1::3, 1::3] == 1)
    assert both.mean() > 0.6
    np.testing.assert_allclose(
        small.flow_px_thw2[1][both] * 3, full.flow_px_thw2[1, 1::3, 1::3][both], atol=1e-3
    )
    assert (small.flow_px_thw2[0] == 0).all()
    assert (small.flow_valid_thw[0] == 0).all()


@pytest.mark.parametrize("frames", [[], [-1, 2], [0, 8], [3, 3], [4, 1]])
def test_frames_outside_the_video_or_out_of_order_are_rejected(stored, frames):
    with pytest.raises(TruthError, match="frames"):
        sidecar.read(stored).resample(frames, 64)


def test_a_sidecar_of_another_video_is_rejected_with_both_named(stored):
    truth = sidecar.read(stored)
    sidecar.check_against(truth, truth.pts_ns + 400, 192, 192)  # rounding of a container's ticks
    with pytest.raises(TruthError, match="8 frames, the video 7"):
        sidecar.check_against(truth, truth.pts_ns[:7], 192, 192)
    with pytest.raises(TruthError, match="192x192 px, the video 192x144 px"):
        sidecar.check_against(truth, truth.pts_ns, 192, 144)
    late = truth.pts_ns.copy()
    late[5:] += 2_000_000
    with pytest.raises(TruthError, match=r"frame 5 is at 1250000000 ns .* 1252000000 ns"):
        sidecar.check_against(truth, late, 192, 192)


def test_a_video_without_objects_has_truth_too(busy_video, tmp_path):
    truth = busy_video.truth
    empty = dataclasses.replace(
        truth,
        objects=(),
        world_T_obj_kt44=np.zeros((0, 8, 4, 4)),
        frames=[(z_m, np.zeros_like(ids)) for z_m, ids in (truth.frames[t] for t in range(8))],
    )
    path = tmp_path / "empty.truth.safetensors"
    sidecar.write(path, empty)
    clip = sidecar.read(path).resample(range(8), 64)
    assert clip.world_T_obj_kt44.shape == (0, 8, 4, 4)
    assert not clip.moving_thw.any()


def test_a_world_in_parts_gives_what_the_same_world_gives_whole(busy_video):
    whole = busy_video.truth
    pictures = [whole.frames[t] for t in range(len(whole.pts_ns))]
    parts = PartialTruth(
        pts_ns=whole.pts_ns,
        width_px=whole.width_px,
        height_px=whole.height_px,
        up="z",
        background="still",
        K_t33=whole.K_t33,
        camera=Poses(matrix=whole.world_T_cam_t44, valid=np.ones(len(pictures), bool)),
        depth=[z_m for z_m, _ in pictures],
        instances=[ids for _, ids in pictures],
        objects=tuple(
            SeenObject(instance=o.instance, name=o.name, size_m=o.size_m, motion="unknown")
            for o in sorted(whole.objects, key=lambda o: o.k)
        ),
        object_poses=Poses(
            matrix=whole.world_T_obj_kt44,
            valid=np.ones(whole.world_T_obj_kt44.shape[:2], bool),
        ),
    )
    exact, found = whole.resample([0, 2, 5], 64), clip_truth(parts, [0, 2, 5], 64)[0]
    assert exact.moving_thw.any()
    for name, array in exact.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array, err_msg=name)
