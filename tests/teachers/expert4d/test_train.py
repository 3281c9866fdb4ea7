"""Training: it learns, repeats byte for byte, and names the step at which it fails."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from p4d.artifacts import Arrays
from p4d.determinism import deterministic
from p4d.errors import TrainingError
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.network import Expert4D
from p4d.teachers.expert4d.train import all_clips, losses, measure, train
from p4d.teachers.expert4d.training_worlds import WorldsFile


@pytest.fixture(scope="module")
def worlds(worlds_folder):
    return WorldsFile(worlds_folder, "train")


def test_the_stage_writes_what_it_promises(expert_folder, params):
    names = {path.name for path in expert_folder.iterdir()}
    assert names == {
        "weights.safetensors", "config.json", "curve.csv", "latent_stats.safetensors", "card.json",
    }  # fmt: skip
    card = json.loads((expert_folder / "card.json").read_text())
    assert card["expert4d"].keys() == card["trivial"].keys()
    assert card["digest"] == expert4d.load(expert_folder).digest
    curve = pl.read_csv(expert_folder / "curve.csv")
    assert curve.columns == ["step", "depth", "flow", "motion", "rays"]
    assert curve.height == params.expert.steps
    stats = Arrays(expert_folder / "latent_stats.safetensors")
    assert stats["mean_hd"].shape == stats["std_hd"].shape == (2, 32)
    assert (stats["std_hd"] > 0).all()


def test_equal_inputs_give_equal_bytes_and_another_seed_others(
    run_stage, worlds_folder, expert_folder, tmp_path
):
    folders = {"expert_worlds": worlds_folder}
    run_stage("expert", tmp_path / "again", folders)
    for path in expert_folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    run_stage("expert", tmp_path / "other", folders, expert={"seed": 18})
    weights = [f / "weights.safetensors" for f in (expert_folder, tmp_path / "other")]
    assert weights[0].read_bytes() != weights[1].read_bytes()


def test_it_starts_at_the_best_constant_answer_and_overfits_two_worlds(worlds, config, params):
    settings = replace(params.expert, steps=60, batch=2, learning_rate=0.006)
    few = _first(worlds, 2)
    with deterministic(1, seed=3):
        expert, curve = train(few, config, settings)
    first = curve.head(8).drop("step").mean().row(0, named=True)
    last = curve.tail(8).drop("step").mean().row(0, named=True)
    for name, share in {"depth": 0.8, "flow": 0.7, "motion": 0.6, "rays": 0.6}.items():
        assert last[name] < share * first[name], name
    card = measure(expert.eval(), few)
    for name in ("depth_absrel", "flow_epe_px", "ray_angle_rad"):
        assert card["expert4d"][name] < card["trivial"][name], name
    assert card["expert4d"]["motion_iou"] > 0.4
    moving_share = all_clips(few, config).moving_bthw.mean()  # saying that everything moves
    assert card["trivial"]["motion_iou"] == pytest.approx(moving_share, abs=1e-6)


def test_an_untrained_expert_scores_like_the_trivial_answers(worlds, config):
    expert = Expert4D(config)
    batch = all_clips(worlds, config)
    log_depth = np.where(batch.depth_bthw > 0, np.log(np.maximum(batch.depth_bthw, 1e-3)), 0)
    expert.mean_log_depth_hw.copy_(torch.from_numpy(log_depth.mean((0, 1))))
    expert.mean_rays_thw6.copy_(torch.from_numpy(batch.rays_bthw6.mean(0)))
    card = measure(expert.eval(), worlds)
    for name in ("depth_absrel", "flow_epe_px"):
        assert card["expert4d"][name] == pytest.approx(card["trivial"][name], rel=1e-4), name


def test_targets_count_only_where_valid(worlds, config, params):
    def terms(targets):
        return losses(maps, targets, params.expert)

    batch = all_clips(worlds, config)
    with torch.no_grad():
        _, maps = Expert4D(config)(torch.from_numpy(batch.rgb_bthw3))
    spoiled = replace(
        batch,
        depth_bthw=batch.depth_bthw.copy(),
        flow_px_bthw2=np.where(batch.flow_valid_bthw[..., None], batch.flow_px_bthw2, 99.0),
    )
    assert terms(spoiled)["flow"] == terms(batch)["flow"]
    holes = batch.depth_bthw.copy()
    holes[:, :, :8] = 0
    with_holes = terms(replace(batch, depth_bthw=holes))["depth"]
    lower = replace(
        batch, depth_bthw=np.where(np.arange(16)[:, None] < 8, 0, batch.depth_bthw * 1.0)
    )
    assert with_holes == terms(lower)["depth"]
    assert with_holes != terms(batch)["depth"]
    nothing = terms(replace(batch, depth_bthw=np.zeros_like(holes)))["depth"]
    assert nothing == 0


@pytest.mark.parametrize(
    "change",
    [
        {"muon_rate": 1.0}, {"adam_betas": (0.5, 0.98)}, {"weight_decay": 0.5},
        {"warmup_fraction": 0.6}, {"max_gradient_norm": 0.01}, {"depth_weight": 1.0},
        {"flow_weight": 1.0}, {"motion_weight": 2.0}, {"rays_weight": 1.0}, {"moving_weight": 1.0},
        {"map_beta": 0.01}, {"ray_beta": 0.1}, {"mirror_share": 0.0}, {"gamma_range": 0.1},
        {"gain_range": 0.1},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_parameter_of_training_changes_the_weights(worlds, config, params, change):
    def weights(**values):
        with deterministic(1, seed=3):
            expert, _ = train(worlds, config, replace(params.expert, **settings | values))
        return torch.cat([weight.detach().flatten() for weight in expert.parameters()])

    settings = {"steps": 3, "batch": 2, "mirror_share": 1.0}
    assert not torch.equal(weights(), weights(**change))


def test_a_loss_that_is_not_finite_names_step_and_worlds(worlds, config, params):
    poisoned = _first(worlds, 2)
    poisoned._arrays["depth_nfhw"][1] = np.inf
    settings = replace(params.expert, batch=2)
    with (
        deterministic(1, seed=3),
        pytest.raises(TrainingError, match=rf"step 0 \(depth (nan|inf).*{worlds.world_ids[1]}"),
    ):
        train(poisoned, config, settings)


def _first(worlds, count):
    """The first worlds alone."""
    few = object.__new__(WorldsFile)
    few._arrays = {name: values[:count].copy() for name, values in worlds._arrays.items()}
    few.world_ids = worlds.world_ids[:count]
    return few
