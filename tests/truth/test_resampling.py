"""The truth of a clip from a truth in parts: nothing is derived that is not known."""

import dataclasses

import numpy as np
import pytest

from p4d.errors import TruthError
from p4d.truth import PartialTruth, Poses, SeenObject, clip_truth
from tests.truth.rooms import FAR_M, NEAR_M, Room

ROOM = Room(6, width=64, height=64)
TABLE = (SeenObject(instance=1, motion="static"), SeenObject(instance=2, motion="static"))


def truth(room=ROOM, **changes):
    n = room.n
    whole = {
        "pts_ns": room.pts_ns,
        "width_px": room.width,
        "height_px": room.height,
        "background": "still",
        "K_t33": np.stack([room.K] * n),
        "camera": Poses.of([room.pose(t) for t in range(n)]),
        "depth": [room.maps(t)[0] for t in range(n)],
        "instances": [room.maps(t)[1] for t in range(n)],
        "objects": TABLE,
    }
    return PartialTruth(**{**whole, **changes})


def gives(truth, frames=range(6)):
    return clip_truth(truth, list(frames), 32)[1].gives


@pytest.mark.parametrize(
    ("lacks", "left"),
    [
        ({}, {"depth", "camera", "intrinsics", "instances", "flow", "motion"}),
        ({"depth": None}, {"camera", "intrinsics", "instances", "motion"}),
        ({"camera": None}, {"depth", "intrinsics", "instances", "motion"}),
        ({"K_t33": None}, {"depth", "camera", "instances", "motion"}),
        # a still background is known to be background only where it is known what is an object
        ({"instances": None}, {"depth", "camera", "intrinsics", "flow", "motion"}),
        ({"background": "unknown"}, {"depth", "camera", "intrinsics", "instances", "flow"}),
        (
            {"background": "unknown", "objects": (SeenObject(instance=1), SeenObject(instance=2))},
            {"depth", "camera", "intrinsics", "instances"},
        ),
        ({"scale": "relative"}, {"depth", "camera", "intrinsics", "instances", "flow", "motion"}),
    ],
)
def test_each_clip_gives_what_its_truth_has_and_what_follows(lacks, left):
    if lacks.get("instances", 0) is None:
        lacks = {**lacks, "objects": ()}
    assert gives(truth(**lacks)) == left


def test_derived_flow_is_that_of_the_moving_camera_where_it_is_known_what_moves():
    found, _ = clip_truth(truth(), [0, 2, 4], 64)
    depth, ids = ROOM.maps(2)
    valid = found.flow_valid_thw[1] == 1
    assert valid.mean() > 0.8
    np.testing.assert_allclose(
        found.flow_px_thw2[1][valid], np.stack([80 * 0.1 / depth, 0 * depth], -1)[valid], atol=1e-4
    )
    only_near = truth(
        background="unknown",
        objects=(SeenObject(instance=1, motion="static"), SeenObject(instance=2)),
    )
    found, _ = clip_truth(only_near, [0, 2, 4], 64)
    assert set(ids[found.flow_valid_thw[1] == 1].tolist()) == {1}


def test_frames_without_a_pose_keep_their_place_and_have_no_flow():
    poses = [ROOM.pose(t) if t != 2 else None for t in range(6)]
    found, parts = clip_truth(truth(camera=Poses.of(poses)), range(6), 32)
    assert found.camera_known_t.tolist() == [1, 1, 0, 1, 1, 1]
    assert parts.camera_frames == 5
    assert found.flow_valid_thw.any(axis=(1, 2)).tolist() == [False, True, False, False, True, True]
    assert (found.z_depth_m_thw.shape[0], parts.depth_frames) == (6, 6)


def test_frames_without_masks_or_depth_are_known_to_be_without():
    masks = [ROOM.maps(t)[1] if t in (0, 4) else None for t in range(6)]
    depth = [ROOM.maps(t)[0] if t != 1 else None for t in range(6)]
    found, parts = clip_truth(truth(instances=masks, depth=depth), range(6), 32)
    assert found.instance_known_t.tolist() == [1, 0, 0, 0, 1, 0]
    assert (parts.instance_frames, parts.depth_frames) == (2, 5)
    assert not found.valid_thw[1].any()
    assert found.valid_thw[0].all()
    assert gives(truth(instances=masks), [1, 2, 3]) == gives(truth(instances=None, objects=()))


