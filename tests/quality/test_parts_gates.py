"""Gates of stage `clips` on truth in parts: what is there is compared with the pictures."""

import dataclasses

import numpy as np
import pytest

from benchmarks.reality.conventions import ALL_VIDEOS, CLIP, CLIP_PX, caught, world
from p4d.geometry.cameras import inverse
from p4d.truth import PartialTruth, Poses
from p4d.truth.fit import fits_of
from p4d.video.appearance import area_mean

WORLDS = 3


@pytest.fixture(scope="module")
def worlds():
    return [world(number) for number in range(WORLDS)]


def geometry(video):
    """Depth and cameras, and nothing about what moves."""
    truth = video.truth
    n = len(truth.pts_ns)
    return PartialTruth(
        pts_ns=truth.pts_ns,
        width_px=truth.width_px,
        height_px=truth.height_px,
        K_t33=truth.K_t33,
        camera=Poses(matrix=truth.world_T_cam_t44, valid=np.ones(n, bool)),
        depth=[truth.frames[t][0] for t in range(n)],
    )


@pytest.fixture(scope="module")
def flows(worlds):
    """Exact backward flow of every frame of each world."""
    found = []
    for video in worlds:
        pairs = [
            video.truth.resample([t - 1, t], video.truth.width_px) for t in range(1, CLIP[-1] + 1)
        ]
        stored = [(each.flow_px_thw2[1], each.flow_valid_thw[1] > 0) for each in pairs]
        stored += [None] * (len(video.truth.pts_ns) - 1 - len(stored))
        found.append([None, *stored])
    return found


def flow_alone(video, flow):
    return PartialTruth(
        pts_ns=video.truth.pts_ns,
        width_px=video.truth.width_px,
        height_px=video.truth.height_px,
        flow=flow,
    )


def rows(truth, video, number):
    rgb_thw3 = np.stack([area_mean(video.rgb_thw3[i], CLIP_PX, CLIP_PX) for i in CLIP])
    return [
        {
            "clip_id": f"clip_{number}",
            "video_id": f"vid_{number}",
            "reading": fit.reading,
            "coverage": fit.coverage,
            "error_levels": fit.error_levels.tolist(),
        }
        for fit in fits_of(truth, CLIP, rgb_thw3)
    ]


POSES = {
    "good": lambda pose: pose,
    "poses lead from the world to the camera": inverse,
    "cameras look along -z with y up (OpenGL)": lambda pose: pose @ np.diag([1.0, -1, -1, 1]),
}


@pytest.mark.parametrize("kind", POSES)
def test_depth_and_poses_alone_are_compared_with_the_pictures(worlds, kind):
    found = []
    for number, video in enumerate(worlds):
        truth = geometry(video)
        matrix = np.stack([POSES[kind](pose) for pose in truth.camera.matrix])
        truth = dataclasses.replace(truth, camera=Poses(matrix=matrix, valid=truth.camera.valid))
        found += rows(truth, video, number)
    _, by_picture = caught(found)
    assert (ALL_VIDEOS in by_picture) == (kind != "good")


def test_a_clip_with_a_frame_without_pose_or_depth_is_not_compared(worlds):
    truth = geometry(worlds[0])
    valid = truth.camera.valid.copy()
    valid[CLIP[2]] = False
    lost = dataclasses.replace(truth, camera=Poses(matrix=truth.camera.matrix, valid=valid))
    bare = dataclasses.replace(
        truth, depth=[None if t == CLIP[1] else z for t, z in enumerate(truth.depth)]
    )
    assert [rows(each, worlds[0], 0) for each in (lost, bare)] == [[], []]
    assert rows(truth, worlds[0], 0)


FLOWS = {
    "good": lambda flow: flow,
    "leads to the next frame": lambda flow: -flow,
    "is (row, column)": lambda flow: flow[..., ::-1],
}


@pytest.mark.parametrize("kind", FLOWS)
def test_stored_flow_is_compared_with_the_pictures(worlds, flows, kind):
    found = []
    for number, (video, stored) in enumerate(zip(worlds, flows, strict=True)):
        planted = [None if one is None else (FLOWS[kind](one[0]), one[1]) for one in stored]
        found += rows(flow_alone(video, planted), video, number)
    by_coverage, by_picture = caught(found)
    assert not by_coverage
    assert (ALL_VIDEOS in by_picture) == (kind != "good")
