import numpy as np
import pytest

from p4d.errors import ConfigError
from p4d.worlds.corpus import write_world
from p4d.worlds.meshes import unit_vertices
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for
from p4d.worlds.sidecar import path_for, read
from p4d.worlds.spec import COLOURS, HELDOUT_COLOURS, HELDOUT_SHAPES, SHAPES
from tests.video.media import params


def test_no_look_is_shared_with_training():
    assert not set(COLOURS) & set(HELDOUT_COLOURS)
    assert not set(SHAPES) & set(HELDOUT_SHAPES)
    shapes = {t.shape for seed in range(15) for t in spec_for(seed, appearance="heldout").objects}
    assert shapes == set(HELDOUT_SHAPES)


def test_equal_seeds_of_other_looks_are_other_worlds():
    assert spec_for(3, appearance="heldout") == spec_for(3, appearance="heldout")
    assert spec_for(3, appearance="heldout").camera != spec_for(3).camera
    with pytest.raises(ConfigError, match="heldout"):
        spec_for(3, appearance="glass")


@pytest.mark.parametrize("shape", HELDOUT_SHAPES)
def test_solids_are_closed_face_outwards_and_fill_their_box(shape):
    vertices, faces = unit_vertices(shape)
    assert vertices.min(axis=0) == pytest.approx([-0.5] * 3)
    assert vertices.max(axis=0) == pytest.approx([0.5] * 3)
    edges = [tuple(pair) for f in faces for pair in zip(f, np.roll(f, -1), strict=True)]
    assert len(set(edges)) == len(edges)
    assert all((b, a) in edges for a, b in edges)
    for a, b, c in vertices[faces] - vertices.mean(axis=0):
        assert np.cross(b - a, c - a) @ (a + b + c) > 0  # convex, with the mean inside


def test_truth_of_a_mesh_agrees_with_its_shape():
    """Every point that depth puts on an object lies inside its box."""
    seen = 0
    for seed in range(6):
        video = render(spec_for(seed, appearance="heldout"), [0, 2 * 10**9], 64)
        truth = video.truth
        for t in range(2):
            z_m, ids = truth.frames[t]
            for k, thing in enumerate(truth.objects):
                v, u = np.nonzero(ids == thing.instance)
                rays = np.stack([u + 0.5, v + 0.5, np.ones(len(u))]) * z_m[v, u]
                camera = np.linalg.inv(truth.K_t33[t]) @ rays
                world = truth.world_T_cam_t44[t] @ np.vstack([camera, np.ones(len(u))])
                local = np.linalg.inv(truth.world_T_obj_kt44[k, t]) @ world
                beyond_m = np.abs(local[:3]).T - np.array(thing.size_m) / 2
                assert beyond_m.max(initial=0.0) < 2e-3
                seen += len(u)
    assert seen > 3000


def test_a_video_may_show_a_later_part_of_a_longer_world(tmp_path):
    settings = params(worlds={"size_px": 48, "duration_s": 1.0, "fps": 4.0}).worlds
    path = write_world(tmp_path / "w.mp4", 5, settings, world_s=4.0, begin_s=2.0)
    truth = read(path_for(path))
    assert truth.pts_ns[0] == 0
    times_ns = 2 * 10**9 + truth.pts_ns
    whole = render(spec_for(5, 4.0), times_ns.tolist(), 48).truth
    assert truth.world_T_obj_kt44 == pytest.approx(whole.world_T_obj_kt44)
