"""AdamW for weights in bfloat16, with moments and a copy of the weights in float32.

A bfloat16 number has three digits: a step of 1e-5 does not change a weight of 0.1 at all. The copy
collects such steps, and the weights follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class MasterAdamW(torch.optim.Optimizer):
    """AdamW (decoupled decay) whose state of each weight is in float32."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        """As `torch.optim.AdamW`."""
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step the float32 copies, then round the weights from them."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            states = [self._state_of(weight) for weight in weights]
            if not weights:
                continue
            adamw(
                [state["master"] for state in states],
                [weight.grad.float() for weight in weights],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )
            for weight, state in zip(weights, states, strict=True):
                weight.copy_(state["master"])
        return loss

    def _state_of(self, weight: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[weight]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["master"] = weight.detach().float().clone()
            state["exp_avg"] = torch.zeros_like(state["master"])
            state["exp_avg_sq"] = torch.zeros_like(state["master"])
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # type: ignore[override]
        """Load a state; torch would cast it to the type of the weights."""
        kept = {
            key: {name: value.clone() for name, value in state.items()}
            for key, state in state_dict["state"].items()
        }
        super().load_state_dict(state_dict)
        # As in torch: states belong to weights by their places in the groups, under any key.
        keys = [key for group in state_dict["param_groups"] for key in group["params"]]
        weights = [weight for group in self.param_groups for weight in group["params"]]
        for key, weight in zip(keys, weights, strict=True):
            own = self.state[weight]
            for name, value in kept.get(key, {}).items():
                own[name] = value.to(own[name].device)
