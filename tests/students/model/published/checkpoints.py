"""Tiny checkpoints of the published families, in the files and with the texts of published ones.

The networks are saved by transformers' own classes. Chat templates and processor settings are those
of the published checkpoints (Qwen/Qwen3-VL-2B-Instruct, Qwen/Qwen2.5-VL-7B-Instruct,
llava-hf/llava-onevision-qwen2-7b-ov-hf, OpenGVLab/InternVL3-1B-hf).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

FAMILIES = ("qwen3_vl", "qwen2_5_vl", "llava_onevision", "internvl")

TEXTS = (
    "Which way does <obj_1> move, seen from <obj_2>?",
    "The person walks from 0.3 seconds to 2.5 seconds.",
    "How far does the camera move? Answer with the letter of the option.",
    "system user assistant You are a helpful assistant.",
)
HALF = [0.5, 0.5, 0.5]
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]

_QWEN_MEDIA = (
    "{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
)
TEMPLATES = {
    "qwen2_5_vl": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% for content in message['content'] %}"
    + _QWEN_MEDIA
    + "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "qwen3_vl": "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}" + _QWEN_MEDIA + "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "internvl": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}"
    "{% elif content['type'] == 'video' %}{{ '<video>\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{{'<|im_end|>\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{'<|im_start|>assistant\n' }}{% endif %}",
    "llava_onevision": "{% for message in messages %}{{'<|im_start|>' + message['role'] + ' '}}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'video') %}"
    "{{ '<video>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] }}{% endfor %}{{'<|im_end|>'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
}

_QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_TOKENS = {
    "qwen3_vl": _QWEN_TOKENS,
    "qwen2_5_vl": _QWEN_TOKENS,
    "llava_onevision": ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"),
    "internvl": (
        "<|endoftext|>", "<|im_start|>", "<|im_end|>",
        "<img>", "</img>", "<IMG_CONTEXT>", "<video>",
    ),
}  # fmt: skip
_NAMED = {
    "internvl": {
        "start_image_token": "<img>", "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>",
    },
}  # fmt: skip
"""Tokens that the tokenizer of a family offers as attributes to its processor."""

_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer_of(family: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that splits words as Qwen2's; region names are no tokens of it."""
    from tokenizers import Regex

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _TOKENS[family]])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        clean_up_tokenization_spaces=False,
        extra_special_tokens=_NAMED.get(family, {}),
    )
    wrapped.chat_template = TEMPLATES[family]
    return wrapped


def _text(tokenizer: PreTrainedTokenizerFast, *, tied: bool) -> dict:
    return {
        "vocab_size": len(tokenizer) + 27,  # published tables are padded
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.3,
        "tie_word_embeddings": tied,
        "bos_token_id": None,
        "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
        "pad_token_id": tokenizer.pad_token_id,
    }


def _qwen_ids(tokenizer: PreTrainedTokenizerFast) -> dict:
    names = {
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
    }
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}


def network_of(
    family: str, tokenizer: PreTrainedTokenizerFast, *, tied: bool = True, seed: int = 0
):
    """A tiny network with random weights, large enough that answers depend on pictures."""
    text = _text(tokenizer, tied=tied)
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 2, 2]}
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 48,
        "initializer_range": 0.3,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if family == "qwen2_5_vl":
            vision |= {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1]}
            return Qwen2_5_VLForConditionalGeneration(
                Qwen2_5_VLConfig(
                    text_config={**text, "rope_parameters": rope},
                    vision_config=vision,
                    tie_word_embeddings=tied,
                    **_qwen_ids(tokenizer),
                )
            ).eval()
        if family == "qwen3_vl":
            vision |= {
                "patch_size": 16, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64,
            }  # fmt: skip
            rope["mrope_interleaved"] = True
            return Qwen3VLForConditionalGeneration(
                Qwen3VLConfig(
                    text_config={**text, "head_dim": 12, "rope_parameters": rope},
                    vision_config=vision,
                    tie_word_embeddings=tied,
                    **_qwen_ids(tokenizer),
                )
            ).eval()
        if family == "internvl":
            tower = {
                "model_type": "internvl_vision", "hidden_size": 32, "intermediate_size": 64,
                "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": [56, 56],
                "patch_size": [14, 14], "attention_bias": True, "initializer_range": 0.3,
            }  # fmt: skip
            return InternVLForConditionalGeneration(
                InternVLConfig(
                    vision_config=tower,
                    text_config={"model_type": "qwen2", **text},
                    image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
                    image_seq_length=4,
                    tie_word_embeddings=tied,
                )
            ).eval()
        tower = {
            "model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 70, "patch_size": 14,
            "vision_use_head": False,
        }  # fmt: skip
        return LlavaOnevisionForConditionalGeneration(
            LlavaOnevisionConfig(
                vision_config=tower,
                text_config={"model_type": "qwen2", **text},
                image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
                video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
                vision_feature_layer=-1,
                vision_feature_select_strategy="full",
                image_grid_pinpoints=[[70, 70], [70, 140], [140, 70], [140, 140]],
                tie_word_embeddings=tied,
            )
        ).eval()


