"""Each setting of configs/paper.yaml and configs/release.yaml, and what it does.

`PAPER` and `RELEASE` are the values of arXiv 2512.17012 (A1, Eq. 3 to 7, Table 7) and of its
released training script. `benchmarks/scores` lists them with these tests.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from p4d.config import Params, replace_params
from p4d.config.presets import read_preset, with_preset
from p4d.students.distillation.losses import PRESETS, explicit_losses, latent_loss
from p4d.students.distillation.perception import DecoderSizes, PerceptionDecoder
from p4d.students.training.base_student import build_base_student
from p4d.students.training.distillation_setup import set_up_distillation  # noqa: F401
from p4d.students.training.stages import build_p4d
from p4d.teachers.expert4d.network import ExpertConfig
from p4d.teachers.protocol import DenseMaps
from p4d.video.clip_plans import plan_clips
from tests.students import tiny

REPOSITORY = Path(__file__).parents[3]
RAW = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
PAPER = {
    "clips.frames": 16,
    "clips.span": "video",
    "expert.size_px": 224,
    "expert.tubelet": 2,
    "student.region_prompt": "marks",
    "student.answers": "letter",
    "student.time": "tpe",
    "training.batch": 1024,
    "training.learning_rate": 1e-5,
    "training.warmup_fraction": 0.03,
    "training.optimizer": "adamw",
    "training.weight_decay": 0.0,
    "training.gradient_norms": "together",
    "training.trainable": "frozen_encoder",
    "training.steps": 1860,
    "training.precision": "bfloat16",
    "distillation.latents": True,
    "distillation.modalities": ("depth", "flow", "motion", "rays"),
    "distillation.maps_every": 1,
    "distillation.student_layer": -1,
    "distillation.preset": "paper",
    "distillation.losses": "paper",
    "distillation.hidden_width": 2560,
    "distillation.decoder_init": "xavier",
    "distillation.rearrange": "sample",
    "distillation.until_fraction": 1.0,
}
RELEASE = PAPER | {
    "student.time": "none",
    "training.trainable": "language_model",
    "training.steps": 3710,
    "distillation.preset": "release",
    "distillation.losses": "release",
    "distillation.hidden_width": 0,
    "distillation.decoder_init": "normal",
}


def preset(name):
    values = read_preset(REPOSITORY / "configs" / f"{name}.yaml")
    return Params.from_mapping(with_preset(RAW, values))


def value(params, key):
    section, name = key.split(".")
    return getattr(getattr(params, section), name)


@pytest.mark.parametrize("key", PAPER)
def test_the_paper(key):
    assert value(preset("paper"), key) == PAPER[key]


@pytest.mark.parametrize("key", RELEASE)
def test_the_release(key):
    assert value(preset("release"), key) == RELEASE[key]


@pytest.mark.parametrize("name", ["paper", "release"])
def test_the_teachers_grid_is_8_x_16_x_16_tokens_of_16_frames_of_224_px(name):
    params = preset(name)
    config = ExpertConfig.from_params(params.clips, params.expert)
    assert (config.tubelets, config.tokens_hw, config.size_px, config.frames) == (8, 16, 224, 16)
    assert len(config.hooks) == 4


def test_the_weights_of_the_terms_are_alpha_and_beta_times_lambda():
    beta, modality = 0.1, {"depth": 1.0, "flow": 0.1, "motion": 0.05, "rays": 0.05}
    expected = {"latent": 0.5} | {name: beta * each for name, each in modality.items()}
    assert PRESETS["paper"] == pytest.approx(expected)
    released = {"latent": 0.01, "depth": 0.1, "flow": 0.001, "motion": 0.01, "rays": 1e-5}
    assert PRESETS["release"] == pytest.approx(released)


def decoder(name, **changed):
    params = preset(name).distillation
    sizes = DecoderSizes(
        student_width=40, student_grid=(14, 14), slots=16, hooks=4, latent_grid=(8, 16, 16),
        latent_width=6, hidden_width=params.hidden_width, init=params.decoder_init,
        rearrange=params.rearrange,
    )  # fmt: skip
    torch.manual_seed(0)
    return PerceptionDecoder(dataclasses.replace(sizes, **changed))


def test_the_papers_decoder_has_three_layers_of_2560_gelu_xavier_and_zero_biases():
    made = decoder("paper")
    assert len(made.mlps) == 4
    for mlp in made.mlps:
        assert [type(layer) for layer in mlp] == [
            nn.Linear, nn.GELU, nn.Linear, nn.GELU, nn.Linear
        ]  # fmt: skip
        widths = [(layer.in_features, layer.out_features) for layer in mlp[::2]]
        assert widths == [(40, 2560), (2560, 2560), (2560, 6)]
        for layer in mlp[::2]:
            bound = math.sqrt(6 / (layer.in_features + layer.out_features))
            assert 0.9 * bound < float(layer.weight.detach().abs().max()) < bound * 1.0001
            assert not layer.bias.any()


def test_the_releases_decoder_is_one_layer_per_hook_of_deviation_01():
    made = decoder("release", student_width=400, latent_width=50)
    for layer in made.mlps:
        assert isinstance(layer, nn.Linear)
        assert float(layer.weight.detach().std()) == pytest.approx(0.1, rel=0.05)
        assert not layer.bias.any()


@torch.no_grad()
@pytest.mark.parametrize("name", ["paper", "release"])
def test_frames_are_sampled_and_the_grid_is_resized_to_the_teachers(name):
    made = decoder(name, hidden_width=0)
    tokens = torch.randn(1, 16, 14, 14, 40)
    latents = made(tokens)
    assert latents.shape == (1, 4, 8, 16, 16, 6)
    changed = tokens.clone()
    changed[:, 1::2] = 0.0  # every second frame is not read
    assert torch.equal(made(changed), latents)
    changed[:, 2] += 1.0
    differs = (made(changed) != latents).flatten(3).any(dim=-1)[0, 0]
    assert differs.tolist() == [False, True, False, False, False, False, False, False]
    constant = torch.ones(1, 16, 14, 14, 40)
    assert made(constant).std(dim=(3, 4)).max() < 1e-5  # resized, not spread over cells


def maps_and_labels():
    torch.manual_seed(1)
    shape = (1, 4, 6, 6)
    maps = DenseMaps(
        log_depth_bthw=torch.randn(shape),
        flow_px_bthw2=torch.randn(*shape, 2),
        motion_logit_bthw=torch.randn(shape),
        rays_bthw6=torch.randn(1, 4, 3, 3, 6),
    )
    labels = {
        "depth_thw": torch.rand(shape) * 4 + 0.5,
        "valid_thw": torch.ones(shape),
        "flow_px_thw2": torch.randn(*shape, 2),
        "flow_valid_thw": torch.ones(shape),
        "motion_thw": torch.rand(shape),
        "rays_thw6": torch.randn(1, 4, 3, 3, 6),
    }
    return maps, labels


def test_the_papers_terms_are_smooth_l1_of_what_the_teacher_gives():
    maps, labels = maps_and_labels()
    found = explicit_losses(maps, labels, PAPER["distillation.modalities"], losses="paper")
    l1 = nn.functional.smooth_l1_loss
    expected = {
        "depth": l1(maps.log_depth_bthw.exp(), labels["depth_thw"]),
        "flow": l1(maps.flow_px_bthw2[:, 1:], labels["flow_px_thw2"][:, 1:]),
        "motion": l1(maps.motion_logit_bthw.sigmoid(), labels["motion_thw"]),
        "rays": l1(maps.rays_bthw6, labels["rays_thw6"]),
    }
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term, atol=1e-5, rtol=1e-5)
    a, b = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(latent_loss(a, b), l1(a, b))


def test_the_releases_terms_are_squared_latents_log_depth_and_logits():
    maps, labels = maps_and_labels()
    found = explicit_losses(maps, labels, RELEASE["distillation.modalities"], losses="release")
    l1 = nn.functional.smooth_l1_loss
    expected = {
        "depth": l1(maps.log_depth_bthw, labels["depth_thw"].log()),
        "motion": l1(maps.motion_logit_bthw, torch.logit(labels["motion_thw"], eps=1e-4)),
    }
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term, atol=1e-5, rtol=1e-5)
    a, b = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(latent_loss(a, b, squared=True), nn.functional.mse_loss(a, b))


def test_a_clip_is_the_whole_video_with_16_frames_from_first_to_last():
    pts_ns = np.arange(100) * 40_000_000 + 5_000_000
    (plan,) = plan_clips(pts_ns, 4_000_000_000, (), preset("paper").clips)
    assert plan.frame_index == tuple(np.linspace(0, 99, 16).astype(int))
    assert (plan.start_ns, plan.end_ns) == (5_000_000, 4_005_000_000)
    (short,) = plan_clips(pts_ns[:10], 400_000_000, (), preset("paper").clips)
    assert short.problem == "fewer than 16 frames"


@pytest.mark.parametrize("name", ["paper", "release"])
@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
def test_a_step_with_every_setting_but_the_sizes_runs_and_moves_what_it_should(
    tmp_path, name, weights
):
    """The tiny project has 4 frames of 32 px and its own labels; all other settings are real."""
    values = read_preset(REPOSITORY / "configs" / f"{name}.yaml")
    project = tiny.make(tmp_path / "data")
    training = values["training"] | {
        "batch": 2, "steps": 1, "gradient_accumulation": 1, "weights": weights,
        "learning_rate": 0.1, "warmup_fraction": 0.0,
    }  # fmt: skip
    params = replace_params(
        project.params,
        student=values["student"] | {"architecture": "qwen3_vl"},
        training={k: tuple(v) if isinstance(v, list) else v for k, v in training.items()},
        distillation={
            k: tuple(v) if isinstance(v, list) else v for k, v in values["distillation"].items()
        }
        | {"hidden_width": min(16, values["distillation"]["hidden_width"]), "probe_steps": ()},
    )
    base = dataclasses.replace(project.inputs("base_student"), all_params=params)
    build_base_student(base, project.root / "base_student")
    inputs = dataclasses.replace(project.inputs("student_p4d"), all_params=params)
    build_p4d(inputs, tmp_path / "out")
    from p4d.students import load

    before, after = load(project.root / "base_student"), load(tmp_path / "out")
    moved = {
        key
        for (key, one), two in zip(
            before.adapter.model.named_parameters(),
            after.adapter.model.parameters(),
            strict=True,
        )
        if not torch.equal(one.to(getattr(torch, weights)).float(), two)
    }
    assert any("language_model" in key for key in moved)
    assert any("merger" in key for key in moved) == (name == "paper")
    assert not any("visual" in key and "merger" not in key for key in moved)
