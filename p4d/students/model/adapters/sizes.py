"""Sizes of networks that are built from parameters, and the config keys that all families share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from p4d.config import StudentParams
from p4d.students.model.chat import TURN_END
from p4d.students.model.tokenizer import token_id

# Longer than any packed row; positions are rotary, so it costs no parameters.
MAX_POSITIONS = 4096


@dataclass(frozen=True, kw_only=True)
class VisionSizes:
    """Sizes of a vision encoder; `mlp_ratio` is the hidden width of its MLPs over `width`."""

    width: int
    blocks: int
    heads: int
    mlp_ratio: int
    patch_px: int

    @classmethod
    def of(cls, params: StudentParams) -> VisionSizes:
        """The sizes of `params.yaml`."""
        return cls(
            width=params.vision_width,
            blocks=params.vision_blocks,
            heads=params.vision_heads,
            mlp_ratio=params.vision_mlp_ratio,
            patch_px=params.patch_px,
        )


@dataclass(frozen=True, kw_only=True)
class TextSizes:
    """Sizes of a language model; `mlp_ratio` is the hidden width of its MLPs over `width`."""

    width: int
    blocks: int
    heads: int
    mlp_ratio: int

    @classmethod
    def of(cls, params: StudentParams) -> TextSizes:
        """The sizes of `params.yaml`."""
        return cls(
            width=params.text_width,
            blocks=params.text_blocks,
            heads=params.text_heads,
            mlp_ratio=params.text_mlp_ratio,
        )


def text_config(sizes: TextSizes, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Keys that the configs of Qwen2 and its successors share.

    Weights have a standard deviation of 1 / sqrt(width). The 0.02 of published configs is about
    that for their widths; at a width of 128 it slows learning down several times.
    """
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": sizes.width,
        "intermediate_size": sizes.mlp_ratio * sizes.width,
        "num_hidden_layers": sizes.blocks,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.heads,
        "max_position_embeddings": MAX_POSITIONS,
        "initializer_range": sizes.width**-0.5,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, TURN_END),
        "pad_token_id": tokenizer.pad_token_id,
    }