def settings_of(family: str) -> dict[str, dict]:
    """The processor files of a published checkpoint, by name."""
    if family == "qwen3_vl":
        common = {
            "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": HALF, "image_std": HALF, "processor_class": "Qwen3VLProcessor",
        }  # fmt: skip
        return {
            "preprocessor_config.json": {
                "size": {"longest_edge": 16777216, "shortest_edge": 65536},
                **common,
                "image_processor_type": "Qwen2VLImageProcessorFast",
            },
            "video_preprocessor_config.json": {
                "size": {"longest_edge": 25165824, "shortest_edge": 4096},
                **common,
                "video_processor_type": "Qwen3VLVideoProcessor",
            },
        }
    if family == "qwen2_5_vl":
        return {
            "preprocessor_config.json": {
                "min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14,
                "temporal_patch_size": 2, "merge_size": 2, "image_mean": CLIP_MEAN,
                "image_std": CLIP_STD, "image_processor_type": "Qwen2VLImageProcessor",
                "processor_class": "Qwen2_5_VLProcessor",
            }
        }  # fmt: skip
    if family == "internvl":
        common = {
            "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
            "image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD, "resample": 3,
            "rescale_factor": 1 / 255, "size": {"height": 56, "width": 56},
            "processor_class": "InternVLProcessor",
        }  # fmt: skip
        return {
            "preprocessor_config.json": {
                **common, "crop_to_patches": False, "max_patches": 12, "min_patches": 1,
                "image_processor_type": "GotOcr2ImageProcessorFast",
            },
            "video_preprocessor_config.json": {
                **common, "video_processor_type": "InternVLVideoProcessor",
            },
            "processor_config.json": {
                "image_seq_length": 4, "processor_class": "InternVLProcessor",
            },
        }  # fmt: skip
    common = {
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": HALF, "image_std": HALF, "resample": 3, "rescale_factor": 1 / 255,
        "size": {"height": 70, "width": 70}, "processor_class": "LlavaOnevisionProcessor",
    }  # fmt: skip
    return {
        "preprocessor_config.json": {
            **common,
            "image_grid_pinpoints": [[70, 70], [70, 140], [140, 70], [140, 140]],
            "image_processor_type": "LlavaOnevisionImageProcessor",
        },
        "video_preprocessor_config.json": {
            **common,
            "video_processor_type": "LlavaOnevisionVideoProcessor",
        },
        "processor_config.json": {
            "image_token": "<image>", "video_token": "<video>", "num_image_tokens": 25,
            "vision_feature_select_strategy": "full", "vision_aspect_ratio": "anyres_max_9",
            "processor_class": "LlavaOnevisionProcessor",
        },
    }  # fmt: skip


def write_checkpoint(folder: Path, family: str, *, tied: bool = True, seed: int = 0) -> Path:
    """Save one tiny checkpoint in one flat folder, as on the Hub."""
    tokenizer = tokenizer_of(family)
    network_of(family, tokenizer, tied=tied, seed=seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name, settings in settings_of(family).items():
        (folder / name).write_text(json.dumps(settings))
    return folder
