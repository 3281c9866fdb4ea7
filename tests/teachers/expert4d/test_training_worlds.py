"""Training clips: targets agree with the geometry, mirrored or not, and with the frames cut."""

import numpy as np
import polars as pl
import pytest

from p4d.geometry.map_grid import map_intrinsics, sampled_pixels
from p4d.teachers import measures
from p4d.teachers.expert4d.training_worlds import WorldsFile, mirrored, plan_worlds, recoloured


@pytest.fixture(scope="module")
def worlds(worlds_folder):
    return WorldsFile(worlds_folder, "train")


def _cut(worlds, start=1):
    rows = np.arange(len(worlds))
    return worlds.cut(rows, np.full_like(rows, start), frames=4, tokens_hw=4)


def _reprojections(batch):
    size, side = batch.rgb_bthw3.shape[2], batch.depth_bthw.shape[2]
    for i in range(len(batch.world_ids)):
        still = batch.flow_valid_bthw[i] & ~batch.moving_bthw[i]
        yield measures.reprojection(
            batch.depth_bthw[i],
            map_intrinsics(batch.K_bt33[i], size, side),
            batch.world_T_cam_bt44[i],
            batch.flow_px_bthw2[i],
            still,
        )


def test_flow_depth_and_camera_of_the_map_grid_agree(worlds):
    for distance_px, jump in _reprojections(_cut(worlds)):
        assert distance_px < 2e-3  # float16 depth and flow
        assert jump < 0.02


def test_a_mirrored_clip_is_as_consistent_and_swaps_sides(worlds):
    batch = _cut(worlds)
    turned = mirrored(batch)
    for distance_px, jump in _reprojections(turned):
        assert distance_px < 2e-3
        assert jump < 0.02
    assert np.array_equal(turned.flow_px_bthw2[..., 0], -batch.flow_px_bthw2[:, :, :, ::-1, 0])
    assert np.array_equal(turned.flow_px_bthw2[..., 1], batch.flow_px_bthw2[:, :, :, ::-1, 1])
    # Every map pixel still stands on the picture pixel its value comes from.
    chosen = sampled_pixels(32, 16)
    seen = batch.rgb_bthw3[:, :, chosen][:, :, :, chosen]
    seen_turned = turned.rgb_bthw3[:, :, chosen][:, :, :, chosen]
    assert np.array_equal(seen_turned, seen[:, :, :, ::-1])


def test_mirrored_rays_are_reflected_directions_and_moments(worlds):
    batch = _cut(worlds)
    moving_camera = np.abs(batch.rays_bthw6[:, -1, ..., 3:]).max((1, 2, 3)) > 1e-3
    assert moving_camera.any()
    size = batch.rgb_bthw3.shape[2]
    # On a symmetric grid (no shift of the principal point) reflection is exact.
    turned = mirrored(batch)
    back = mirrored(turned)
    assert np.allclose(back.world_T_cam_bt44, batch.world_T_cam_bt44)
    assert np.allclose(back.K_bt33, batch.K_bt33)
    assert np.allclose(turned.K_bt33[..., 0, 2], size - batch.K_bt33[..., 0, 2] + 1)
    # d = (dx, dy, dz) becomes (-dx, dy, dz); o x d, an axial vector, (mx, -my, -mz).
    reflected = batch.rays_bthw6[:, :, :, ::-1] * np.array([-1, 1, 1, 1, -1, -1], np.float32)
    one_px_rad = 1.5 / batch.K_bt33[0, 0, 0, 0]
    assert np.abs(turned.rays_bthw6 - reflected)[..., :3].max() < one_px_rad
    assert np.abs(turned.rays_bthw6 - reflected)[..., 3:].max() < one_px_rad
    wrong = batch.rays_bthw6[:, :, :, ::-1] * np.array([-1, 1, 1, -1, 1, 1], np.float32)
    assert np.abs(turned.rays_bthw6 - wrong)[..., 3:].max() > 0.01


def test_the_first_frame_of_a_clip_has_no_flow_and_looks_forward(worlds):
    early, late = _cut(worlds, 0), _cut(worlds, 1)
    for batch in (early, late):
        assert not batch.flow_valid_bthw[:, 0].any()
        assert not batch.flow_px_bthw2[:, 0].any()
    # Same instant, other clip: later frames keep their targets, the first one's change meaning.
    assert np.array_equal(early.flow_px_bthw2[:, 2], late.flow_px_bthw2[:, 1])
    assert np.array_equal(early.moving_bthw[:, 2], late.moving_bthw[:, 1])
    assert np.array_equal(early.rgb_bthw3[:, 1], late.rgb_bthw3[:, 0])
    assert np.allclose(late.rays_bthw6[:, 0, ..., 3:], 0, atol=1e-6)


def test_recolouring_changes_pictures_by_a_curve_per_channel(worlds):
    batch = _cut(worlds)
    other = recoloured(batch, np.random.default_rng(4), 0.35, 0.2)
    assert other.depth_bthw is batch.depth_bthw
    assert (other.rgb_bthw3 != batch.rgb_bthw3).mean() > 0.5
    clip, channel = batch.rgb_bthw3[1, ..., 2].ravel(), other.rgb_bthw3[1, ..., 2].ravel()
    order = np.argsort(clip, kind="stable")
    assert (np.diff(channel[order].astype(int)) >= 0).all()
    again = recoloured(batch, np.random.default_rng(4), 0.35, 0.2)
    assert np.array_equal(other.rgb_bthw3, again.rgb_bthw3)


def test_the_index_names_worlds_of_disjoint_splits(worlds_folder, params):
    index = pl.read_parquet(worlds_folder / "index.parquet")
    assert index.group_by("split").len().sort("split").rows() == [("holdout", 2), ("train", 4)]
    assert index["world_id"].n_unique() == index["seed"].n_unique() == 6
    tasks = plan_worlds(params.clips, params.expert)
    assert {task.world_id for task in tasks} == set(index["world_id"])
    assert {task.start_ns % task.step_ns for task in tasks} == {0}
