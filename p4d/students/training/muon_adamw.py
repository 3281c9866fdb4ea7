"""One optimizer: Muon for matrices of blocks and projector, AdamW for all other weights.

Muon orthogonalises the momentum of a matrix, so that its step changes all directions alike
(Jordan et al. 2024). `torch.optim.Muon` takes matrices only, and a trainer takes one optimizer:
this class holds one of each. Both use the groups and the states of this optimizer, so that a
schedule and a checkpoint see one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from p4d.config import TrainingParams
from p4d.students.training.run import Phases

_FLOOR = 0.03
"""Of the rate at the end of the first phase: the last steps of a cosine at zero would be lost."""

_BLOCKS = (".blocks.", ".layers.", ".merger.")


class MuonAdamW(torch.optim.Optimizer):
    """One step of Muon and one of AdamW."""

    def __init__(self, groups: list[dict[str, Any]], betas: tuple[float, float]) -> None:
        """`groups` have `params`, `lr`, `weight_decay` and `muon`: whether it holds matrices."""
        super().__init__(groups, {})
        self._betas = betas
        self._share()

    def _share(self) -> None:
        """Give both optimizers the groups and the state of this one."""
        matrices = [group for group in self.param_groups if group["muon"]]
        rest = [group for group in self.param_groups if not group["muon"]]
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            parts.append(torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw"))
        if rest:
            parts.append(torch.optim.AdamW(rest, betas=self._betas))
        for part in parts:
            part.state = self.state
        self._parts = parts

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step all weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        resting = self._decay_resting()
        for part in self._parts:
            part.step()
        for weight, gradient in resting:
            weight.grad = gradient
        return loss

    def _decay_resting(self) -> list[tuple[Tensor, Tensor]]:
        """Step the matrices that have had no gradient but zeros, and take theirs away.

        Their momentum is zero and nothing but their decay changes them. Orthogonalising it costs
        as much as any other: the language model rests while the encoder learns alone.
        """
        resting = []
        for group in self.param_groups:
            for weight in group["params"] if group["muon"] else ():
                gradient = weight.grad
                if gradient is None or isinstance(gradient, DTensor) or gradient.any():
                    continue
                state = self.state[weight]
                state.setdefault("momentum_buffer", torch.zeros_like(gradient))
                if not state["momentum_buffer"].any():
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.grad = None
                    resting.append((weight, gradient))
        return resting

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load groups and states; both are replaced, so they are shared again."""
        super().load_state_dict(state_dict)
        self._share()


def muon_adamw(model: nn.Module, encoder: nn.Module, params: TrainingParams) -> MuonAdamW:
    """The optimizer of a run.

    Args:
        model: the student, and the decoder if there is one.
        encoder: the part of the student whose learning rate is multiplied by `encoder_rate`.
        params: rates, decay and betas.
    """
    inside = {id(weight) for weight in encoder.parameters()}
    found: dict[tuple[bool, bool, bool], list[Tensor]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            matrix = weight.ndim == 2 and any(part in name for part in _BLOCKS)
            kind = (matrix, id(weight) in inside, weight.ndim > 1)
            found.setdefault(kind, []).append(weight)
    groups = []
    for (matrix, encodes, decays), weights in sorted(found.items(), key=lambda item: item[0]):
        rate = params.learning_rate * (params.encoder_rate if encodes else 1.0)
        groups.append(
            {
                "params": weights,
                "lr": rate * (params.muon_rate if matrix else 1.0),
                "weight_decay": params.weight_decay if decays else 0.0,
                "muon": matrix,
            }
        )
    first, second = params.adam_betas
    return MuonAdamW(groups, (first, second))


def schedule(
    optimizer: MuonAdamW, params: TrainingParams, phases: Phases
) -> torch.optim.lr_scheduler.LambdaLR:
    """A rise over `warmup_fraction`, then a cosine to zero.

    If the first steps ask no question, they have a schedule of their own: the language model begins
    to learn when the encoder has learned.
    """
    alone = phases.unasked_steps

    def factor(step: int) -> float:
        if step < alone:
            return _FLOOR + (1 - _FLOOR) * _cycle(step, alone, params.warmup_fraction)
        return _cycle(step - alone, params.steps - alone, params.warmup_fraction)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _cycle(step: int, steps: int, warmup_fraction: float) -> float:
    rise = max(1.0, warmup_fraction * steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1.0, steps - rise))))
