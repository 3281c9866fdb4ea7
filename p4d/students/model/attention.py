"""Which attention a student's network uses, and in which form it takes what may attend to what.

Rows are packed: a mask separates questions that share a clip. `sdpa` takes it whole,
`[B, 1, N, N]`, `eager` as numbers that are added; `flex_attention` takes a rule, so that
blocks without any pair are never computed; `flash_attention_2` knows a causal order alone, so its
rows hold one question.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from transformers import PreTrainedModel
from transformers.utils import is_flash_attn_2_available

from p4d.errors import ConfigError, ContractError
from p4d.students.model.batch import PREFIX, PackedBatch

LOADED, FLEX, FLASH = "sdpa", "flex_attention", "flash_attention_2"


def use_attention(model: PreTrainedModel, name: str, device: torch.device, key: str) -> None:
    """Have a network use an implementation of attention.

    Args:
        model: as `load` gives it.
        name: `sdpa`, which every network is loaded with, `eager`, `flex_attention` or
            `flash_attention_2`.
        device: where the network will run.
        key: the parameter that chose it, for messages.

    Raises:
        ConfigError: this machine or this network cannot use it.
    """
    if name == LOADED:
        return
    if name in (FLEX, FLASH) and device.type != "cuda":
        raise ConfigError(
            f"{key}: {name} needs a CUDA device, and the network runs on {device.type}; sdpa runs "
            "everywhere"
        )
    if name == FLASH and not is_flash_attn_2_available():
        raise ConfigError(
            f"{key}: {name} needs the package flash-attn, built for this GPU; flex_attention comes "
            "with torch"
        )
    set_attention(model, name, key)


def set_attention(model: PreTrainedModel, name: str, key: str) -> None:
    """The same, whatever the device.

    Raises:
        ConfigError: the class of the network has no such implementation.
    """
    config: Any = model.config
    if name == FLEX:
        # Of the language model alone: the encoder has no packed rows, and would be compiled for
        # each size of pictures. transformers does not offer it for the Qwen families, for lack of
        # a mask for their positions; here, the rows bring their own.
        config.get_text_config()._attn_implementation = name
        return
    try:
        model.set_attn_implementation({"text_config": name, "vision_config": name})
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{key}: {name} cannot be used here: {error}") from error


def attention_of(model: PreTrainedModel) -> str:
    """The implementation that the language model of a network uses."""
    config: Any = model.config.get_text_config()
    return str(getattr(config, "_attn_implementation", None) or "eager")


def mask_for(model: PreTrainedModel, batch: PackedBatch, whole: Tensor) -> Tensor | BlockMask:
    """What the blocks of a network are given as the mask of a batch.

    Args:
        model: the network.
        batch: packed rows.
        whole: `batch.attention_mask()`.

    Raises:
        ContractError: rows hold several questions or options, and FlashAttention cannot separate
            them.
    """
    name = attention_of(model)
    if name == FLEX:
        return block_mask(batch)
    if name != FLASH:
        return in_form(model, whole)
    if bool((batch.segment_ids > 1).any() | (batch.branch_ids > 0).any()):
        raise ContractError(
            f"{FLASH} cannot keep the questions of a row apart; set training.questions_per_clip: 1 "
            "and student.answers: letter, or use flex_attention"
        )
    return batch.token_mask.long()


def takes_any_mask(model: PreTrainedModel) -> bool:
    """Whether the attention of a network takes a mask of any form, `in_form`."""
    return attention_of(model) not in (FLEX, FLASH)


def in_form(model: PreTrainedModel, mask: Tensor) -> Tensor:
    """A mask `[B, 1, N, M]` (query, key) as `sdpa` and `eager` take it."""
    if attention_of(model) != "eager":
        return mask
    least = torch.finfo(model.dtype).min  # it adds its mask
    return torch.zeros_like(mask, dtype=model.dtype).masked_fill(~mask, least)


def block_mask(batch: PackedBatch) -> BlockMask:
    """The rule of `PackedBatch.attention_mask`, for FlexAttention."""
    segments, branches = batch.segment_ids, batch.branch_ids

    def attends(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        del head
        same = segments[row, query] == segments[row, key]
        shared = (branches[row, key] == 0) | (branches[row, query] == branches[row, key])
        return (query >= key) & ((segments[row, key] == PREFIX) | (same & shared))

    rows, length = segments.shape
    return create_block_mask(attends, rows, None, length, length, device=str(segments.device))
