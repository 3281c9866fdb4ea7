"""Losses of Perceptual 4D Distillation (paper section 3.3, Eq. 6, 7 and A8), as named terms.

total = sft + sum over distillation terms of weight x term, with the terms `latent`, `depth`,
`flow`, `motion` and `rays`. Each term is a mean over its valid elements, in float32.

A step may be computed in parts, one after another or by several processes. A part's loss is its
sum over the count of the whole step, so that the parts add up to the loss of the undivided step,
however answers and valid pixels are spread over them. `counts` are what the parts are divided by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from p4d.errors import ConfigError
from p4d.teachers.protocol import DenseMaps

# Paper A1.3: alpha 0.5 for the latent term, beta 0.1 times lambda 1 / 0.1 / 0.05 / 0.05.
# Release: --ld_weight 0.01 and --ed_weights of its training script.
PRESETS: Mapping[str, Mapping[str, float]] = {
    "paper": {"latent": 0.5, "depth": 0.1, "flow": 0.01, "motion": 0.005, "rays": 0.005},
    "release": {"latent": 0.01, "depth": 0.1, "flow": 0.001, "motion": 0.01, "rays": 0.00001},
}

MAX_AUTO_WEIGHT = 10.0
"""A term that is already near zero is mostly noise; without a bound `auto` would amplify it."""


_COUNTED = {"flow": "flow_valid_thw", "rays": "rays_thw6"}  # else valid_thw


def counts(
    targets: int, labels: Mapping[str, Tensor], modalities: Sequence[str], *, latents: bool
) -> dict[str, float]:
    """Elements that each term of a batch is a mean over: answer tokens, latents, valid pixels.

    Args:
        targets: answer tokens.
        labels: as for `explicit_losses`, and `latents`; may be empty.
        modalities: explicit terms that are computed.
        latents: whether the latent term is.
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


def latent_loss(predicted: Tensor, target: Tensor, count: float | None = None) -> Tensor:
    """Mean SmoothL1 between standardised latents `[B, H, t, h, w, D]`; `count` per step."""
    total = _smooth_l1(predicted, target).sum()
    return total / max(target.numel() if count is None else count, 1.0)


def explicit_losses(
    maps: DenseMaps,
    labels: Mapping[str, Tensor],
    modalities: Sequence[str],
    of_step: Mapping[str, float] | None = None,
) -> dict[str, Tensor]:
    """Terms of the explicit modalities.

    Depth: SmoothL1 of log depth where the label is valid. Flow: SmoothL1 in px of the map where
    valid, never in frame 0, which has no previous frame. Motion: divergence of the predicted from
    the labelled probability, zero when they agree. Rays: SmoothL1 of (d, o x d).

    Args:
        maps: decoded from predicted latents.
        labels: `depth_thw` in m, `flow_px_thw2`, `motion_thw`, `rays_thw6`, `valid_thw`,
            `flow_valid_thw`, each with a batch dimension in front.
        modalities: which terms to compute.
        of_step: `counts` of the step that this batch is part of; default: of this batch.
    """
    per = of_step or counts(0, labels, modalities, latents=False)
    sums: dict[str, Tensor] = {}
    if "depth" in modalities:
        valid = labels["valid_thw"] > 0
        target = torch.where(valid, labels["depth_thw"].float(), 1.0).clamp_min(1e-3).log()
        sums["depth"] = _masked_sum(_smooth_l1(maps.log_depth_bthw, target), valid)
    if "flow" in modalities:
        valid = labels["flow_valid_thw"] > 0
        valid[:, 0] = False
        target = torch.where(valid[..., None], labels["flow_px_thw2"].float(), 0.0)
        error = _smooth_l1(maps.flow_px_bthw2, target).mean(dim=-1)
        sums["flow"] = _masked_sum(error, valid)
    if "motion" in modalities:
        valid = labels["valid_thw"] > 0
        target = torch.where(valid, labels["motion_thw"].float(), 0.5)
        sums["motion"] = _masked_sum(_divergence(maps.motion_logit_bthw, target), valid)
    if "rays" in modalities:
        sums["rays"] = _smooth_l1(maps.rays_bthw6, labels["rays_thw6"]).sum()
    return {name: total / max(per[name], 1.0) for name, total in sums.items()}


