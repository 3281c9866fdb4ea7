"""LLaVA-OneVision: SigLIP, a 2-layer projector, spatial pooling by 2, Qwen2.

A video of F frames takes F x ceil(g / 2)^2 tokens (g = patches per side) and one newline token
after its last frame. A still is a video of one frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from p4d.config import ClipsParams, StudentParams
from p4d.errors import ContractError
from p4d.students.model.adapters.pictures import CENTRED, Pictures
from p4d.students.model.adapters.protocol import added_before, media_of
from p4d.students.model.adapters.sizes import text_sizes
from p4d.students.model.chat import IMAGE, VIDEO
from p4d.students.model.time_encoding import time_encoding
from p4d.students.model.tokenizer import token_id

SPECIAL_TOKENS = (VIDEO, IMAGE)


class LlavaOnevisionAdapter:
    """One slot of visual tokens per frame."""

    frames_per_slot = 1

    def __init__(self, model: LlavaOnevisionForConditionalGeneration) -> None:
        """Wrap `model`; the model itself is not changed."""
        self.model = model
        # transformers types its nested configs as dict or None; once built they are objects.
        vision: Any = model.config.vision_config
        text: Any = model.config.text_config
        self._side = math.ceil(vision.image_size // vision.patch_size / 2)
        self._pictures = Pictures.of(model, pictures(model, vision.image_size))
        self._encoder_width: int = vision.hidden_size
        self._video: int = model.config.video_token_index
        self.hidden_width: int = text.hidden_size

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table."""
        rows: int = self.model.lm_head.out_features
        return rows

    def encoder(self) -> nn.Module:
        """SigLIP."""
        tower: nn.Module = self.model.model.vision_tower
        return tower

    def projector(self) -> list[nn.Module]:
        """The two layers between the encoder and the language model."""
        return [self.model.model.multi_modal_projector]

    def frame_grid(self) -> tuple[int, int]:
        """Rows and columns after pooling."""
        return self._side, self._side

    def visual_tokens(self, frames: int, stills: int = 0) -> int:
        """Pooled tokens of all frames, and a newline per video and still."""
        return (frames + stills) * self._side**2 + (frames > 0) + stills

    def visual_ids(self, times_s: Sequence[float]) -> list[int]:
        """The video's placeholder, as often as there are tokens."""
        frames = [medium.stop - medium.start for medium in media_of(times_s)]
        return [self._video] * sum(self.visual_tokens(count) for count in frames)

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Positions of the video's placeholder."""
        return input_ids == self._video

    def encode(self, frames_bfhw3: Tensor, times_s: Tensor) -> dict[str, Any]:
        """Encode all frames in one pass; the time encoding enters before the projector."""
        model = self.model.model
        lengths = [m.stop - m.start for row in times_s.tolist() for m in media_of(row)]
        present = ~times_s.isposinf()
        pixels = self._pictures.normalised(frames_bfhw3[present]).to(model.image_newline.dtype)
        with added_before(
            model.multi_modal_projector, time_encoding(times_s[present], self._encoder_width)
        ):
            seen = model.get_video_features(pixels[None], return_dict=True).pooler_output
        # transformers ends one video with one newline; here each medium ends with its own.
        media = seen[0, :-1].split([length * self._side**2 for length in lengths])
        ended = [torch.cat([medium, model.image_newline[None]]) for medium in media]
        output = BaseModelOutputWithPooling(pooler_output=torch.cat(ended)[None])
        return {"mm_encoder_outputs": {"video": output}}

    def change_first_media(
        self, encoded: dict[str, Any], times_s: Tensor, change: Callable[[int, Tensor], Tensor]
    ) -> None:
        """All media lie one after another, each with its newline."""
        output = encoded["mm_encoder_outputs"]["video"]
        rows = [media_of(times) for times in times_s.tolist()]
        counts = [self.visual_tokens(medium.stop - medium.start) for row in rows for medium in row]
        features = list(output.pooler_output[0].split(counts))
        at = 0
        for number, row in enumerate(rows):
            if row:
                features[at] = change(number, features[at])
            at += len(row)
        output.pooler_output = torch.cat(features)[None]

    def states(self, **inputs: Any) -> tuple[Tensor, ...]:  # noqa: ANN401
        """Run the network without its language head."""
        states: tuple[Tensor, ...] = self.model.model(
            **inputs, use_cache=False, output_hidden_states=True
        ).hidden_states
        return states

    def first_block(self) -> nn.Module:
        """Of the language model."""
        block: nn.Module = self.model.model.language_model.layers[0]
        return block

    def generate(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """As `transformers` does."""
        model: Any = self.model  # the mixin that generates is not part of its type
        tokens: Tensor = model.generate(**inputs)
        return tokens

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the language head."""
        scores: Tensor = self.model.lm_head(hidden)
        return scores

    def frame_tokens(self, hidden: Tensor, input_ids: Tensor, times_s: Tensor) -> Tensor:
        """Gather by mask; newlines and stills are dropped."""
        wanted = [
            (not medium.is_still) and at < (medium.stop - medium.start) * self._side**2
            for row in times_s.tolist()
            for medium in media_of(row)
            for at in range(self.visual_tokens(medium.stop - medium.start))
        ]
        gathered = hidden[self.visual_mask(input_ids)]
        slots, rest = divmod(sum(wanted), len(hidden) * self._side**2)
        if len(gathered) != len(wanted) or rest:
            raise ContractError(
                f"rows hold {len(gathered)} visual tokens; their frames need {len(wanted)}, and "
                "every row as many"
            )
        kept = gathered[torch.tensor(wanted, dtype=torch.bool, device=hidden.device)]
        return kept.view(len(hidden), slots, self._side, self._side, -1)


def pictures(model: LlavaOnevisionForConditionalGeneration, size_px: int) -> Pictures:
    """The size is the encoder's, whatever that of the clips; values in [-1, 1] as SigLIP's."""
    del size_px
    vision: Any = model.config.vision_config
    return Pictures(vision.image_size, *CENTRED)


def initial_model(
    params: StudentParams, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> LlavaOnevisionForConditionalGeneration:
    """A network of the given sizes, initialised from torch's global generator."""
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": params.vision_width,
        "intermediate_size": 4 * params.vision_width,
        "num_hidden_layers": params.vision_blocks,
        "num_attention_heads": params.vision_heads,
        "image_size": clips.size_px,
        "patch_size": params.patch_px,
        "vision_use_head": False,
    }
    config = LlavaOnevisionConfig(
        vision_config=vision,
        text_config={"model_type": "qwen2", **text_sizes(params, tokenizer)},
        image_token_index=token_id(tokenizer, IMAGE),
        video_token_index=token_id(tokenizer, VIDEO),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_grid_pinpoints=[[clips.size_px, clips.size_px]],
        tie_word_embeddings=True,
    )
    return LlavaOnevisionForConditionalGeneration(config)
