"""Sizes of a language model that is built from parameters, equal for every family."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

from p4d.config import StudentParams
from p4d.students.model.chat import TURN_END
from p4d.students.model.tokenizer import token_id

# Longer than any packed sample; positions are rotary, so it costs no parameters.
MAX_POSITIONS = 4096


def text_sizes(params: StudentParams, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Keys that the configs of Qwen2 and its successors share.

    Weights have deviation 1 / sqrt(width). The 0.02 of published configs is about that for their
    widths; at a width of 128 it slows learning down several times.
    """
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": params.text_width,
        "intermediate_size": 3 * params.text_width,
        "num_hidden_layers": params.text_blocks,
        "num_attention_heads": params.text_heads,
        "num_key_value_heads": params.text_heads,
        "max_position_embeddings": MAX_POSITIONS,
        "initializer_range": params.text_width**-0.5,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, TURN_END),
        "pad_token_id": tokenizer.pad_token_id,
    }