def test_stored_flow_is_followed_from_frame_to_frame():
    stored = PartialTruth(
        pts_ns=ROOM.pts_ns, width_px=64, height_px=64, flow=[ROOM.flow(t) for t in range(6)]
    )
    found, parts = clip_truth(stored, [0, 3, 4], 64)
    assert parts.gives == {"flow"}
    depth, _ = ROOM.maps(3)
    valid = found.flow_valid_thw[1] == 1
    # lost: the columns that leave the picture within three frames, and the borders of the boxes
    assert 0.75 < valid.mean() < 1
    np.testing.assert_allclose(
        found.flow_px_thw2[1][valid][:, 0], (80 * 0.15 / depth)[valid], atol=1e-3
    )
    half, _ = clip_truth(stored, [0, 3, 4], 32)
    valid = half.flow_valid_thw[1] == 1
    np.testing.assert_allclose(
        half.flow_px_thw2[1][valid][:, 0], (40 * 0.15 / depth[1::2, 1::2])[valid], atol=1e-3
    )


def test_a_gap_in_stored_flow_is_no_motion():
    flows = [ROOM.flow(t) for t in range(6)]
    flows[2] = None
    stored = PartialTruth(pts_ns=ROOM.pts_ns, width_px=64, height_px=64, flow=flows)
    found, _ = clip_truth(stored, [0, 1, 3, 4], 64)
    assert found.flow_valid_thw.any(axis=(1, 2)).tolist() == [False, True, False, True]
    assert gives(stored, [1, 2]) == set()


def test_stored_flow_between_two_motions_belongs_to_neither():
    flow = np.zeros((8, 8, 2), np.float32)
    flow[:, 4:, 0] = -3.0
    known = np.ones((8, 8), bool)
    half = np.zeros((8, 8, 2), np.float32)
    half[..., 0] = 0.5
    stored = PartialTruth(
        pts_ns=np.arange(3) * 10**8, width_px=8, height_px=8,
        flow=[None, (flow, known), (half, known)],
    )  # fmt: skip
    found, _ = clip_truth(stored, [0, 2], 8)
    # at column 3 the point lies half a pixel to the right, between flow 0 and flow -3
    np.testing.assert_array_equal(found.flow_valid_thw[1, 0], [1, 1, 1, 0, 1, 1, 1, 0])
    np.testing.assert_allclose(
        found.flow_px_thw2[1, 0, :, 0], [0.5, 0.5, 0.5, 0, -2.5, -2.5, -2.5, 0]
    )


def test_the_noise_of_measured_depth_is_allowed_for():
    rng = np.random.default_rng(3)
    noisy = [
        (z * (1 + 0.02 * rng.standard_normal(z.shape))).astype(np.float32)
        for z in (ROOM.maps(t)[0] for t in range(6))
    ]
    exact, stated = truth(depth=noisy), truth(depth=noisy, depth_sigma_ratio=0.02)
    shares = [clip_truth(each, [0, 1], 64)[0].flow_valid_thw[1].mean() for each in (exact, stated)]
    assert shares[0] < 0.85 < 0.95 < shares[1]


@pytest.mark.parametrize("frames", [[], [-1, 2], [0, 6], [3, 3], [4, 1]])
def test_frames_outside_the_video_or_out_of_order_are_rejected(frames):
    with pytest.raises(TruthError, match="frames"):
        clip_truth(truth(), frames, 32)


def test_the_boxes_of_the_room_are_where_they_say():
    depth, ids = ROOM.maps(0)
    assert set(np.unique(depth[ids == 1])) == {np.float32(NEAR_M)}
    assert set(np.unique(depth[ids == 2])) == {np.float32(FAR_M)}
    assert dataclasses.replace(ROOM, step_m=0.2).flow(1)[0].max() > ROOM.flow(1)[0].max()
