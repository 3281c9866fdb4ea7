"""LLaVA-OneVision: SigLIP, a 2-layer projector, spatial pooling by 2, Qwen2.

A video of F frames takes F x ceil(g / 2)^2 tokens (g = patches per side) and one newline token
after its last frame. A still is a video of one frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from p4d.config import ClipsParams, StudentParams
from p4d.students.model.adapters.framewise import FramewiseAdapter
from p4d.students.model.adapters.picture_format import CENTRED, PictureFormat, pictures_of
from p4d.students.model.adapters.protocol import (
    Frames,
    Size,
    Spell,
    added_before,
    media_of,
    media_of_rows,
    repeated_media,
)
from p4d.students.model.adapters.sizes import TextSizes, VisionSizes, text_config
from p4d.students.model.chat import IMAGE, VIDEO
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.students.model.published.processor_files import CLIP_MEAN, CLIP_STD, ProcessorDefaults
from p4d.students.model.time_encoding import time_encoding
from p4d.students.model.tokenizer import token_id

SPECIAL_TOKENS = (VIDEO, IMAGE)
_OWN = {"size": {"height": 384, "width": 384}, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}
# Its processor takes all frames that it is given; 32 is what the published model was trained with.
PROCESSOR = ProcessorDefaults(
    image=_OWN, video=_OWN, sampling=FrameSampling(rule="steps", fps=None, frames=32), cells=False
)


class LlavaOnevisionAdapter(FramewiseAdapter):
    """LLaVA-OneVision as a student."""

    def __init__(self, model: LlavaOnevisionForConditionalGeneration) -> None:
        """Wrap `model`; the model itself is not changed."""
        super().__init__(model)
        # transformers types its nested configs as dict or None; once built they are objects.
        vision: Any = model.config.vision_config
        self._side = math.ceil(vision.image_size // vision.patch_size / 2)
        self._pictures = pictures_of(model, picture_format(model, vision.image_size))
        self._tells_time = PromptSettings.of(model).time == "tpe"
        self._encoder_width: int = vision.hidden_size
        self._image: int = model.config.image_token_index
        self._shown: int = model.config.video_token_index

    def visual_tokens(self, frames: int, stills: int = 0) -> int:
        """Pooled tokens of all frames, and a newline per video and still."""
        return (frames + stills) * self._side**2 + (frames > 0) + stills

    def visual_ids(self, times_s: Sequence[float], spell: Spell) -> list[int]:
        """The placeholder of videos, once per token."""
        del spell
        frames = [medium.stop - medium.start for medium in media_of(times_s)]
        return [self._shown] * sum(self.visual_tokens(count) for count in frames)

    def placeholders(self, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
        """The tokens of images and of videos."""
        named = tokenizer.convert_ids_to_tokens
        return str(named(self._image)), str(named(self._shown))

    def media_ids(self, times_s: Sequence[float], size_hw: Size, spell: Spell) -> list[list[int]]:
        """The placeholder of videos, once per token; a still is a video of one frame."""
        del size_hw, spell
        frames = [medium.stop - medium.start for medium in media_of(times_s)]
        return [[self._shown] * self.visual_tokens(count) for count in frames]

    def encode(
        self, frames_bfhw3: Frames, times_s: Tensor, spans_s: Tensor | None = None
    ) -> dict[str, Any]:
        """Encode all frames in one pass; adds the time encoding before the projector."""
        del spans_s
        model, media = self.model.model, media_of_rows(times_s)
        parts = [medium.part_of(frames_bfhw3) for medium in media]
        if len({part.shape[1:3] for part in parts}) == 1:
            pixels = self._pictures.normalised(torch.cat(parts), still=False)
        else:  # of several sizes, which all become the encoder's
            pixels = torch.cat([self._pictures.normalised(part, still=False) for part in parts])
        pixels = pixels.to(model.image_newline.dtype)
        times = torch.cat([medium.part_of(times_s) for medium in media])
        encoding = time_encoding(times, self._encoder_width)
        added = added_before(model.multi_modal_projector, encoding)
        with added if self._tells_time else nullcontext():
            seen = model.get_video_features(pixels[None], return_dict=True).pooler_output
        # transformers ends one video with one newline; here each medium ends with its own.
        videos = seen[0, :-1].split([medium.frames * self._side**2 for medium in media])
        ended = [torch.cat([video, model.image_newline[None]]) for video in videos]
        output = BaseModelOutputWithPooling(pooler_output=torch.cat(ended)[None])
        return {"mm_encoder_outputs": {"video": output}}

    def change_first_media(
        self, encoded: dict[str, Any], times_s: Tensor, change: Callable[[int, Tensor], Tensor]
    ) -> None:
        """All media are stored in sequence, each with its newline."""
        output, media = encoded["mm_encoder_outputs"]["video"], media_of_rows(times_s)
        counts = [self.visual_tokens(medium.frames) for medium in media]
        features = list(output.pooler_output[0].split(counts))
        for at, medium in enumerate(media):
            if medium.is_first:
                features[at] = change(medium.row, features[at])
        output.pooler_output = torch.cat(features)[None]

    def repeated(
        self, encoded: dict[str, Any], times_s: Tensor, rows: Sequence[int]
    ) -> dict[str, Any]:
        """All media are stored in sequence, each with its newline."""
        features, media = (
            encoded["mm_encoder_outputs"]["video"].pooler_output,
            media_of_rows(times_s),
        )
        parts = features[0].split([self.visual_tokens(medium.frames) for medium in media])
        wanted = torch.cat([parts[at] for at in repeated_media(media, rows)])
        output = BaseModelOutputWithPooling(pooler_output=wanted[None])
        return {"mm_encoder_outputs": {"video": output}}


def picture_format(model: LlavaOnevisionForConditionalGeneration, size_px: int) -> PictureFormat:
    """The encoder's own size, for clips of any size; values in [-1, 1], as SigLIP's."""
    del size_px
    vision: Any = model.config.vision_config
    return PictureFormat(vision.image_size, *CENTRED)


def initial_model(
    params: StudentParams, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> LlavaOnevisionForConditionalGeneration:
    """A network of the sizes in `params.yaml`, initialised from torch's global generator."""
    sizes = VisionSizes.of(params)
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": sizes.width,
        "intermediate_size": sizes.mlp_ratio * sizes.width,
        "num_hidden_layers": sizes.blocks,
        "num_attention_heads": sizes.heads,
        "image_size": clips.size_px,
        "patch_size": sizes.patch_px,
        "vision_use_head": False,
    }
    text = {"model_type": "qwen2", **text_config(TextSizes.of(params), tokenizer)}
    config = LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=token_id(tokenizer, IMAGE),
        video_token_index=token_id(tokenizer, VIDEO),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_grid_pinpoints=[[clips.size_px, clips.size_px]],
        tie_word_embeddings=True,
    )
    return LlavaOnevisionForConditionalGeneration(config)
