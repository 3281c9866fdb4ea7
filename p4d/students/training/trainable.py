"""Which weights of a student are trained: all, all but the vision encoder, or LoRA.

The paper trains the projector and the language model and freezes the encoder (A1.3, Table 7); its
released code freezes the projector, too. LoRA
(Hu et al. 2021) adds low-rank updates to the language model's linear layers; the projector is still
trained in full, because the time encoding is new to its input. The saved student is always a plain
checkpoint: the updates are merged into the weights first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraModel
from torch import nn
from transformers import PreTrainedModel

from p4d.config import TrainingParams
from p4d.ids import seed_for
from p4d.students.model.adapters import StudentAdapter
from p4d.students.model.new_rows import add_new_rows, merged_rows

FULL, FROZEN_ENCODER, LORA = "full", "frozen_encoder", "lora"
LANGUAGE_MODEL = "language_model"


@dataclass(frozen=True)
class WeightCounts:
    """Weights of a student that was prepared for training.

    Attributes:
        trainable: number of weights that are trained.
        total: number of weights of the student, without LoRA updates.
    """

    trainable: int
    total: int


def prepare(
    adapter: StudentAdapter, params: TrainingParams, new_tokens: Sequence[int] = ()
) -> WeightCounts:
    """Freeze and unfreeze the weights of `adapter.model` in place, as `params.trainable` names.

    Idempotent for `full` and `frozen_encoder`. The optimizer must receive only weights with
    `requires_grad`, as from `transformers.Trainer`. With `lora` the student answers as before
    until the updates are trained; the rows of `new_tokens` in the table of embeddings are trained,
    too.
    """
    model = adapter.model
    total = sum(weight.numel() for weight in model.parameters())
    if params.trainable == FULL:
        model.requires_grad_(True)
    elif params.trainable == FROZEN_ENCODER:
        model.requires_grad_(True)
        adapter.encoder().requires_grad_(False)
        _unfreeze(adapter.projector())
    elif params.trainable == LANGUAGE_MODEL:
        model.requires_grad_(True)
        adapter.encoder().requires_grad_(False)
        for part in adapter.projector():
            part.requires_grad_(False)
    else:
        assert params.trainable == LORA  # checked by TrainingParams
        model.requires_grad_(False)
        _add_lora(model, params)
        _unfreeze(adapter.projector())
        if new_tokens:
            add_new_rows(model.get_input_embeddings(), torch.tensor(list(new_tokens)))
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return WeightCounts(trainable, total)


def merged(model: PreTrainedModel) -> PreTrainedModel:
    """The same model with its LoRA updates merged in place; all weights are trainable again.

    A model without updates is returned as it is.
    """
    merged_rows(model.get_input_embeddings())
    for name, layer in list(model.named_modules()):
        if hasattr(layer, "merge") and hasattr(layer, "get_base_layer"):
            layer.merge(safe_merge=True)  # raises if weights are not finite
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.get_base_layer())
    model.requires_grad_(True)
    return model


def _add_lora(model: PreTrainedModel, params: TrainingParams) -> None:
    base: Any = model
    config = LoraConfig(
        r=params.lora_rank,
        lora_alpha=params.lora_alpha,
        lora_dropout=params.lora_dropout,
        target_modules=rf".*language_model\..*\.({'|'.join(params.lora_targets)})",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("low-rank additions", params.seed))
        LoraModel(base, config, "default")  # inserts its layers into `base`


def _unfreeze(parts: list[nn.Module]) -> None:
    for part in parts:
        part.requires_grad_(True)