def _smooth_l1(predicted: Tensor, target: Tensor) -> Tensor:
    return functional.smooth_l1_loss(predicted.float(), target.float(), reduction="none")


def _divergence(logit: Tensor, probability: Tensor) -> Tensor:
    """Divergence of Bernoulli distributions, per element."""
    cross = functional.binary_cross_entropy_with_logits(
        logit.float(), probability, reduction="none"
    )
    other = 1 - probability
    return cross + torch.xlogy(probability, probability) + torch.xlogy(other, other)


def _masked_sum(values: Tensor, kept: Tensor) -> Tensor:
    """Sum where the mask holds; zero when it holds nowhere.

    Labels must be filled in where the mask does not hold: a NaN would reach the gradient through
    the zero it is multiplied with.
    """
    return torch.where(kept, values, 0.0).sum()


class TermWeights:
    """Weights of the distillation terms: fixed by a preset, or balanced at first and then frozen.

    `auto` gives all terms together `target_ratio` of the SFT loss, half of it to the latents and
    half to the explicit terms in equal parts, by the mean magnitudes of the last few batches, and
    freezes after `calibration_steps`. It does not stop at the first batches: until a student has
    learned to answer with a letter, which takes
    some 30 steps, its SFT loss is many times what it is for the rest of the run. (Raw magnitudes
    differ by orders between experts, so fixed weights do not transfer.)

    A step is weighted by what the steps before it showed, since its own magnitudes are known only
    when all of its parts are computed; the first step of `auto` is SFT alone.
    """

    def __init__(
        self,
        preset: str,
        target_ratio: float,
        *,
        calibration_steps: int = 40,
        window: int = 10,
    ) -> None:
        """`preset`: paper, release or auto; `window`: batches that are averaged."""
        if preset != "auto" and preset not in PRESETS:
            raise ConfigError(f"distillation preset {preset!r}: known are auto, {sorted(PRESETS)}")
        self._fixed = PRESETS.get(preset)
        self._ratio, self._steps = target_ratio, calibration_steps
        self._recent: deque[dict[str, float]] = deque(maxlen=window)
        self._seen = 0
        self._weights: dict[str, float] = {}

    def observe(self, terms: Mapping[str, float]) -> Mapping[str, float]:
        """Weights after a step with these raw magnitudes (`sft` and the distillation terms)."""
        names = [name for name in terms if name != "sft"]
        if self._fixed is not None:
            self._weights = {name: self._fixed[name] for name in names}
        elif self._seen < self._steps and any(terms[name] > 0 for name in names):
            self._seen += 1
            self._recent.append(dict(terms))
            self._weights = {
                name: min(share * self._sft_over(name), MAX_AUTO_WEIGHT)
                for name, share in self._shares(names).items()
            }
        return self._weights

    def _shares(self, names: Sequence[str]) -> dict[str, float]:
        explicit = [name for name in names if name != "latent"]
        half = 0.5 if "latent" in names else 1.0
        parts = {name: half / len(explicit) for name in explicit}
        latent = {"latent": 1.0 - sum(parts.values())} if "latent" in names else {}
        return {name: self._ratio * part for name, part in (latent | parts).items()}

    def _sft_over(self, name: str) -> float:
        """How many times the SFT loss is this term; 0 where the term had nothing to compare.

        A batch of a warm-up that asks nothing has no SFT loss; 1 stands for it.
        """
        term = sum(batch[name] for batch in self._recent)
        return sum(batch["sft"] or 1.0 for batch in self._recent) / term if term > 0 else 0.0

    def of(self, names: Iterable[str]) -> dict[str, float]:
        """Weights in use for these terms; 0 for one that `auto` has not seen yet."""
        known = self._weights if self._fixed is None else self._fixed
        return {name: known.get(name, 0.0) for name in names if name != "sft"}

    @property
    def current(self) -> Mapping[str, float]:
        """Weights in use; frozen once the calibration is over."""
        return dict(self._weights)

    def state(self) -> dict[str, object]:
        """What `restore` needs to go on, as plain values."""
        return {"seen": self._seen, "weights": self._weights, "recent": list(self._recent)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self._seen = int(state["seen"])
        self._weights = dict(state["weights"])
        self._recent.clear()
        self._recent.extend(dict(batch) for batch in state["recent"])
