"""Meshes of held-out worlds: closed, convex, of the size of their box, and always the same."""

import hashlib

import numpy as np
import pytest

from p4d.errors import ConfigError
from p4d.worlds.meshes import unit_vertices
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for
from p4d.worlds.spec import HELDOUT_SHAPES


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
            for k, obj in enumerate(truth.objects):
                v, u = np.nonzero(ids == obj.instance)
                rays = np.stack([u + 0.5, v + 0.5, np.ones(len(u))]) * z_m[v, u]
                camera = np.linalg.inv(truth.K_t33[t]) @ rays
                world = truth.world_T_cam_t44[t] @ np.vstack([camera, np.ones(len(u))])
                local = np.linalg.inv(truth.world_T_obj_kt44[k, t]) @ world
                beyond_m = np.abs(local[:3]).T - np.array(obj.size_m) / 2
                assert beyond_m.max(initial=0.0) < 2e-3
                seen += len(u)
    assert seen > 3000


def test_triangles_stay_the_same():
    """Rays are cast against them, so their order is part of the bytes of held-out worlds."""
    digests = {
        "cone": "9d61d81d8b1c383e", "pyramid": "8cdcea80b2b7de6d", "prism": "3d0ebf630f22f726",
        "wedge": "3d0ebf630f22f726", "gem": "4295401798143dbd",
    }  # fmt: skip
    for shape in HELDOUT_SHAPES:
        triangles = unit_vertices(shape)[1]
        assert hashlib.sha256(triangles.tobytes()).hexdigest()[:16] == digests[shape], shape


def test_an_unknown_mesh_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'sphere'; known are \['cone', 'gem'"):
        unit_vertices("sphere")
