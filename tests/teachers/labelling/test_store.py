"""Labels come back from the store within the stated error, whole or frame by frame."""

from dataclasses import replace

import numpy as np
import pytest

from p4d.errors import LabelError
from p4d.teachers.labelling.store import LabelStore, LabelWriter
from p4d.teachers.protocol import LabelArrays


@pytest.fixture
def label():
    rng = np.random.default_rng(5)
    shape = (8, 32, 32)
    flow = rng.normal(0, 6, (*shape, 2))
    flow[0] = 0
    return LabelArrays(
        depth_thw=np.exp(rng.normal(1, 1, shape)),
        valid_thw=rng.random(shape) < 0.9,
        flow_px_thw2=flow,
        flow_valid_thw=rng.random(shape) < 0.8,
        motion_thw=rng.random(shape),
        world_T_cam_t44=rng.normal(size=(8, 4, 4)),
        K_t33=rng.normal(size=(8, 3, 3)),
        rays_thw6=rng.normal(size=(8, 4, 4, 6)),
        latents=rng.normal(0, 3, (2, 4, 4, 4, 16)),
    )


@pytest.fixture
def store(label, tmp_path):
    writer = LabelWriter()
    writer.add("clip_b", "expert4d", label)
    writer.add("clip_a", "exact", replace(label, rays_thw6=None, latents=None))
    writer.write(tmp_path)
    return LabelStore(tmp_path)


def test_every_modality_returns_within_its_error(store, label):
    back = store.get_all("clip_b", "expert4d")
    assert np.max(np.abs(back["depth_thw"] / label.depth_thw - 1)) <= 2**-11
    assert np.max(np.abs(back["flow_px_thw2"] - label.flow_px_thw2)) <= 1 / 128 + 1e-6
    assert np.max(np.abs(back["motion_thw"] - label.motion_thw)) <= 1 / 510 + 1e-6
    assert np.max(np.abs(back["rays_thw6"] - label.rays_thw6)) <= 4 * 2**-11
    for exact in ("valid_thw", "flow_valid_thw", "world_T_cam_t44", "K_t33"):
        assert np.array_equal(back[exact], getattr(label, exact)), exact
    latents = store.latents("clip_b")
    assert latents.dtype == np.float16
    assert np.allclose(latents, label.latents, rtol=2**-10, atol=1e-6)


def test_single_frames_equal_those_of_the_whole(store):
    for name in ("depth_thw", "flow_px_thw2", "valid_thw", "world_T_cam_t44"):
        whole = store.get("clip_b", "expert4d", name)
        part = store.get("clip_b", "expert4d", name, frames=slice(3, 6))
        assert np.array_equal(part, whole[3:6]), name


def test_short_names_mean_the_same_arrays(store):
    for short, full in {
        "depth": "depth_thw",
        "flow": "flow_px_thw2",
        "motion": "motion_thw",
    }.items():
        a, b = (store.get("clip_b", "expert4d", name) for name in (short, full))
        assert np.array_equal(a, b)
    assert store.has("clip_b", "expert4d", "rays")
    assert not store.has("clip_a", "exact", "rays")


def test_what_is_not_there_is_named(store):
    with pytest.raises(LabelError, match="no rays_thw6 of clip clip_a by exact"):
        store.get("clip_a", "exact", "rays")
    with pytest.raises(LabelError, match="no latents of clip clip_a"):
        store.latents("clip_a", "exact")
    assert store.labels() == [("clip_a", "exact"), ("clip_b", "expert4d")]


def test_equal_labels_give_equal_bytes_in_any_order(store, label, tmp_path):
    again = tmp_path / "again"
    writer = LabelWriter()
    writer.add("clip_a", "exact", replace(label, rays_thw6=None, latents=None))
    writer.add("clip_b", "expert4d", label)
    writer.write(again)
    for name in ("labels.safetensors", "latents.safetensors"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


def _with(label, name, value):
    spoiled = getattr(label, name).copy()
    spoiled.flat[7] = value
    return replace(label, **{name: spoiled})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("depth_thw", np.nan, "depth_thw: 1 of 8192 values are not finite"),
        ("latents", np.inf, "latents: 1 of"),
        ("depth_thw", -1.0, "depth_thw: values"),
        ("depth_thw", 1e6, "depth_thw: values"),
        ("flow_px_thw2", 600.0, "flow_px_thw2: values"),
        ("motion_thw", 1.5, "motion_thw: values"),
    ],
)
def test_a_label_outside_the_contract_is_rejected_whole(label, tmp_path, name, value, complaint):
    writer = LabelWriter()
    with pytest.raises(LabelError, match=complaint):
        writer.add("clip_b", "expert4d", _with(label, name, value))
    writer.write(tmp_path)
    assert LabelStore(tmp_path).labels() == []


def test_a_map_needs_its_mask_of_the_same_shape(label):
    with pytest.raises(LabelError, match="come together"):
        LabelWriter().add("c", "t", replace(label, valid_thw=None))
    with pytest.raises(LabelError, match="differ in shape"):
        LabelWriter().add("c", "t", replace(label, valid_thw=label.valid_thw[:, 1:]))


def test_another_codec_is_rejected(store, tmp_path, monkeypatch):
    monkeypatch.setattr("p4d.teachers.labelling.store.CODEC", "p4d-labels-2")
    with pytest.raises(LabelError, match="'p4d-labels-1', this reads 'p4d-labels-2'"):
        LabelStore(tmp_path)
