"""Bytes of a training run on each device: counted for weights, estimated for activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from p4d.config import TrainingParams
from p4d.students.model.adapters import StudentAdapter

FLOAT32, BFLOAT16 = 4, 2
WIDTHS_KEPT = 8
"""Hidden widths that a block keeps for its gradient besides its MLP: norms, queries, outputs."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes per device.

    Attributes:
        weights: of student and perception decoder.
        gradients: of what is trained.
        optimizer: moments in float32, and a float32 copy of weights in bfloat16.
        activations: estimated for one clip: what blocks keep, one block in full if the rest is
            computed again (`gradient_checkpointing`), and the attention mask.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def memory_of(
    adapter: StudentAdapter, decoder: nn.Module, params: TrainingParams, tokens: int, devices: int
) -> Memory:
    """Count a prepared student on `devices` devices over which FSDP shards everything but inputs.

    Args:
        adapter: its model may be on the meta device.
        decoder: the perception decoder, trained in float32.
        params: precision, type of weights, checkpointing.
        tokens: of a row.
        devices: 1, or as many as shards.
    """
    each = BFLOAT16 if params.weights == "bfloat16" else FLOAT32
    student = list(adapter.model.parameters())
    held = sum(weight.numel() for weight in student)
    trained = sum(weight.numel() for weight in student if weight.requires_grad)
    extra = sum(weight.numel() for weight in decoder.parameters())
    states = 2 * FLOAT32 + (FLOAT32 if each == BFLOAT16 else 0)
    return Memory(
        weights=(held * each + extra * FLOAT32) // devices,
        gradients=(trained * each + extra * FLOAT32) // devices,
        optimizer=(trained * states + extra * 2 * FLOAT32) // devices,
        activations=_activations(adapter, params, tokens),
    )


def _activations(adapter: StudentAdapter, params: TrainingParams, tokens: int) -> int:
    """Of one clip; the encoder counts only if its weights are trained."""
    each = BFLOAT16 if params.precision == "bfloat16" else FLOAT32
    config: Any = adapter.model.config
    text, vision = config.get_text_config(), config.vision_config
    found = tokens * tokens  # the mask, one byte per pair
    towers = [(text.num_hidden_layers, text.hidden_size, text.intermediate_size, tokens)]
    # The projector may be the last part of the encoder; the first part is trained with the encoder.
    if next(adapter.encoder().parameters()).requires_grad:
        depth = getattr(vision, "depth", None) or vision.num_hidden_layers
        patches = 4 * tokens  # every family merges or pools 2 x 2
        towers.append((depth, vision.hidden_size, vision.intermediate_size, patches))
    for blocks, width, inner, length in towers:
        whole = length * (WIDTHS_KEPT * width + 3 * inner) * each
        kept = blocks * length * width * each + whole
        found += kept if params.gradient_checkpointing else blocks * whole
    return found
