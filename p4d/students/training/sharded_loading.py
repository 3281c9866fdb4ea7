"""Loads a student that several processes share: no process ever holds all of it.

A network of 8 B parameters in every process of a machine with eight GPUs would take eight times its
memory before the first step. Here each process builds the network without numbers (the meta
device), shards it, and reads its own parts from the safetensors of the base student.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from p4d.config import TrainingParams
from p4d.errors import TrainingError
from p4d.model_folder import ModelFolder
from p4d.students.model.adapters import adapter_for, family_named
from p4d.students.model.student import Student, load, read_card
from p4d.students.training.shard_files import read_parts
from p4d.students.training.trainable import LORA

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnreadWeights:
    """Weights of a network without numbers, which are read once it is sharded.

    Attributes:
        folder: of the safetensors files.
        names: name in the files of each weight of the network; tied weights under their first name.
    """

    folder: Path
    names: Mapping[str, str]


def open_base(folder: Path, params: TrainingParams) -> tuple[Student, UnreadWeights | None]:
    """The base student of a run, and what is still to be read of it.

    Under `accelerate launch` with sharding the network has no numbers yet; else, and with LoRA,
    whose updates are drawn beside the weights, it is loaded as a whole and nothing is unread.

    Raises:
        ContractError: the folder holds no student, or it is damaged.
    """
    dtype = getattr(torch, params.weights)
    if not shards() or params.trainable == LORA:
        return load(folder, dtype=dtype), None
    sees_video = bool(read_card(folder)["sees_video"])
    weights = ModelFolder.checked(folder / "model")
    kind = family_named(weights.config().model_type).model
    model = weights.outline(kind, dtype=dtype)
    names = _names_in_files(model, set(weights.weight_shapes()))
    if names is None:
        logger.warning("%s names its weights otherwise; every process loads all of it", folder)
        return load(folder, dtype=dtype), None
    tokenizer = ModelFolder.checked(folder / "tokenizer").tokenizer()
    student = Student(adapter=adapter_for(model), tokenizer=tokenizer, sees_video=sees_video)
    return student, UnreadWeights(weights.path, names)


def shards() -> bool:
    """Whether accelerate is set to shard over several processes (`configs/fsdp.yaml`)."""
    asked = os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
    return asked and int(os.environ.get("WORLD_SIZE", "1")) > 1


def read_shards(model: nn.Module, student: nn.Module, unread: UnreadWeights) -> None:
    """Give the shards of this process memory and read them; all processes take part.

    Args:
        model: sharded; holds the student.
        student: whose weights are on the meta device.
        unread: where they are.

    Raises:
        TrainingError: a file is damaged, or several weights are smaller than the number of
            processes, which accelerate could not tell apart.
    """
    device = next(w.device_mesh.device_type for w in student.parameters() if isinstance(w, DTensor))

    def with_memory(value: Tensor) -> Tensor:
        return torch.empty_like(value, device=device) if value.is_meta else value

    model._apply(with_memory)
    weights = dict(student.named_parameters())
    empty = [name for name, w in weights.items() if w.requires_grad and not _local(w).numel()]
    if len(empty) > 1:
        raise TrainingError(
            f"{', '.join(empty[:3])} have fewer rows than there are processes; use fewer processes "
            "or training.trainable: lora"
        )
    read_parts(unread.folder, {file: weights[name] for name, file in unread.names.items()})


def _local(weight: Tensor) -> Tensor:
    return weight.to_local() if isinstance(weight, DTensor) else weight


def _names_in_files(model: PreTrainedModel, stored: set[str]) -> dict[str, str] | None:
    """Name in the files of each weight; None if the files have other names than transformers gives.

    Published names of a family differ from those of its class; transformers renames them when it
    loads, and back when it saves.
    """
    weights: dict[str, Any] = dict(model.named_parameters())
    owners = {id(weight): name for name, weight in weights.items()}
    saved = revert_weight_conversion(model, dict(weights))
    names = {owners.get(id(weight), ""): file for file, weight in saved.items()}
    for found in (names, {name: name for name in weights}):
        if set(found) == set(weights) and set(found.values()) <= stored:
            return found
    return None
