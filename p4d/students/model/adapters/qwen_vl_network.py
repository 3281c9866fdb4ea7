"""Qwen2.5-VL and Qwen3-VL networks of given sizes, initialised from torch's global generator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from transformers import (
    PreTrainedTokenizerBase,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from p4d.config import ClipsParams, StudentParams
from p4d.errors import ContractError
from p4d.students.model.adapters.picture_format import CENTRED, PictureFormat
from p4d.students.model.adapters.sizes import TextSizes, VisionSizes, text_config
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.students.model.published.processor_files import ProcessorDefaults
from p4d.students.model.tokenizer import token_id

QwenVL = Qwen2_5_VLForConditionalGeneration | Qwen3VLForConditionalGeneration
START, END = "<|vision_start|>", "<|vision_end|>"
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
SPECIAL_TOKENS = (START, END, IMAGE, VIDEO)
MERGE, FRAMES_PER_SLOT = 2, 2  # of every published size
# Mean and deviation of Qwen2.5-VL's processor; Qwen3-VL's is CENTRED.
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_CUT = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
PROCESSOR_2_5 = ProcessorDefaults(
    image={
        "size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280},
        "image_mean": CLIP[0],
        "image_std": CLIP[1],
        **_CUT,
    },
    video={
        "size": {"shortest_edge": 128 * 28 * 28, "longest_edge": 28 * 28 * 768},
        "image_mean": CLIP[0],
        "image_std": CLIP[1],
        "max_video_tokens": 128_000,
        **_CUT,
    },
    sampling=FrameSampling(rule="steps", multiple=2),
    cells=True,
)
PROCESSOR_3 = ProcessorDefaults(
    image=PROCESSOR_2_5.image,
    video={
        "size": {"shortest_edge": 128 * 32 * 32, "longest_edge": 32 * 32 * 768},
        "image_mean": CENTRED[0],
        "image_std": CENTRED[1],
        "max_video_tokens": 768,
        **_CUT,
        "patch_size": 16,
    },
    sampling=FrameSampling(rule="spread"),
    cells=True,
    per_clip=True,
)


@dataclass(frozen=True, kw_only=True)
class QwenVisionSizes(VisionSizes):
    """Sizes of an encoder of tubelets.

    Attributes:
        size_px: side of the pictures.
        merge: patches per side of a visual token.
        frames_per_slot: frames of a tubelet.
        deepstack: Qwen3-VL: encoder blocks, from 0, whose features are added to early blocks of the
            language model.
    """

    size_px: int
    merge: int = MERGE
    frames_per_slot: int = FRAMES_PER_SLOT
    deepstack: tuple[int, ...] = ()


def picture_format(model: QwenVL, size_px: int) -> PictureFormat:
    """The whole number of merged cells nearest to `size_px`; mean and deviation of the family."""
    vision: Any = model.config.vision_config
    cell_px = vision.patch_size * vision.spatial_merge_size
    scale = CENTRED if isinstance(model, Qwen3VLForConditionalGeneration) else CLIP
    return PictureFormat(max(1, round(size_px / cell_px)) * cell_px, *scale)


def initial_model(
    params: StudentParams, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> QwenVL:
    """A network of the sizes in `params.yaml`.

    Raises:
        ContractError: the heads are too narrow for three axes of rotary positions.
    """
    blocks = params.vision_blocks
    deepstack = sorted({blocks * k // 4 for k in (1, 2, 3)})[: params.text_blocks]
    vision = QwenVisionSizes(
        **asdict(VisionSizes.of(params)), size_px=clips.size_px, deepstack=tuple(deepstack)
    )
    return build(params.architecture, vision, TextSizes.of(params), tokenizer)


def build(
    architecture: str,
    vision: QwenVisionSizes,
    text: TextSizes,
    tokenizer: PreTrainedTokenizerBase,
) -> QwenVL:
    """A network of `qwen2_5_vl` or `qwen3_vl`.

    Raises:
        ContractError: the heads are too narrow for three axes of rotary positions.
    """
    half = text.width // text.heads // 2
    if half < 3 or vision.width // vision.heads % 4:
        raise ContractError(
            f"student.architecture {architecture}: a head of the text needs at least 6 "
            "channels, one of vision a multiple of 4; change student.*_width or student.*_heads"
        )
    third = half // 3
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [half - 2 * third, third, third],
    }
    encoder: dict[str, Any] = {
        "depth": vision.blocks,
        "hidden_size": vision.width,
        "intermediate_size": vision.mlp_ratio * vision.width,
        "num_heads": vision.heads,
        "patch_size": vision.patch_px,
        "spatial_merge_size": vision.merge,
        "temporal_patch_size": vision.frames_per_slot,
        "out_hidden_size": text.width,
        "initializer_range": vision.width**-0.5,
    }
    language = {**text_config(text, tokenizer), "rope_parameters": rope}
    model: QwenVL
    if architecture == "qwen2_5_vl":
        encoder["window_size"] = 8 * vision.patch_px
        encoder["fullatt_block_indexes"] = [vision.blocks - 1]
        model = Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=language, vision_config=encoder, **_ids(tokenizer))
        )
    else:
        encoder["deepstack_visual_indexes"] = list(vision.deepstack)
        encoder["num_position_embeddings"] = (vision.size_px // vision.patch_px) ** 2
        language["head_dim"] = 2 * half
        rope["mrope_interleaved"] = True
        model = Qwen3VLForConditionalGeneration(
            Qwen3VLConfig(text_config=language, vision_config=encoder, **_ids(tokenizer))
        )
    PictureFormat(vision.size_px, *picture_format(model, vision.size_px).mean_std).store(model)
    return model


def _ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "vision_start_token_id": token_id(tokenizer, START),
        "vision_end_token_id": token_id(tokenizer, END),
        "image_token_id": token_id(tokenizer, IMAGE),
        "video_token_id": token_id(tokenizer, VIDEO),
        "tie_word_embeddings": True,
    }
