"""Exact flow and motion of rigid scenes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from p4d.geometry.cameras import axis_rotation, inverse, pinhole, pixel_centres, rigid
from p4d.geometry.flow import MOVING_THRESHOLD_M, View, flow_between, world_motion_m

K = pinhole(0.9, 32, 32)


def wall_view(world_T_cam, z_wall_m=4.0, instance=0):
    """A camera before the plane z = z_wall_m of the world, in closed form."""
    pixels = pixel_centres(32, 32)
    rays = np.stack(
        [
            (pixels[..., 0] - K[0, 2]) / K[0, 0],
            (pixels[..., 1] - K[1, 2]) / K[1, 1],
            np.ones((32, 32)),
        ],
        axis=-1,
    )
    towards = rays @ world_T_cam[:3, :3].T
    z_m = (z_wall_m - world_T_cam[2, 3]) / towards[..., 2]
    ids = np.full((32, 32), instance, np.uint8)
    return View(z_depth_m_hw=z_m, instance_hw=ids, K=K, world_T_cam=world_T_cam)


@given(
    shift=st.tuples(*[st.floats(-0.3, 0.3)] * 3),
    tilt=st.tuples(*[st.floats(-0.05, 0.05)] * 3),
)
@settings(max_examples=40, deadline=None)
def test_flow_there_and_back_returns_to_the_pixel(shift, tilt):
    moved = rigid(axis_rotation(np.array([1.0, 0.3, 0.2]), tilt[0]), np.array(shift))
    here, there = wall_view(np.eye(4)), wall_view(moved)
    forth, valid = flow_between(here, there, {})
    landed = pixel_centres(32, 32)[valid] + forth[valid]
    # The wall is a plane, so the way back is exact at any position: project it directly.
    column, row = landed[:, 0].astype(int), landed[:, 1].astype(int)
    back, back_valid = flow_between(there, here, {})
    near = back[row, column][back_valid[row, column]]
    assert np.abs(near + forth[valid][back_valid[row, column]]).max(initial=0.0) < 0.5
    assert valid.mean() > 0.4


def test_a_camera_step_to_the_right_moves_a_wall_left_by_focal_over_depth():
    now = wall_view(rigid(np.eye(3), np.array([0.2, 0.0, 0.0])))
    before = wall_view(np.eye(4))
    flow, valid = flow_between(now, before, {})
    # Backward flow: in the earlier frame the point was further right.
    np.testing.assert_allclose(flow[valid][:, 0], K[0, 0] * 0.2 / 4.0, rtol=1e-5)
    np.testing.assert_allclose(flow[valid][:, 1], 0.0, atol=1e-5)
    assert not valid[:, -1].any()  # left the picture
    assert (flow[~valid] == 0).all()


def test_object_motion_is_carried_and_counts_as_moving_but_camera_motion_does_not():
    moved_camera = rigid(np.eye(3), np.array([0.1, 0.0, 0.0]))
    now, before = wall_view(moved_camera, instance=3), wall_view(np.eye(4), instance=3)
    slid = rigid(np.eye(3), np.array([0.1, 0.0, 0.0]))
    still = {3: np.eye(4)}
    moving = {3: inverse(slid)}
    assert world_motion_m(now, still).max() < 1e-9
    np.testing.assert_allclose(world_motion_m(now, moving), 0.1)
    assert MOVING_THRESHOLD_M < 0.1
    flow, valid = flow_between(now, before, moving)
    np.testing.assert_allclose(flow[valid], 0.0, atol=1e-5)  # it moved along with the camera


def test_hidden_points_are_invalid_by_instance_and_by_depth():
    near, far = wall_view(np.eye(4), 2.0), wall_view(np.eye(4), 4.0)
    _, by_depth = flow_between(far, near, {})
    assert not by_depth.any()
    _, by_instance = flow_between(far, wall_view(np.eye(4), 4.0, instance=1), {})
    assert not by_instance.any()
    _, same = flow_between(far, far, {})
    assert same.all()


def test_unknown_depth_has_no_flow():
    here = wall_view(np.eye(4))
    z_m = here.z_depth_m_hw.copy()
    z_m[5, 6] = 0.0
    holed = View(z_depth_m_hw=z_m, instance_hw=here.instance_hw, K=K, world_T_cam=np.eye(4))
    _, valid = flow_between(holed, here, {})
    assert not valid[5, 6]
    assert valid.sum() == 32 * 32 - 1


def test_a_steep_floor_stays_valid_where_depth_changes_fast_between_pixels():
    steep = axis_rotation(np.array([1.0, 0, 0]), -1.25)
    before = wall_view(rigid(steep, np.zeros(3)))
    now = wall_view(rigid(steep, np.array([0.07, 0.05, 0.0])))
    seen = (before.z_depth_m_hw > 0) & (before.z_depth_m_hw < 60)
    _, valid = flow_between(now, before, {})
    assert valid[seen & (now.z_depth_m_hw > 0)].mean() > 0.8
