"""What differs between student families, and nothing else.

An adapter answers three questions for one transformers architecture: where visual features leave
the encoder (the place of the time encoding), which positions of a sequence are visual tokens (found
by a mask, never by a slice), and which hidden state is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedModel

from p4d.errors import ContractError
from p4d.students.time_encoding import time_encoding


class StudentAdapter(Protocol):
    """One family of video-language models."""

    @property
    def model(self) -> PreTrainedModel:
        """The transformers model."""
        ...

    @property
    def hidden_width(self) -> int:
        """Channels of the hidden state that is read."""
        ...

    @property
    def vocabulary(self) -> int:
        """Rows of the table of token embeddings."""
        ...

    @property
    def video_token_id(self) -> int:
        """The placeholder of a visual token in the text."""
        ...

    def frame_grid(self) -> tuple[int, int]:
        """Rows and columns of visual tokens per frame."""
        ...

    def visual_tokens(self, frames: int) -> int:
        """Placeholder tokens that `frames` pictures take in the text."""
        ...

    def pixel_inputs(self, frames_bfhw3: Tensor) -> dict[str, Tensor]:
        """Inputs of the model for u8 pictures `[B, F, H, W, 3]`."""
        ...

    def at_times(self, times_s: Tensor | None) -> AbstractContextManager[None]:
        """Context in which encoder outputs receive the encoding of `times_s` `[B, F]`."""
        ...

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Which positions `[B, N]` are visual tokens."""
        ...

    def last_hidden(self, **inputs: Tensor) -> Tensor:
        """Last hidden state after the final norm, `[B, N, D]`."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary, `[..., V]`."""
        ...

    def frame_tokens(self, hidden: Tensor, input_ids: Tensor, frames: int) -> Tensor:
        """Hidden states of the visual tokens as `[B, F, rows, columns, D]`."""
        ...


class LlavaOnevisionAdapter:
    """LLaVA-OneVision: SigLIP, 2-layer projector, spatial pooling by 2, Qwen2.

    A video of F frames takes F x ceil(g/2)^2 tokens (g = patches per side) and one newline token
    after the last frame.
    """

    def __init__(self, model: LlavaOnevisionForConditionalGeneration) -> None:
        """Wrap `model`; the model itself is not changed."""
        self.model = model
        # transformers types its nested configs as dict or None; once built they are objects.
        vision: Any = model.config.vision_config
        text: Any = model.config.text_config
        self._side = math.ceil(vision.image_size // vision.patch_size / 2)
        self._image_px: int = vision.image_size
        self._encoder_width: int = vision.hidden_size
        self._hidden_width: int = text.hidden_size
        self.video_token_id: int = model.config.video_token_index

    @property
    def hidden_width(self) -> int:
        """Width of the language model."""
        return self._hidden_width

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table; may exceed the tokenizer's, which real ones pad."""
        rows: int = self.model.lm_head.out_features
        return rows

    def frame_grid(self) -> tuple[int, int]:
        """Rows and columns after pooling."""
        return self._side, self._side

    def visual_tokens(self, frames: int) -> int:
        """Pooled tokens of all frames and the newline."""
        return frames * self._side**2 + 1

    def pixel_inputs(self, frames_bfhw3: Tensor) -> dict[str, Tensor]:
        """Squash to the encoder's size and scale to [-1, 1], as SigLIP's processor does."""
        pixels = frames_bfhw3.permute(0, 1, 4, 2, 3).float() / 127.5 - 1.0
        if pixels.shape[-1] != self._image_px or pixels.shape[-2] != self._image_px:
            size = (self._image_px, self._image_px)
            resized = functional.interpolate(pixels.flatten(0, 1), size, mode="bicubic")
            pixels = resized.unflatten(0, pixels.shape[:2])
        return {"pixel_values_videos": pixels.contiguous()}

    @contextmanager
    def at_times(self, times_s: Tensor | None) -> Iterator[None]:
        """Add the time encoding to whatever enters the projector while the context is open."""
        if times_s is None:
            yield
            return
        encoding = time_encoding(times_s, self._encoder_width).flatten(0, 1)[:, None]

        def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            features, *rest = arguments
            if features.shape[0] != encoding.shape[0]:
                raise ContractError(
                    f"{features.shape[0]} encoded frames but {encoding.shape[0]} timestamps"
                )
            return (features + encoding.to(features), *rest)

        handle = self.model.model.multi_modal_projector.register_forward_pre_hook(add)
        try:
            yield
        finally:
            handle.remove()

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Positions of the video placeholder."""
        return input_ids == self.video_token_id

    def last_hidden(self, **inputs: Tensor) -> Tensor:
        """Run the network without its language head."""
        hidden: Tensor = self.model.model(**inputs, use_cache=False).last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the language head."""
        scores: Tensor = self.model.lm_head(hidden)
        return scores

    def frame_tokens(self, hidden: Tensor, input_ids: Tensor, frames: int) -> Tensor:
        """Gather by mask; the newline token is dropped.

        Raises:
            ContractError: a row does not hold the visual tokens of `frames` frames.
        """
        mask = self.visual_mask(input_ids)
        expected = self.visual_tokens(frames)
        counts = mask.sum(dim=1)
        if not bool((counts == expected).all()):
            raise ContractError(
                f"rows hold {counts.tolist()} visual tokens; {frames} frames need {expected}"
            )
        gathered = hidden[mask].view(hidden.shape[0], expected, hidden.shape[-1])[:, :-1]
        return gathered.unflatten(1, (frames, self._side, self._side))


def adapter_for(model: PreTrainedModel) -> StudentAdapter:
    """The adapter of a loaded model.

    Raises:
        ContractError: no adapter knows this architecture.
    """
    if isinstance(model, LlavaOnevisionForConditionalGeneration):
        return LlavaOnevisionAdapter(model)
    raise ContractError(
        f"no student adapter for {type(model).__name__}; add one in p4d/students/adapters.py"
    )


def load_model(folder: str) -> PreTrainedModel:
    """Load a transformers checkpoint of a known family from `folder`, in float32."""
    return LlavaOnevisionForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
