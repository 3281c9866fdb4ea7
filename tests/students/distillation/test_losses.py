import dataclasses

import pytest
import torch

from p4d.errors import ConfigError
from p4d.students.distillation.losses import (
    AutoBalance,
    TermWeights,
    explicit_losses,
    latent_loss,
    sft_loss,
)
from p4d.teachers.protocol import DenseMaps

ALL = ("depth", "flow", "motion", "rays")


def auto(ratio, **changed):
    settings = {
        "target_ratio": ratio,
        "latent_share": 0.5,
        "max_weight": 10.0,
        "calibration_steps": 40,
        "window_steps": 10,
    }
    return TermWeights("auto", AutoBalance(**(settings | changed)))


def agreeing():
    """Maps and labels that say the same: depth e, flow (1, 2), motion 1/2, rays zero."""
    maps = DenseMaps(
        log_depth_bthw=torch.ones(1, 2, 2, 2),
        flow_px_bthw2=torch.tensor([1.0, 2.0]).expand(1, 2, 2, 2, 2),
        motion_logit_bthw=torch.zeros(1, 2, 2, 2),
        rays_bthw6=torch.zeros(1, 2, 1, 1, 6),
    )
    labels = {
        "depth_thw": torch.full((1, 2, 2, 2), torch.e),
        "valid_thw": torch.ones(1, 2, 2, 2),
        "flow_px_thw2": torch.tensor([1.0, 2.0]).expand(1, 2, 2, 2, 2),
        "flow_valid_thw": torch.ones(1, 2, 2, 2),
        "motion_thw": torch.full((1, 2, 2, 2), 0.5),
        "rays_thw6": torch.zeros(1, 2, 1, 1, 6),
    }
    return maps, labels


def test_nothing_is_lost_when_student_and_expert_agree():
    terms = explicit_losses(*agreeing(), ALL)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        dict.fromkeys(ALL, 0.0), abs=1e-6
    )


def test_known_errors_give_known_terms():
    maps, labels = agreeing()
    maps = dataclasses.replace(
        maps,
        log_depth_bthw=maps.log_depth_bthw + 0.5,
        flow_px_bthw2=maps.flow_px_bthw2 + torch.tensor([3.0, 0.0]),
        rays_bthw6=maps.rays_bthw6 + 0.2,
    )
    terms = explicit_losses(maps, labels | {"motion_thw": torch.ones(1, 2, 2, 2)}, ALL)
    assert terms["depth"].item() == pytest.approx(0.5 * 0.5**2)
    assert terms["flow"].item() == pytest.approx((2.5 + 0.0) / 2)
    assert terms["motion"].item() == pytest.approx(torch.log(torch.tensor(2.0)).item())
    assert terms["rays"].item() == pytest.approx(0.5 * 0.2**2)


def test_masked_pixels_and_the_first_flow_frame_do_not_count():
    maps, labels = agreeing()
    depth, flow = labels["depth_thw"].clone(), labels["flow_px_thw2"].clone()
    depth[0, 0, 0, 0], flow[:, 0] = float("nan"), 400.0
    labels = labels | {"depth_thw": depth, "flow_px_thw2": flow}
    labels["valid_thw"][0, 0, 0, 0] = 0
    terms = explicit_losses(maps, labels, ("depth", "flow"))
    assert terms["depth"].item() == pytest.approx(0.0, abs=1e-6)
    assert terms["flow"].item() == 0.0


def test_a_masked_nan_gives_no_gradient():
    maps, labels = agreeing()
    log_depth = maps.log_depth_bthw.clone().requires_grad_()
    labels["depth_thw"][0, 0, 0, 0], labels["valid_thw"][0, 0, 0, 0] = float("nan"), 0
    explicit_losses(dataclasses.replace(maps, log_depth_bthw=log_depth), labels, ("depth",))[
        "depth"
    ].backward()
    assert log_depth.grad.isfinite().all()


def test_only_the_chosen_modalities_are_computed():
    assert list(explicit_losses(*agreeing(), ("flow",))) == ["flow"]


def test_latents_are_compared_by_smooth_l1():
    assert latent_loss(torch.zeros(4), torch.tensor([0.5, -0.5, 3.0, 0.0])).item() == pytest.approx(
        (0.125 + 0.125 + 2.5) / 4
    )


