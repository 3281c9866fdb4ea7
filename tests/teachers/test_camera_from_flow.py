"""Camera and motion from flow and depth, against exact truth of rendered clips."""

from dataclasses import replace

import numpy as np
import pytest

from p4d.config import TeacherParams
from p4d.errors import ConfigError, LabelError
from p4d.teachers import measures
from p4d.teachers.camera_from_flow import FlowCameraTeacher, carried_back
from p4d.teachers.exact import ExactTeacher
from p4d.teachers.labelling.label import ShardClips, label_clips
from p4d.teachers.labelling.store import LabelStore
from tests.factories import make_clips_dir

SETTINGS = TeacherParams(kind="camera_flow", uses=("exact",))


def camera_of(flow_by, depth_by, **settings):
    described = replace(SETTINGS, **settings)
    return FlowCameraTeacher("cam", described, flow_by=flow_by, depth_by=depth_by)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = make_clips_dir(tmp_path_factory.mktemp("clips"), 8, seed=1, size_px=64, frames=4)
    return ShardClips(folder)


@pytest.fixture(scope="module")
def labelled(clips, tmp_path_factory):
    out = tmp_path_factory.mktemp("labels")
    exact = ExactTeacher(64)
    outcomes = label_clips(clips, [exact, camera_of(exact, exact)], out, batch=4, tokens_hw=8)
    return LabelStore(out), outcomes


def made_by_exact(clip, **changed):
    """A clip with exact labels, some of them changed."""
    (label,) = ExactTeacher(64).label([clip])
    return replace(clip, labels={"exact": replace(label, **changed).present()})


def test_exact_flow_and_depth_give_the_cameras_of_the_truth(clips, labelled):
    store, outcomes = labelled
    assert all(one.reason is None for one in outcomes)
    errors = [
        measures.pose_errors(
            store.get(clip_id, "cam", "world_T_cam_t44"),
            store.get(clip_id, "exact", "world_T_cam_t44"),
        )
        for clip_id in clips.clip_ids
    ]
    assert max(angle for angle, _ in errors) < 0.01
    moved = [apart for _, apart in errors if apart is not None]
    assert moved
    assert max(moved) < 0.1


def test_poses_start_at_the_identity_and_intrinsics_are_a_guess_of_the_picture(clips, labelled):
    store, _ = labelled
    clip_id = clips.clip_ids[0]
    assert np.array_equal(store.get(clip_id, "cam", "world_T_cam_t44")[0], np.eye(4))
    teacher = camera_of(ExactTeacher(64), ExactTeacher(64))
    clip = clips.read(clip_id)
    given = made_by_exact(clip, K_t33=None)
    (label,) = teacher.label([replace(given, picture_px=(160, 120))])
    # Focal length of 160 px: 64 columns of 160, 64 rows of 120.
    assert np.allclose(label.K_t33[0, 0, 0], 160 * 64 / 160)
    assert np.allclose(label.K_t33[0, 1, 1], 160 * 64 / 120)


def test_what_moves_by_itself_is_found(clips, labelled):
    store, _ = labelled
    found = []
    for clip_id in clips.clip_ids:
        truth = store.get(clip_id, "exact", "motion") > 0.5
        found.append(measures.motion_iou(store.get(clip_id, "cam", "motion"), truth))
    known = [iou for iou in found if iou is not None]
    assert np.mean(known) > 0.5


def test_labels_of_the_same_clip_are_the_same(clips, labelled, tmp_path):
    exact = ExactTeacher(64)
    label_clips(clips, [exact, camera_of(exact, exact)], tmp_path, batch=1, tokens_hw=8)
    again, store = LabelStore(tmp_path), labelled[0]
    for clip_id in clips.clip_ids:
        for name, values in store.get_all(clip_id, "cam").items():
            assert np.array_equal(values, again.get(clip_id, "cam", name)), name


@pytest.mark.parametrize("fault", ["noise", "no flow", "depth jumps", "no label"])
def test_a_pair_without_a_pose_fails_the_clip_and_is_named(clips, fault):
    clip = clips.read(clips.clip_ids[0])
    (exact,) = ExactTeacher(64).label([clip])
    rng = np.random.default_rng(0)
    flow, known, depth = exact.flow_px_thw2, exact.flow_valid_thw, exact.depth_thw
    if fault == "noise":
        flow = np.where(np.arange(4)[:, None, None, None] == 2, rng.normal(0, 9, flow.shape), flow)
    elif fault == "no flow":
        known = known & (np.arange(4)[:, None, None] != 2)
    else:
        depth = depth * np.array([1, 1, 2, 2])[:, None, None]
    changed = {"flow_px_thw2": flow, "flow_valid_thw": known, "depth_thw": depth}
    given = made_by_exact(clip, **changed)
    if fault == "no label":
        given = replace(clip, labels={})
    message = {
        "noise": r"frame 2: one camera explains \d+% of the flow",
        "no flow": r"frame 2: flow and depth are known of 0%",
        "depth jumps": r"frame 2: its depth is 0\.5\d? times that of the frame before",
        "no label": "no flow of exact, or depth of exact",
    }[fault]
    with pytest.raises(LabelError, match=message):
        camera_of(ExactTeacher(64), ExactTeacher(64)).label([given])


def test_inverse_depth_is_refused_before_any_work():
    relative = ExactTeacher(64)
    relative.depth_kind, relative.name = "inverse_affine", "dany"
    with pytest.raises(ConfigError, match="dany gives inverse depth"):
        camera_of(ExactTeacher(64), relative)


def test_its_size_is_that_of_the_flow():
    assert camera_of(ExactTeacher(48), ExactTeacher(32)).map_px == 48
    with pytest.raises(ConfigError, match="maps are those of exact; remove map_px"):
        camera_of(ExactTeacher(48), ExactTeacher(32), map_px=32)


def test_a_map_is_carried_to_the_pixels_that_it_came_from():
    later = np.zeros((4, 4), np.float32)
    later[1, 2] = 1
    flow = np.zeros((4, 4, 2), np.float32)
    flow[1, 2] = (-2, 1)
    earlier = carried_back(later, flow, np.ones((4, 4), bool))
    assert earlier[2, 0] == 1
    assert np.isnan(earlier[1, 2])
