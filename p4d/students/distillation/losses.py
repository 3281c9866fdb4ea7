"""Losses of Perceptual 4D Distillation (paper section 3.3, Eq. 6, 7 and A8), as named terms.

total = sft + sum over distillation terms of weight x term, with the terms `latent`, `depth`,
`flow`, `motion` and `rays`, and `region` (p4d/students/distillation/regions.py). Each term is a
mean over its valid elements, in float32.

`distillation.losses` chooses how terms compare:

| | p4d | paper (A1.3) | release |
|---|---|---|---|
| latent | SmoothL1, standardised | SmoothL1, raw | squared error, raw |
| depth | SmoothL1 of log depth | SmoothL1 of depth | SmoothL1 of log depth |
| motion | divergence of probabilities | SmoothL1 of probabilities | SmoothL1 of logits |
| flow, rays | SmoothL1 | SmoothL1 | SmoothL1 |

The paper does not say in which space depth and motion are compared; its column takes them as the
teacher gives them. The release's document calls the latent term a squared error.

A step may be computed in parts, sequentially or by several processes. The loss of a part is its
sum divided by the count of the whole step. The parts therefore add up to the loss of the undivided
step, however answers and valid pixels are distributed over them. `counts` returns these counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from p4d.config import DistillationParams
from p4d.errors import ConfigError
from p4d.teachers.protocol import DenseMaps

# Paper A1.3: alpha 0.5 for the latent term, beta 0.1 times lambda 1 / 0.1 / 0.05 / 0.05.
# Release: --ld_weight 0.01 and --ed_weights of its training script.
PRESETS: Mapping[str, Mapping[str, float]] = {
    "paper": {"latent": 0.5, "depth": 0.1, "flow": 0.01, "motion": 0.005, "rays": 0.005},
    "release": {"latent": 0.01, "depth": 0.1, "flow": 0.001, "motion": 0.01, "rays": 0.00001},
}

_COUNTED = {"flow": "flow_valid_thw", "rays": "rays_thw6"}
"""Array whose elements count for a modality; `valid_thw` for the others."""


def counts(
    targets: int, labels: Mapping[str, Tensor], modalities: Sequence[str], *, latents: bool
) -> dict[str, float]:
    """Number of elements each term of a batch is averaged over.

    Args:
        targets: number of answer tokens.
        labels: as for `explicit_losses`, and `latents`; may be empty.
        modalities: explicit terms that are computed.
        latents: whether the latent term is computed.
    """
    found = {"sft": float(targets)}
    if latents:
        found["latent"] = float(labels["latents"].numel()) if labels else 0.0
    for name in modalities:
        found[name] = _labelled(labels.get(_COUNTED.get(name, "valid_thw")), name)
    return found


def _labelled(counted: Tensor | None, modality: str) -> float:
    if counted is None:
        return 0.0
    if modality == "rays":
        return float(counted.numel())
    return float((counted[:, 1:] > 0).sum() if modality == "flow" else (counted > 0).sum())


def sft_loss(logits: Tensor, targets: Tensor, count: float | None = None) -> Tensor:
    """Cross-entropy over answer tokens: logits `[A, V]`, targets `[A]`; `count` tokens per step."""
    total = functional.cross_entropy(logits.float(), targets, reduction="sum")
    return total / max(len(targets) if count is None else count, 1.0)


def latent_loss(
    predicted: Tensor, target: Tensor, count: float | None = None, *, squared: bool = False
) -> Tensor:
    """Mean SmoothL1 or squared error between latents `[B, H, t, h, w, D]`; `count` per step."""
    error = (predicted.float() - target.float()).square() if squared else None
    total = (_smooth_l1(predicted, target) if error is None else error).sum()
    return total / max(target.numel() if count is None else count, 1.0)


def explicit_losses(
    maps: DenseMaps,
    labels: Mapping[str, Tensor],
    modalities: Sequence[str],
    of_step: Mapping[str, float] | None = None,
    *,
    losses: str = "p4d",
) -> dict[str, Tensor]:
    """Terms of the explicit modalities, for `losses: p4d`; the module's text has the others.

    - depth: SmoothL1 of log depth where the label is valid;
    - flow: SmoothL1 in pixels of the map where valid, except in frame 0, which has no previous one;
    - motion: Kullback-Leibler divergence of the predicted from the labelled Bernoulli distribution;
    - rays: SmoothL1 of Pluecker coordinates (d, o x d).

    Args:
        maps: decoded from predicted latents.
        labels: `depth_thw` in m, `flow_px_thw2`, `motion_thw`, `rays_thw6`, `valid_thw`,
            `flow_valid_thw`, each with a batch dimension in front.
        modalities: which terms to compute.
        of_step: `counts` of the step that this batch is part of; default: of this batch.
        losses: `p4d`, `paper` or `release`.
    """
    per = of_step or counts(0, labels, modalities, latents=False)
    sums: dict[str, Tensor] = {}
    if "depth" in modalities:
        valid = labels["valid_thw"] > 0
        target = torch.where(valid, labels["depth_thw"].float(), 1.0).clamp_min(1e-3)
        if losses == "paper":
            error = _smooth_l1(maps.log_depth_bthw.float().exp(), target)
        else:
            error = _smooth_l1(maps.log_depth_bthw, target.log())
        sums["depth"] = _masked_sum(error, valid)
    if "flow" in modalities:
        valid = labels["flow_valid_thw"] > 0
        valid[:, 0] = False
        target = torch.where(valid[..., None], labels["flow_px_thw2"].float(), 0.0)
        error = _smooth_l1(maps.flow_px_bthw2, target).mean(dim=-1)
        sums["flow"] = _masked_sum(error, valid)
    if "motion" in modalities:
        valid = labels["valid_thw"] > 0
        target = torch.where(valid, labels["motion_thw"].float(), 0.5)
        sums["motion"] = _masked_sum(_motion_error(maps.motion_logit_bthw, target, losses), valid)
    if "rays" in modalities:
        sums["rays"] = _smooth_l1(maps.rays_bthw6, labels["rays_thw6"]).sum()
    return {name: total / max(per[name], 1.0) for name, total in sums.items()}


def _motion_error(logit: Tensor, probability: Tensor, losses: str) -> Tensor:
    if losses == "paper":
        return _smooth_l1(torch.sigmoid(logit.float()), probability)
    if losses == "release":
        return _smooth_l1(logit, torch.logit(probability, eps=1e-4))
    return _divergence(logit, probability)


def _smooth_l1(predicted: Tensor, target: Tensor) -> Tensor:
    return functional.smooth_l1_loss(predicted.float(), target.float(), reduction="none")


def _divergence(logit: Tensor, probability: Tensor) -> Tensor:
    """Kullback-Leibler divergence of Bernoulli distributions, per element."""
    cross = functional.binary_cross_entropy_with_logits(
        logit.float(), probability, reduction="none"
    )
    other = 1 - probability
    return cross + torch.xlogy(probability, probability) + torch.xlogy(other, other)


def _masked_sum(values: Tensor, kept: Tensor) -> Tensor:
    """Sum where the mask is true; zero if it is true nowhere.

    Labels must be finite where the mask is false: a NaN would reach the gradient, because it is
    multiplied by zero there.
    """
    return torch.where(kept, values, 0.0).sum()


@dataclass(frozen=True, kw_only=True)
class AutoBalance:
    """Settings of the preset `auto`; see `DistillationParams` for values and reasons.

    Attributes:
        target_ratio: all distillation terms together, as a multiple of the SFT loss.
        region_share: share of the region term in that.
        latent_share: share of the latent term in the rest; the explicit terms share what is left
            equally.
        max_weight: largest weight of a term.
        calibration_steps: steps with labels after which the weights are frozen.
        window_steps: number of last steps whose raw magnitudes are averaged.
    """

    target_ratio: float
    region_share: float = 0.0
    latent_share: float
    max_weight: float
    calibration_steps: int
    window_steps: int

    @classmethod
    def of(cls, params: DistillationParams) -> AutoBalance:
        """The settings of `params.yaml`."""
        return cls(
            target_ratio=params.target_ratio,
            region_share=params.region_share,
            latent_share=params.auto_latent_share,
            max_weight=params.auto_max_weight,
            calibration_steps=params.auto_calibration_steps,
            window_steps=params.auto_window_steps,
        )


class TermWeights:
    """Weights of the distillation terms: fixed by a preset, or balanced first and then frozen.

    `auto` sets the weights so that all terms together are `target_ratio` of the SFT loss, by the
    mean magnitudes of the last `window_steps` steps, and freezes them after `calibration_steps`.
    It does not stop at the first steps: until a student has learned to answer with a letter, which
    takes about 30 steps, its SFT loss is many times that of the rest of the run. Raw magnitudes
    differ by orders of magnitude between experts, so fixed weights do not transfer.

    The weights of a step come from the steps before it, because its own magnitudes are known only
    after all of its parts are computed; the first step of `auto` is SFT alone.
    """

    def __init__(self, preset: str, auto: AutoBalance | None = None) -> None:
        """`preset`: paper, release, or auto, which needs `auto`.

        Raises:
            ConfigError: the preset is unknown, or `auto` has no settings.
        """
        if preset != "auto" and preset not in PRESETS:
            raise ConfigError(
                f"distillation.preset {preset!r} is unknown; known are auto, {sorted(PRESETS)}"
            )
        if preset == "auto" and auto is None:
            raise ConfigError("distillation.preset auto needs the settings of AutoBalance")
        self._auto = auto if preset == "auto" else None
        self._fixed = PRESETS.get(preset)
        self._recent: deque[dict[str, float]] = deque(maxlen=auto.window_steps if auto else 1)
        self._seen = 0
        self._weights: dict[str, float] = {}

    def observe(self, terms: Mapping[str, float]) -> Mapping[str, float]:
        """Weights after a step with these raw magnitudes (`sft` and the distillation terms)."""
        names = [name for name in terms if name != "sft"]
        if self._fixed is not None:
            self._weights = {name: self._fixed[name] for name in names}
        elif self._auto is not None:
            self._balance(self._auto, names, terms)
        return self._weights

    def _balance(self, auto: AutoBalance, names: Sequence[str], terms: Mapping[str, float]) -> None:
        labelled = any(terms[name] > 0 for name in names)
        if self._seen >= auto.calibration_steps or not labelled:
            return
        self._seen += 1
        self._recent.append(dict(terms))
        explicit = [name for name in names if name not in ("latent", "region")]
        tokens = 1.0 - auto.region_share if "region" in names else 1.0
        rest = tokens * (1.0 - auto.latent_share) if "latent" in names else tokens
        shares = {name: rest / len(explicit) for name in explicit}
        if "latent" in names:
            shares["latent"] = tokens - sum(shares.values())
        if "region" in names:
            shares["region"] = auto.region_share
        # A term near zero is mostly noise; without a bound its weight would amplify it.
        self._weights = {
            name: min(auto.target_ratio * shares[name] * self._sft_over(name), auto.max_weight)
            for name in names
        }

    def _sft_over(self, name: str) -> float:
        """Ratio of the SFT loss to this term; 0 if the term had no labels.

        A step of a warm-up that asks no questions has no SFT loss; it counts as 1.
        """
        term = sum(batch[name] for batch in self._recent)
        return sum(batch["sft"] or 1.0 for batch in self._recent) / term if term > 0 else 0.0

    def of(self, names: Iterable[str]) -> dict[str, float]:
        """Weights in use for these terms; 0 for a term that `auto` has not observed yet."""
        known = self._weights if self._fixed is None else self._fixed
        return {name: known.get(name, 0.0) for name in names if name != "sft"}

    @property
    def current(self) -> Mapping[str, float]:
        """Weights in use; frozen after the calibration."""
        return dict(self._weights)

    def state(self) -> dict[str, object]:
        """What `restore` needs to continue, as plain values."""
        return {"seen": self._seen, "weights": self._weights, "recent": list(self._recent)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the point where `state` was taken."""
        self._seen = int(state["seen"])
        self._weights = dict(state["weights"])
        self._recent.clear()
        self._recent.extend(dict(batch) for batch in state["recent"])
