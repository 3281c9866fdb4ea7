"""The adapter to L4P, on a tiny network of its layout; the published weights are not here."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from p4d.config import TeacherParams
from p4d.errors import ConfigError, ContractError
from p4d.teachers.l4p.network import L4PNetwork, load
from p4d.teachers.l4p.sizes import PUBLISHED
from p4d.teachers.l4p.teacher import L4PTeacher
from p4d.teachers.labelling.store import LabelStore, LabelWriter
from p4d.teachers.protocol import ClipInput
from tests.teachers.l4p import tiny_l4p


def teacher_of(folder, frames=8, **settings):
    return L4PTeacher("l4p", TeacherParams(kind="l4p", where=str(folder), **settings), frames)


def a_clip(frames=8):
    rgb = np.random.default_rng(0).integers(0, 256, (frames, 48, 80, 3), dtype=np.uint8)
    return ClipInput(clip_id="clip_a", rgb_thw3=rgb, truth=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_l4p.save(tmp_path_factory.mktemp("l4p"))


def test_the_published_sizes_are_those_of_the_paper():
    with torch.device("meta"):
        network = L4PNetwork(PUBLISHED)
    assert network.latent_shape == (4, 8, 16, 16, 1408)
    total = sum(weight.numel() for weight in network.parameters())
    assert round(total / 1e6) == 1337  # million weights, as the paper counts
    latents = torch.zeros(1, *network.latent_shape, device="meta")
    maps = network.decode(latents)
    assert maps.log_depth_bthw.shape == (1, 16, 224, 224)
    assert maps.flow_px_bthw2.shape == (1, 16, 224, 224, 2)
    assert maps.rays_bthw6.shape == (1, 16, 16, 16, 6)


def test_heads_read_latents_alone_and_pass_gradients_to_them(folder):
    network = load(folder)
    frames = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (1, 8, 32, 32, 3), dtype=np.uint8)
    )
    latents = network.encode(frames)
    assert latents.shape == (1, *network.latent_shape)
    given = latents.clone().requires_grad_()
    maps = network.decode(given)
    assert maps.log_depth_bthw.shape == (1, 8, 32, 32)
    assert maps.rays_bthw6.shape == (1, 8, 4, 4, 6)
    for values in (
        maps.log_depth_bthw,
        maps.flow_px_bthw2,
        maps.motion_logit_bthw,
        maps.rays_bthw6,
    ):
        (gradient,) = torch.autograd.grad(values.sum(), given, retain_graph=True)
        assert gradient.abs().sum() > 0
    assert all(not weight.requires_grad for weight in network.parameters())


def test_a_clip_gets_all_labels_and_latents(folder, tmp_path):
    (label,) = teacher_of(folder, map_px=16).label([a_clip()])
    assert label.depth_thw.shape == (8, 16, 16)
    assert (label.depth_thw[label.valid_thw] > 0).all()
    assert label.latents.shape == (4, 4, 4, 4, 16)
    assert not label.flow_valid_thw[0].any()
    assert label.rays_thw6.shape == (8, 4, 4, 6)
    writer = LabelWriter()
    writer.add("clip_a", "l4p", label)  # the contract of labels
    writer.write(tmp_path)
    assert LabelStore(tmp_path).has("clip_a", "l4p", "motion")


def test_rays_of_a_camera_become_its_poses(folder, monkeypatch):
    from p4d.geometry.rays import rays_from_cameras

    K = np.repeat(np.array([[[30.0, 0, 16], [0, 30.0, 16], [0, 0, 1]]]), 8, axis=0)
    poses = np.repeat(np.eye(4)[None], 8, axis=0)
    poses[:, 0, 3] = np.linspace(0, 0.7, 8)
    rays = rays_from_cameras(K, poses, (32, 32), (4, 4)).astype(np.float32)
    teacher = teacher_of(folder)
    maps = teacher._network.decode(torch.zeros(1, *teacher._network.latent_shape))
    known = type(maps)(**{**vars(maps), "rays_bthw6": torch.from_numpy(rays[None])})
    monkeypatch.setattr(teacher._network, "decode", lambda latents: known)
    (label,) = teacher.label([a_clip()])
    assert np.allclose(label.world_T_cam_t44, poses, atol=1e-3)
    assert np.allclose(label.K_t33[0], K[0], atol=0.05)


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape", "config", "no file", "damaged"])
def test_a_folder_that_does_not_match_is_refused_by_name(tmp_path, fault):
    folder = tiny_l4p.save(tmp_path / "l4p")
    weights = load_file(folder / "model.safetensors")
    name = "task_heads.depth.task_head.dpt.head.4.weight"
    if fault == "missing":
        del weights[name]
    elif fault == "unknown":
        weights["task_heads.depth.other"] = torch.zeros(2)
    elif fault == "shape":
        weights[name] = torch.zeros(2, 2)
    save_file(weights, folder / "model.safetensors")
    if fault == "config":
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**content, "width": "wide"}))
    elif fault == "no file":
        (folder / "model.safetensors").unlink()
    elif fault == "damaged":
        (folder / "model.safetensors").write_bytes(b"damaged")
    message = {
        "missing": rf"lacks weights \(1\): {name}",
        "unknown": r"has weights that the layout does not have \(1\): task_heads.depth.other",
        "shape": rf"another shape than its config \(1\): {name}",
        "config": "every size must be a whole number",
        "no file": r"has no model\.safetensors",
        "damaged": "cannot be loaded",
    }[fault]
    with pytest.raises(ConfigError, match=rf"labels\.settings\.l4p: .*{message}"):
        teacher_of(folder)


def test_clips_of_another_length_are_an_error_before_any_work(folder):
    with pytest.raises(ConfigError, match=r"takes 8 frames of 32 px; set clips.frames: 8"):
        teacher_of(folder, frames=4)


def test_sizes_that_do_not_belong_together_are_refused(tmp_path):
    folder = tiny_l4p.save(tmp_path)
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "hooks": [1, 2, 3, 9]}))
    with pytest.raises(ContractError, match="do not belong together"):
        load(folder)
