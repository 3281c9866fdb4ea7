"""Which weights of a student learn: all, all but the vision encoder, or low-rank additions.

The paper trains the projector and the language model and freezes the encoder (section 4.1). LoRA
(Hu et al. 2021) adds a low-rank product to the language model's linear layers; the projector still
learns in full, because the time encoding that enters it is new to it. What is saved is always a
plain checkpoint: the additions are merged into the weights first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraModel
from torch import nn
from transformers import PreTrainedModel

from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.students.model.adapters import StudentAdapter

FULL, FROZEN_ENCODER, LORA = "full", "frozen_encoder", "lora"
RANK, SCALE = 16, 32
"""Rank and alpha of the low-rank additions."""
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers in every block of the language models of all families."""


@dataclass(frozen=True)
class Trained:
    """A student prepared for training.

    Attributes:
        how: `full`, `frozen_encoder` or `lora`.
        trainable: number of weights that learn.
        total: number of weights of the student, without additions.
    """

    how: str
    trainable: int
    total: int


def prepare(adapter: StudentAdapter, how: str, *, seed: int = 0) -> Trained:
    """Decide in place which weights of `adapter.model` learn.

    Idempotent for `full` and `frozen_encoder`; the optimizer must be given only weights with
    `requires_grad`, as `transformers.Trainer` does.

    Args:
        adapter: the student; its model stays the same object.
        how: `full`, `frozen_encoder` or `lora`.
        seed: draws the additions; the student answers as before until they are trained.

    Raises:
        ContractError: `how` is unknown.
    """
    model = adapter.model
    total = sum(weight.numel() for weight in model.parameters())
    if how == FULL:
        model.requires_grad_(True)
    elif how == FROZEN_ENCODER:
        model.requires_grad_(True)
        adapter.encoder().requires_grad_(False)
        _unfreeze(adapter.projector())
    elif how == LORA:
        model.requires_grad_(False)
        _add_low_rank(model, seed)
        _unfreeze(adapter.projector())
    else:
        raise ContractError(
            f"training.trainable: {how} is none of {FULL}, {FROZEN_ENCODER}, {LORA}"
        )
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return Trained(how, learning, total)


def merged(model: PreTrainedModel) -> PreTrainedModel:
    """The same model with its additions folded into the weights, in place; all weights learn again.

    A model without additions is returned as it is.
    """
    for name, layer in list(model.named_modules()):
        if hasattr(layer, "merge") and hasattr(layer, "get_base_layer"):
            layer.merge(safe_merge=True)  # refuses weights that are not finite
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.get_base_layer())
    model.requires_grad_(True)
    return model


def _add_low_rank(model: PreTrainedModel, seed: int) -> None:
    base: Any = model
    config = LoraConfig(
        r=RANK,
        lora_alpha=SCALE,
        lora_dropout=0.0,  # equal runs have equal bytes, and P4D regularises already
        target_modules=rf".*language_model\..*\.({'|'.join(LINEAR)})",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("low-rank additions", seed))
        LoraModel(base, config, "default")  # puts its layers into `base`


def _unfreeze(parts: list[nn.Module]) -> None:
    for part in parts:
        part.requires_grad_(True)
