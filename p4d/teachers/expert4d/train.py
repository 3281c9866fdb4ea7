"""Stage `expert`: train the expert on simulated worlds, freeze it, and measure it.

Training is deterministic: seeds come from content, kernels are deterministic, and the number of
threads is a parameter. Only valid targets count. `card.json` compares every modality on held-out
worlds with the best constant prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn
from torch.nn import functional

from p4d.artifacts import read_json, write_arrays, write_bytes, write_json
from p4d.config import ExpertParams
from p4d.determinism import deterministic
from p4d.errors import ContractError, TrainingError
from p4d.ids import seed_for, sha256_file
from p4d.pipeline import StageInputs, StageReport
from p4d.teachers import measures
from p4d.teachers.expert4d import embedded
from p4d.teachers.expert4d.network import Expert4D, ExpertConfig, config_json, load
from p4d.teachers.expert4d.training_worlds import ClipBatch, WorldsFile, mirrored, recoloured
from p4d.teachers.protocol import DenseMaps

CARD_BATCH = 16
"""Clips per forward pass when the expert is measured; without effect on the result."""


def build_expert(inputs: StageInputs, out: Path) -> StageReport:
    """Train or copy the expert, and write weights, config, curve, latent statistics and card."""
    params: ExpertParams = inputs.params("expert")
    config = ExpertConfig.from_params(inputs.params("clips"), params)
    folder = inputs.folder("expert_worlds")
    with deterministic(params.threads, seed_for("expert", params.seed, "weights")):
        if params.checkpoint:
            trained_on = _copy_embedded(config, out)
        else:
            trained_on = _train_new(folder, config, params, inputs, out)
        frozen = load(out)
        card = measure(frozen, WorldsFile(folder, "holdout"))
    card |= trained_on
    card |= {
        "parameters": sum(p.numel() for p in frozen.parameters()),
        "digest": frozen.digest,
    }
    write_json(out / "card.json", card)
    names = ("depth_absrel", "flow_epe_px", "flow_zero_epe_px", "motion_iou", "ray_angle_rad")
    measured = {name: card["expert4d"][name] for name in names}
    return StageReport(
        rows={"ok": trained_on["train_worlds"]},
        metrics={name: value for name, value in measured.items() if value is not None},
    )


def _train_new(
    folder: Path, config: ExpertConfig, params: ExpertParams, inputs: StageInputs, out: Path
) -> dict[str, int]:
    worlds = WorldsFile(folder, "train")
    expert, curve = train(worlds, config, params, inputs.progress)
    write_bytes(out / "weights.safetensors", tensor_bytes(_contiguous(expert)))
    write_json(out / "config.json", config_json(config))
    write_bytes(out / "curve.csv", curve.write_csv().encode())
    write_arrays(out / "latent_stats.safetensors", latent_statistics(load(out), worlds))
    return {"train_worlds": len(worlds), "steps": params.steps, "batch": params.batch}


def _copy_embedded(config: ExpertConfig, out: Path) -> dict[str, int]:
    """Copy the embedded expert; returns what its card records of its training.

    Raises:
        ContractError: its weights are not the recorded ones, or it was made for other sizes.
    """
    if sha256_file(embedded.FOLDER / "weights.safetensors") != embedded.WEIGHTS_SHA256:
        raise ContractError(
            f"{embedded.FOLDER}: weights.safetensors has not the recorded SHA-256; reinstall p4d"
        )
    for name in ("weights.safetensors", "config.json", "curve.csv", "latent_stats.safetensors"):
        write_bytes(out / name, (embedded.FOLDER / name).read_bytes())
    if load(out).config != config:
        raise ContractError(
            "the embedded expert was made for other sizes than sections clips and expert of "
            "params.yaml have; set expert.checkpoint to an empty value to train an expert"
        )
    card = read_json(embedded.FOLDER / "card.json")
    return {name: card[name] for name in ("train_worlds", "steps", "batch")}


def train(
    worlds: WorldsFile,
    config: ExpertConfig,
    params: ExpertParams,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> tuple[Expert4D, pl.DataFrame]:
    """Train a new expert; returns it and its curve (step and named loss terms).

    Call under `deterministic`, which seeds the initial weights.

    Raises:
        TrainingError: the loss is not finite; step and world ids are named.
    """
    expert = Expert4D(config)
    _set_means(expert, worlds)
    optimizers = _optimizers(expert, params)
    schedules = [_schedule(optimizer, params) for optimizer in optimizers]
    curve: list[dict[str, float]] = []
    for step in range(params.steps):
        batch = training_batch(worlds, config, params, step)
        # 1.3 times as fast on CPUs with AVX-512 BF16; weights and losses stay float32.
        with torch.autocast("cpu", torch.bfloat16):
            _, maps = expert(torch.from_numpy(batch.rgb_bthw3))
        terms = losses(maps, batch, params)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            named = ", ".join(f"{name} {float(term.detach()):.4g}" for name, term in terms.items())
            raise TrainingError(
                f"expert: loss is not finite at step {step} ({named}); worlds {batch.world_ids}"
            )
        expert.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(expert.parameters(), params.max_gradient_norm)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        curve.append(
            {"step": step} | {name: round(float(term.detach()), 5) for name, term in terms.items()}
        )
        if step % 10 == 0 or step + 1 == params.steps:
            progress(step + 1, params.steps, f"expert loss {float(total.detach()):.3f}")
    return expert, pl.DataFrame(curve)


def _optimizers(expert: Expert4D, params: ExpertParams) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the rest; AdamW alone needs more steps."""
    matrices = [p for p in expert.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in expert.parameters() if id(p) not in chosen]
    beta1, beta2 = params.adam_betas
    return [
        torch.optim.Muon(
            matrices,
            lr=params.muon_rate * params.learning_rate,
            weight_decay=params.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(
            rest, lr=params.learning_rate, betas=(beta1, beta2), weight_decay=params.weight_decay
        ),
    ]


def _schedule(
    optimizer: torch.optim.Optimizer, params: ExpertParams
) -> torch.optim.lr_scheduler.LRScheduler:
    """One cycle: a warm-up, then a decay to zero over the remaining steps."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=params.steps + 1,
        pct_start=params.warmup_fraction,
        cycle_momentum=False,
    )


def training_batch(
    worlds: WorldsFile, config: ExpertConfig, params: ExpertParams, step: int
) -> ClipBatch:
    """The clips of one step: every world once per epoch; random start, mirror and light."""
    place = step * params.batch + np.arange(params.batch)
    epochs = {int(e): _order(params.seed, int(e), len(worlds)) for e in set(place // len(worlds))}
    rows = np.array([epochs[int(p // len(worlds))][p % len(worlds)] for p in place])
    rng = np.random.default_rng(seed_for("expert", params.seed, "step", step))
    starts = rng.integers(0, worlds.starts, params.batch)
    batch = worlds.cut(rows, starts, config.frames, config.tokens_hw)
    if rng.random() < params.mirror_share:
        batch = mirrored(batch)
    return recoloured(batch, rng, params.gamma_range, params.gain_range)


def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed_for("expert", seed, "round", epoch)).permutation(count)


def losses(maps: DenseMaps, batch: ClipBatch, params: ExpertParams) -> dict[str, Tensor]:
    """Weighted loss per modality; only valid targets count."""
    depth = torch.from_numpy(batch.depth_bthw)
    known = depth > 0
    log_depth = torch.log(torch.where(known, depth, 1.0))
    moving = torch.from_numpy(batch.moving_bthw).float()
    emphasis = 1 + (params.moving_weight - 1) * moving
    flow_valid = torch.from_numpy(batch.flow_valid_bthw)
    depth_loss = functional.smooth_l1_loss(
        maps.log_depth_bthw.float(), log_depth, beta=params.map_beta, reduction="none"
    )
    flow_loss = functional.smooth_l1_loss(
        maps.flow_px_bthw2.float(),
        torch.from_numpy(batch.flow_px_bthw2),
        beta=params.map_beta,
        reduction="none",
    ).sum(-1)
    motion_loss = functional.binary_cross_entropy_with_logits(
        maps.motion_logit_bthw.float(), moving, weight=emphasis
    )
    rays_loss = functional.smooth_l1_loss(
        maps.rays_bthw6.float(), torch.from_numpy(batch.rays_bthw6), beta=params.ray_beta
    )
    return {
        "depth": params.depth_weight * _mean_where(depth_loss, known),
        "flow": params.flow_weight * _mean_where(flow_loss, flow_valid * emphasis),
        "motion": params.motion_weight * motion_loss,
        "rays": params.rays_weight * rays_loss,
    }


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp_min(1)


def _set_means(expert: Expert4D, worlds: WorldsFile) -> None:
    """Set the buffers of the heads to the mean maps of the training worlds."""
    batch = all_clips(worlds, expert.config)
    known = batch.depth_bthw > 0
    log_depth = np.log(np.where(known, batch.depth_bthw, 1)).astype(np.float64)
    count = known.sum((0, 1)).clip(min=1)
    mean_log_depth = (log_depth * known).sum((0, 1)) / count
    expert.mean_log_depth_hw.copy_(torch.from_numpy(mean_log_depth))
    mean_rays = batch.rays_bthw6.astype(np.float64).mean(0)
    expert.mean_rays_thw6.copy_(torch.from_numpy(mean_rays))


def all_clips(worlds: WorldsFile, config: ExpertConfig) -> ClipBatch:
    """One clip of every world, from its first frame."""
    rows = np.arange(len(worlds))
    return worlds.cut(rows, np.zeros_like(rows), config.frames, config.tokens_hw)


def latent_statistics(expert: Expert4D, worlds: WorldsFile) -> dict[str, NDArray[np.float32]]:
    """Mean and standard deviation of the latents per hook and channel, `mean_hd` and `std_hd`.

    They are computed over one clip of every training world. The latent loss of a student compares
    latents that are standardised with them, because channels differ widely in size.
    """
    count = 0
    total = np.zeros((len(expert.config.hooks), expert.config.width))
    squares = np.zeros_like(total)
    for latents, _, _ in _inferred(expert, worlds):
        values = latents.double().numpy()
        axes = (0, 2, 3, 4)
        total += values.sum(axes)
        squares += np.square(values).sum(axes)
        count += values.size // total.size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return {"mean_hd": mean.astype(np.float32), "std_hd": std.astype(np.float32)}


def _inferred(
    expert: Expert4D, worlds: WorldsFile
) -> Iterator[tuple[Tensor, DenseMaps, ClipBatch]]:
    config = expert.config
    for first in range(0, len(worlds), CARD_BATCH):
        rows = np.arange(first, min(first + CARD_BATCH, len(worlds)))
        batch = worlds.cut(rows, np.zeros_like(rows), config.frames, config.tokens_hw)
        with torch.no_grad():
            latents, maps = expert(torch.from_numpy(batch.rgb_bthw3))
        yield latents, maps, batch


def measure(expert: Expert4D, worlds: WorldsFile) -> dict[str, Any]:
    """Errors on `worlds` of the expert and of constant predictions (`trivial`).

    `trivial` is the mean depth map, the mean rays of the first frame (a still camera), no flow, and
    motion everywhere, which has the best intersection over union of all constant predictions.
    """
    parts = list(_inferred(expert, worlds))
    depth = np.concatenate([np.exp(maps.log_depth_bthw.numpy()) for _, maps, _ in parts])
    flow = np.concatenate([maps.flow_px_bthw2.numpy() for _, maps, _ in parts])
    motion = np.concatenate([torch.sigmoid(maps.motion_logit_bthw).numpy() for _, maps, _ in parts])
    rays = np.concatenate([maps.rays_bthw6.numpy() for _, maps, _ in parts])
    truth = all_clips(worlds, expert.config)
    return {
        "holdout_worlds": len(worlds),
        "expert4d": _errors(truth, depth=depth, flow=flow, motion=motion, rays=rays),
        "trivial": _errors(
            truth,
            depth=np.broadcast_to(np.exp(expert.mean_log_depth_hw.numpy()), depth.shape),
            flow=np.zeros_like(flow),
            motion=np.ones_like(motion),
            rays=np.broadcast_to(expert.mean_rays_thw6.numpy()[:1], rays.shape),
        ),
    }


def _errors(
    truth: ClipBatch, *, depth: NDArray, flow: NDArray, motion: NDArray, rays: NDArray
) -> dict[str, float | None]:
    known, valid, true_flow = truth.depth_bthw > 0, truth.flow_valid_bthw, truth.flow_px_bthw2
    values = {
        "depth_absrel": measures.depth_absrel(depth, truth.depth_bthw, known),
        "depth_delta1": measures.depth_delta1(depth, truth.depth_bthw, known),
        "flow_epe_px": measures.flow_epe_px(flow, true_flow, valid),
        "flow_zero_epe_px": measures.flow_epe_px(np.zeros_like(flow), true_flow, valid),
        "flow_moving_epe_px": measures.flow_epe_px(flow, true_flow, valid & truth.moving_bthw),
        "motion_iou": measures.motion_iou(motion, truth.moving_bthw),
        "ray_angle_rad": measures.ray_angle_rad(rays, truth.rays_bthw6),
    }
    return {name: None if value is None else round(value, 6) for name, value in values.items()}


def _contiguous(expert: Expert4D) -> dict[str, Tensor]:
    return {name: value.detach().contiguous() for name, value in expert.state_dict().items()}
