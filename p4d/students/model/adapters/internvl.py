"""InternVL: InternViT, pixel shuffle, a 2-layer projector, Qwen2.

A frame is a picture between `<img>` and `</img>` after its number in the video (`Frame1: `). A
still is such a picture without a number; the published processor may also cut it into tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from p4d.config import ClipsParams, StudentParams
from p4d.errors import ContractError
from p4d.students.model.adapters.framewise import FramewiseAdapter
from p4d.students.model.adapters.picture_format import PictureFormat, pictures_of
from p4d.students.model.adapters.protocol import (
    Frames,
    Medium,
    Size,
    Spell,
    added_before,
    media_of,
    media_of_rows,
    repeated_media,
)
from p4d.students.model.adapters.sizes import TextSizes, VisionSizes, text_config
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.students.model.published.processor_files import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    ProcessorDefaults,
)
from p4d.students.model.time_encoding import time_encoding
from p4d.students.model.tokenizer import token_id

PICTURE, VIDEO, START, END = "<IMG_CONTEXT>", "<video>", "<img>", "</img>"
SPECIAL_TOKENS = (PICTURE, VIDEO, START, END)
_OWN = {"size": {"height": 384, "width": 384}, "image_mean": CLIP_MEAN, "image_std": CLIP_STD}
# Its processor takes all frames that it is given; the cards of published models show 8.
PROCESSOR = ProcessorDefaults(
    image=_OWN, video=_OWN, sampling=FrameSampling(rule="middles", fps=None, frames=8), cells=False
)


class InternVLAdapter(FramewiseAdapter):
    """InternVL as a student."""

    def __init__(self, model: InternVLForConditionalGeneration) -> None:
        """Wrap `model`; the model itself is not changed.

        Raises:
            ContractError: the patches of a picture do not divide into cells of the pixel shuffle.
        """
        super().__init__(model)
        config: Any = model.config
        vision: Any = config.vision_config
        patches, merge = vision.image_size[0] // vision.patch_size[0], _merge(config)
        if patches % merge:
            raise ContractError(
                f"pictures of {vision.image_size[0]} px have {patches} patches a side, which do "
                f"not divide into cells of {merge} (InternVL); change student.patch_px or "
                "clips.size_px"
            )
        self._side = patches // merge
        self._encoder_width: int = vision.hidden_size * merge**2
        self._pictures = pictures_of(model, picture_format(model, vision.image_size[0]))
        self._tells_time = PromptSettings.of(model).time == "tpe"
        self._shown: int = config.image_token_id

    def visual_ids(self, times_s: Sequence[float], spell: Spell) -> list[int]:
        """As its processor writes them, without anything between media."""
        return [token for ids in self.media_ids(times_s, (0, 0), spell) for token in ids]

    def placeholders(self, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
        """The token of visual tokens stands for a still, `<video>` for a video."""
        return str(tokenizer.convert_ids_to_tokens(self._shown)), VIDEO

    def media_ids(self, times_s: Sequence[float], size_hw: Size, spell: Spell) -> list[list[int]]:
        """Pictures between start and end, those of a video numbered, one per line."""
        del size_hw
        return [self._written(medium, spell) for medium in media_of(times_s)]

    def _written(self, medium: Medium, spell: Spell) -> list[int]:
        picture = [*spell(START), *[self._shown] * self._side**2, *spell(END)]
        if medium.is_still:
            return picture
        ids: list[int] = []
        for number in range(1, medium.stop - medium.start + 1):
            line = f"Frame{number}: " if number == 1 else f"\nFrame{number}: "
            ids += [*spell(line), *picture]
        return ids

    def encode(
        self, frames_bfhw3: Frames, times_s: Tensor, spans_s: Tensor | None = None
    ) -> dict[str, Any]:
        """Encode all pictures in one pass; adds the time encoding before the projector."""
        del spans_s
        model, media = self.model.model, media_of_rows(times_s)
        pixels = torch.cat(
            [
                self._pictures.normalised(medium.part_of(frames_bfhw3), still=medium.is_still)
                for medium in media
            ]
        )
        times = torch.cat([medium.part_of(times_s) for medium in media])
        encoding = time_encoding(times, self._encoder_width)
        added = added_before(model.multi_modal_projector, encoding)
        with added if self._tells_time else nullcontext():
            seen = model.get_image_features(pixels, return_dict=True)
        return {"mm_encoder_outputs": {"image": seen}}

    def change_first_media(
        self, encoded: dict[str, Any], times_s: Tensor, change: Callable[[int, Tensor], Tensor]
    ) -> None:
        """All media are stored in sequence, one picture after the other."""
        output, media = encoded["mm_encoder_outputs"]["image"], media_of_rows(times_s)
        pictures = output.pooler_output
        features = list(pictures.split([medium.frames for medium in media]))
        for at, medium in enumerate(media):
            if medium.is_first:
                changed = change(medium.row, features[at].flatten(0, 1))
                features[at] = changed.view_as(features[at])
        output.pooler_output = torch.cat(features)

    def repeated(
        self, encoded: dict[str, Any], times_s: Tensor, rows: Sequence[int]
    ) -> dict[str, Any]:
        """All media are stored in sequence, one picture after the other."""
        features, media = (
            encoded["mm_encoder_outputs"]["image"].pooler_output,
            media_of_rows(times_s),
        )
        parts = features.split([medium.frames for medium in media])
        wanted = torch.cat([parts[at] for at in repeated_media(media, rows)])
        return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=wanted)}}


def _merge(config: InternVLConfig) -> int:
    """Patches per side of one visual token."""
    return round(1 / config.downsample_ratio)


def picture_format(model: InternVLForConditionalGeneration, size_px: int) -> PictureFormat:
    """The encoder's own size, for clips of any size; mean and deviation of ImageNet."""
    del size_px
    vision: Any = model.config.vision_config
    return PictureFormat(vision.image_size[0], IMAGENET_MEAN, IMAGENET_STD)


def initial_model(
    params: StudentParams, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> InternVLForConditionalGeneration:
    """A network of the sizes in `params.yaml`, initialised from torch's global generator."""
    sizes = VisionSizes.of(params)
    vision = {
        "model_type": "internvl_vision",
        "hidden_size": sizes.width,
        "intermediate_size": sizes.mlp_ratio * sizes.width,
        "num_hidden_layers": sizes.blocks,
        "num_attention_heads": sizes.heads,
        "image_size": clips.size_px,
        "patch_size": sizes.patch_px,
        "attention_bias": True,
    }
    text = {"model_type": "qwen2", **text_config(TextSizes.of(params), tokenizer)}
    config = InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=token_id(tokenizer, PICTURE),
        image_seq_length=(clips.size_px // sizes.patch_px // 2) ** 2,
        tie_word_embeddings=True,
    )
    return InternVLForConditionalGeneration(config)