def test_answer_loss_is_cross_entropy():
    assert sft_loss(torch.zeros(3, 8), torch.tensor([1, 2, 3])).item() == pytest.approx(
        torch.log(torch.tensor(8.0)).item()
    )


# alpha; beta and lambda of depth, flow, motion and rays (paper A1.3).
PAPER = (0.5, 0.1, {"depth": 1.0, "flow": 0.1, "motion": 0.05, "rays": 0.05})
# --ld_weight and --ed_weights of the training script of the paper's released code.
RELEASE = (0.01, 1.0, {"depth": 0.1, "flow": 0.001, "motion": 0.01, "rays": 0.00001})


@pytest.mark.parametrize(("preset", "published"), [("paper", PAPER), ("release", RELEASE)])
def test_presets_weigh_terms_as_published_whatever_their_size(preset, published):
    alpha, beta, explicit = published
    expected = {"latent": alpha, **{name: beta * value for name, value in explicit.items()}}
    weights = TermWeights(preset)
    assert weights.of(("sft", *expected)) == pytest.approx(expected)
    for size in (1.0, 1e-6, 1e6):
        weights.observe(dict.fromkeys(("sft", *expected), size))
        assert weights.of(("sft", *expected)) == pytest.approx(expected)


def test_auto_weights_share_the_target_and_then_freeze():
    weights = auto(0.5, calibration_steps=2)
    weights.observe({"sft": 2.0, "latent": 1.0, "depth": 0.1})
    frozen = dict(weights.observe({"sft": 2.0, "latent": 3.0, "depth": 0.3}))
    assert frozen == {"latent": pytest.approx(0.25), "depth": pytest.approx(2.5)}
    assert weights.observe({"sft": 9.0, "latent": 9.0, "depth": 9.0}) == frozen
    means = {"latent": (1.0 + 3.0) / 2, "depth": (0.1 + 0.3) / 2}
    assert sum(frozen[name] * means[name] for name in means) == pytest.approx(0.5 * 2.0)


def test_the_latent_share_and_the_window_of_auto_are_settings():
    weights = auto(1.0, latent_share=0.8, window_steps=1)
    weights.observe({"sft": 9.0, "latent": 9.0, "depth": 9.0})
    found = weights.observe({"sft": 1.0, "latent": 0.5, "depth": 0.5})
    assert found == {"latent": pytest.approx(1.6), "depth": pytest.approx(0.4)}


def test_the_region_term_takes_its_share_and_the_others_divide_the_rest():
    weights = auto(2.0, region_share=0.5)
    found = weights.observe({"sft": 1.0, "latent": 0.5, "depth": 0.5, "flow": 0.5, "region": 0.5})
    assert found == {"latent": 1.0, "depth": 0.5, "flow": 0.5, "region": pytest.approx(2.0)}
    alone = auto(2.0, region_share=1.0).observe({"sft": 1.0, "latent": 0.5, "region": 0.5})
    assert alone == {"latent": 0.0, "region": pytest.approx(4.0)}


def test_auto_without_settings_is_refused():
    with pytest.raises(ConfigError, match="AutoBalance"):
        TermWeights("auto")


def test_auto_weights_follow_the_falling_sft_loss_until_they_freeze():
    weights = auto(0.5, calibration_steps=20, window_steps=4)
    for step in range(20):
        frozen = weights.observe({"sft": 6.0 if step < 10 else 0.7, "latent": 0.5})
    assert frozen["latent"] * 0.5 == pytest.approx(0.5 * 0.7)


def test_auto_gives_half_to_the_latents_and_bounds_terms_near_zero():
    weights = auto(1.0)
    found = weights.observe({"sft": 2.0, "latent": 1.0, "depth": 0.5, "rays": 1e-4})
    assert found == {"latent": 1.0, "depth": pytest.approx(1.0), "rays": 10.0}


def test_batches_without_labels_do_not_move_the_balance():
    weights = auto(0.5, calibration_steps=2)
    assert weights.observe({"sft": 9.0, "latent": 0.0, "flow": 0.0}) == {}
    weights.observe({"sft": 2.0, "latent": 1.0, "flow": 0.0})
    weights.observe({"sft": 9.0, "latent": 0.0, "flow": 0.0})
    assert weights.current == {"latent": pytest.approx(0.25 * 2.0), "flow": 0.0}


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="preset"):
        TermWeights("papper")
