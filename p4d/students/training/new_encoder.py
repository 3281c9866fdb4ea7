"""An untrained vision encoder in the place of the base student's, for an arm that distils.

An encoder that has settled on what questions reward learns a teacher's motion later than one that
starts untrained (docs/regime.md, "Perception first"). The language model keeps its weights.
"""

from __future__ import annotations

from typing import Any

from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.students.model.adapters import StudentAdapter, adapter_for


def draw_encoder(adapter: StudentAdapter, *, seed: int) -> None:
    """Give the encoder of `adapter` untrained weights, in place; equal seeds give equal weights.

    `seed` is that of torch.

    Raises:
        ContractError: the network has no numbers yet, because it is sharded over processes.
    """
    model: Any = adapter.model
    if any(weight.is_meta for weight in model.parameters()):
        raise ContractError(
            "distillation.encoder: new needs the whole network in each process; train without "
            "configs/fsdp.yaml, or set distillation.encoder: base"
        )
    with deterministic(1, seed=seed):
        drawn: Any = type(model)(model.config)
    adapter.encoder().load_state_dict(adapter_for(drawn).encoder().state_dict())
