"""The network: shapes, inputs of its heads, and gradients of the frozen decoder."""

from dataclasses import replace

import pytest
import torch

from p4d.errors import ConfigError, LabelError
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.network import Expert4D, ExpertConfig


@pytest.fixture
def pictures(config):
    generator = torch.Generator().manual_seed(3)
    shape = (2, config.frames, config.size_px, config.size_px, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_latents_and_maps_have_the_declared_shapes(expert_folder, pictures):
    expert = expert4d.load(expert_folder)
    latents, maps = expert(pictures)
    assert latents.shape == (2, 2, 2, 4, 4, 32)
    assert maps.log_depth_bthw.shape == (2, 4, 16, 16)
    assert maps.flow_px_bthw2.shape == (2, 4, 16, 16, 2)
    assert maps.motion_logit_bthw.shape == (2, 4, 16, 16)
    assert maps.rays_bthw6.shape == (2, 4, 4, 4, 6)


def test_maps_are_a_function_of_the_latents_alone(expert_folder, pictures):
    expert = expert4d.load(expert_folder)
    latents, maps = expert(pictures)
    again = expert.decode(latents.clone())
    other = expert.decode(latents.flip(0))
    for name, values in vars(maps).items():
        assert torch.equal(values, getattr(again, name)), name
        assert torch.allclose(values.flip(0), getattr(other, name), atol=1e-5), name


def test_heads_that_are_decoded_together_equal_each_decoded_alone(expert_folder, pictures):
    expert = expert4d.load(expert_folder)
    latents = expert.encode(pictures)
    heads = (expert.depth_head, expert.flow_head, expert.motion_head)
    together = expert4d.decode_maps(heads, latents, expert.config)
    for head, values in zip(heads, together, strict=True):
        (alone,) = expert4d.decode_maps([head], latents, expert.config)
        assert torch.allclose(values, alone, atol=1e-5)
        assert values.std() > 0


def test_a_frozen_decoder_passes_gradients_to_latents_and_keeps_none(expert_folder, pictures):
    expert = expert4d.load(expert_folder)
    assert not expert.training
    latents = expert.encode(pictures).requires_grad_()
    maps = expert.decode(latents)
    for name, values in vars(maps).items():
        (gradient,) = torch.autograd.grad(values.square().sum(), latents, retain_graph=True)
        assert gradient.abs().sum() > 0, name
    sum(values.sum() for values in vars(maps).values()).backward()
    assert all(p.grad is None and not p.requires_grad for p in expert.parameters())


def test_tokens_of_time_and_place_decode_to_their_own_place(config):
    torch.manual_seed(0)
    expert = Expert4D(config)
    for head in (expert.depth_head, expert.ray_head):
        torch.nn.init.normal_(head.out.weight)
    base = torch.zeros(1, 2, 2, 4, 4, 32)
    changed = base.clone()
    changed[0, :, 1, 2, 3] = torch.randn(2, 32)  # second tubelet, row 2, column 3
    before, after = expert.decode(base), expert.decode(changed)
    moved = (after.rays_bthw6 - before.rays_bthw6).abs().sum(-1)[0] > 1e-6
    assert moved.nonzero().tolist() == [[2, 2, 3], [3, 2, 3]]
    moved = (after.log_depth_bthw - before.log_depth_bthw).abs()[0] > 1e-6
    t, y, x = moved.nonzero().T
    assert t.unique().tolist() == [2, 3]
    # 4 x 4 map pixels a token, and one more each way for the last convolution.
    assert (y.min(), y.max(), x.min(), x.max()) == (7, 12, 11, 15)


def test_digest_follows_weights_and_config(expert_folder, tmp_path):
    for name in ("weights.safetensors", "config.json"):
        (tmp_path / name).write_bytes((expert_folder / name).read_bytes())
    first = expert4d.load(tmp_path).digest
    assert first == expert4d.load(expert_folder).digest
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text + "\n")
    assert expert4d.load(tmp_path).digest != first


def test_wrong_sizes_are_rejected_by_name(config, pictures):
    with pytest.raises(LabelError, match=r"takes frames \(4, 32, 32, 3\), not \(4, 16, 32, 3\)"):
        Expert4D(config)(pictures[:, :, :16])
    with pytest.raises(ConfigError, match="map_px 15"):
        replace(config, map_px=15)
    assert ExpertConfig(**vars(config)) == config
