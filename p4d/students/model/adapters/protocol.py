"""The interface of a student family, and the helpers that every family uses.

Pictures are one row of frames per sample, each with a time. The time gives the type of a frame:
seconds for a frame of a video, NaN for a still picture, +inf for padding. A time that is not later
than the one before it starts another video. The videos and stills of a sample are therefore one
row, in the order of the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from p4d.errors import ContractError

ABSENT = math.inf
Size = tuple[int, int]
Spell = Callable[[str], list[int]]
Frames = Tensor | Sequence[Tensor]


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
        """Rows of the table of token embeddings; may exceed the tokenizer's, as real ones pad."""
        ...

    @property
    def frames_per_slot(self) -> int:
        """Frames that share one set of visual tokens: 1, or the frames of a tubelet."""
        ...

    def encoder(self) -> nn.Module:
        """The vision encoder, which the paper freezes."""
        ...

    def projector(self) -> list[nn.Module]:
        """The modules between encoder and language model; may be part of the encoder."""
        ...

    def frame_grid(self) -> tuple[int, int]:
        """Rows and columns of visual tokens per slot."""
        ...

    def visual_tokens(self, frames: int, stills: int = 0) -> int:
        """Placeholders of a video of `frames` frames and of `stills` pictures in the text."""
        ...

    def visual_ids(self, times_s: Sequence[float], spell: Spell) -> list[int]:
        """Token ids of pictures in the text: placeholders and the tokens around them.

        Args:
            times_s: see the text of this module.
            spell: encodes text.
        """
        ...

    def placeholders(self, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
        """The tokens that stand for one still and for one video in a chat template."""
        ...

    def media_ids(self, times_s: Sequence[float], size_hw: Size, spell: Spell) -> list[list[int]]:
        """Token ids that replace the placeholder of each picture in a chat template.

        Args:
            times_s: see the text of this module.
            size_hw: height and width of the pictures before the family's own resizing.
            spell: encodes text.
        """
        ...

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Which positions `[B, N]` are visual tokens."""
        ...

    def encode(
        self, frames_bfhw3: Frames, times_s: Tensor, spans_s: Tensor | None = None
    ) -> dict[str, Any]:
        """Encoded and projected features with the time encoding, as the model takes them.

        Args:
            frames_bfhw3: u8 `[B, F, H, W, 3]`, or such rows of several sizes.
            times_s: `[B, F]`, see the text of this module.
            spans_s: `[B]` seconds that the frames of a row were sampled from; None: unknown.

        Returns:
            Keyword arguments for `last_state` and `generate`.
        """
        ...

    def change_first_media(
        self, encoded: dict[str, Any], times_s: Tensor, change: Callable[[int, Tensor], Tensor]
    ) -> None:
        """Replace the features of each row's first medium by `change(row, features [n, D])`.

        `encoded` is the result of `encode`; it is changed in place.
        """
        ...

    def repeated(
        self, encoded: dict[str, Any], times_s: Tensor, rows: Sequence[int]
    ) -> dict[str, Any]:
        """The features of rows that show the same pictures, each encoded once.

        Args:
            encoded: the result of `encode`.
            times_s: what it was made with.
            rows: for each row of the result, the row of `encoded` that it shows.
        """
        ...

    def blocks(self) -> nn.ModuleList:
        """The blocks of the language model, in order."""
        ...

    def last_state(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """The last hidden state `[B, N, D]`, after the final norm.

        Takes `input_ids` and `position_ids` `[B, N]`, a boolean `attention_mask` `[B, 1, N, N]`
        (query, key), `blocks_mask`, the same in the form of the attention that is used
        (`attention.mask_for`; default: `attention_mask`), and the result of `encode`. With
        `past_key_values`, a cache, keys and values are added to it; if it holds some, the tokens
        continue them, masks are `[B, 1, N, past + N]`, and positions include `text_shift`.
        """
        ...

    def text_shift(self, input_ids: Tensor, **pictures: Any) -> Tensor:  # noqa: ANN401
        """What is added `[B]` to plain positions of text that follows the tokens `[B, N]`.

        `pictures` is the result of `encode`.
        """
        ...

    def generate(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """Tokens `[B, N + new]` that `transformers` generates from the result of `encode`."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary, `[..., V]`."""
        ...

    def frame_tokens(self, hidden: Tensor, input_ids: Tensor, times_s: Tensor) -> Tensor:
        """Hidden states of the video's visual tokens as `[B, slots, rows, columns, D]`.

        Stills are left out. The tokens are gathered by a mask, not by a slice.

        Raises:
            ContractError: rows do not hold the visual tokens of their frames, or unequally many.
        """
        ...


@dataclass(frozen=True)
class Medium:
    """One still or one video within a row of frames: frames `start` to `stop`."""

    start: int
    stop: int
    is_still: bool


def media_of(times_s: Sequence[float]) -> list[Medium]:
    """Split a row of frames into stills and videos, in order; padding is left out."""
    media: list[Medium] = []
    for place, time_s in enumerate(times_s):
        if time_s == ABSENT:
            continue
        still = math.isnan(time_s)
        last = media[-1] if media else None
        if last and not (still or last.is_still) and time_s > times_s[place - 1]:
            media[-1] = Medium(last.start, place + 1, is_still=False)
        else:
            media.append(Medium(place, place + 1, is_still=still))
    return media


@dataclass(frozen=True)
class RowMedium:
    """One still or video of a batch: its row, and whether it is the first of the row."""

    row: int
    is_first: bool
    medium: Medium

    @property
    def is_still(self) -> bool:
        """Whether it is a still picture."""
        return self.medium.is_still

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.medium.stop - self.medium.start

    def part_of(self, values_bf: Frames) -> Tensor:
        """Its part `[F, ...]` of values `[B, F, ...]` per frame."""
        return values_bf[self.row][self.medium.start : self.medium.stop]


def media_of_rows(times_s: Tensor) -> list[RowMedium]:
    """The stills and videos of all rows of times `[B, F]`, in order."""
    return [
        RowMedium(row, number == 0, medium)
        for row, times in enumerate(times_s.tolist())
        for number, medium in enumerate(media_of(times))
    ]


def repeated_media(media: Sequence[RowMedium], rows: Sequence[int]) -> list[int]:
    """Indices into `media`, so that the k-th row of the result has the media of row `rows[k]`."""
    places: dict[int, list[int]] = {}
    for at, medium in enumerate(media):
        places.setdefault(medium.row, []).append(at)
    return [at for row in rows for at in places.get(row, ())]


@contextmanager
def added_before(module: nn.Module, encoding: Tensor) -> Iterator[None]:
    """While open, `encoding` `[G, D]` is added to the features `[..., D]` that enter `module`.

    The features are G equal groups in order: frames, or tubelets.

    Raises:
        ContractError: the features do not divide into G groups.
    """

    def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        features, *rest = arguments
        groups = len(encoding)
        vectors = features.numel() // features.shape[-1]
        if vectors % groups:
            raise ContractError(f"{vectors} encoded patches do not divide into {groups} frames")
        grouped = features.reshape(groups, vectors // groups, -1) + encoding[:, None].to(features)
        return (grouped.view(features.shape), *rest)

    handle = module.register_forward_pre_hook(add)
    try:
        yield
    finally:
        handle.remove()
