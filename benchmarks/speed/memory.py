"""Computes the training memory of published model sizes from parameter counts. Runs nothing.

    python -m benchmarks.speed.memory

Weights are float32 (`training.precision: bfloat16` is autocast), so a trainable weight takes
16 bytes (itself, its gradient, two moments of AdamW) and a frozen one 4. Activations come on top.
"""

from __future__ import annotations

import torch
from transformers import LlavaOnevisionConfig, Qwen2_5_VLConfig, Qwen3VLConfig

from p4d.config import replace_params
from p4d.project import Project
from p4d.students.model.adapters import adapter_for, family_named
from p4d.students.training.trainable import FROZEN_ENCODER, FULL, LORA, prepare

GB = 1e9


def _onevision(hidden: int, layers: int, heads: int, kv: int, inner: int) -> LlavaOnevisionConfig:
    return LlavaOnevisionConfig(
        text_config=_text("qwen2", hidden, layers, heads, kv, inner, 152_000),
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 26,
            "num_attention_heads": 16,
            "image_size": 384,
            "patch_size": 14,
            "vision_use_head": False,
        },
        tie_word_embeddings=hidden < 1000,
    )


def _qwen2_5(hidden: int, layers: int, heads: int, kv: int, inner: int) -> Qwen2_5_VLConfig:
    text = _text("qwen2_5_vl_text", hidden, layers, heads, kv, inner, 151_936)
    text["rope_parameters"] = {
        "rope_type": "default",
        "mrope_section": [16, 24, 24],
        "rope_theta": 1e6,
    }
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config={**vision, "out_hidden_size": hidden},
        tie_word_embeddings=hidden < 3000,
    )


def _qwen3(hidden: int, layers: int, heads: int, inner: int, *, small: bool) -> Qwen3VLConfig:
    text = _text("qwen3_vl_text", hidden, layers, heads, 8, inner, 151_936) | {"head_dim": 128}
    text["rope_parameters"] = {
        "rope_type": "default",
        "mrope_section": [24, 20, 20],
        "rope_theta": 5e6,
    }
    vision = (
        {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096}
        | {"deepstack_visual_indexes": [5, 11, 17]}
        if small
        else {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304}
    )
    return Qwen3VLConfig(
        text_config=text,
        vision_config={**vision, "out_hidden_size": hidden},
        tie_word_embeddings=small,
    )


def _text(
    kind: str, hidden: int, layers: int, heads: int, kv: int, inner: int, words: int
) -> dict[str, object]:
    return {
        "model_type": kind,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "intermediate_size": inner,
        "vocab_size": words,
    }


PUBLISHED = {
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": _onevision(896, 24, 14, 2, 4864),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": _onevision(3584, 28, 28, 4, 18_944),
    "Qwen/Qwen2.5-VL-3B-Instruct": _qwen2_5(2048, 36, 16, 2, 11_008),
    "Qwen/Qwen2.5-VL-7B-Instruct": _qwen2_5(3584, 28, 28, 4, 18_944),
    "Qwen/Qwen3-VL-2B-Instruct": _qwen3(2048, 28, 16, 6144, small=True),
    "Qwen/Qwen3-VL-4B-Instruct": _qwen3(2560, 36, 32, 9728, small=True),
    "Qwen/Qwen3-VL-8B-Instruct": _qwen3(4096, 36, 32, 12_288, small=False),
}
"""Sizes as their model cards and configs state them."""


def main() -> None:
    """Print one Markdown row per checkpoint."""
    choices = (FULL, FROZEN_ENCODER, LORA)
    params = Project.find().params
    print(f"| checkpoint | parameters | {' | '.join(choices)} | answering |")
    print("|---|---|---|---|---|---|")
    for name, config in PUBLISHED.items():
        cells = []
        for how in choices:
            with torch.device("meta"):
                model = family_named(config.model_type).model(config)
                changed = replace_params(params, training={"trainable": how})
                done = prepare(adapter_for(model), changed.training)
            held = sum(weight.numel() for weight in model.parameters())
            cells.append(f"{(16 * done.trainable + 4 * (held - done.trainable)) / GB:.0f} GB")
        print(f"| {name} | {done.total / 1e9:.2f} B | {' | '.join(cells)} "
              f"| {4 * done.total / GB:.0f} GB |")  # fmt: skip


if __name__ == "__main__":
    main()
