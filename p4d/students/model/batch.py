"""What a student reads in one forward pass: packed rows as tensors.

A row packs one clip and several of its questions. Each question attends to the clip and to itself,
never to another question: a mask separates them, and their positions restart after the clip. A row
of K questions therefore equals K single-question samples at the visual cost of one, and no answer
leaks into the next question. `p4d/students/data/packer.py` builds these rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
"""Target of a position that predicts nothing (the default of PyTorch's cross-entropy)."""
PREFIX, PADDING = 0, -1
"""Values of `segment_ids` besides the numbers of questions."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of a batch, each clip's once.

    Attributes:
        frames, times_s, spans_s, masks: as in `PackedBatch`, of the C rows that differ.
        of_rows: `[B]` for each row the one of C that it shows; None if all rows differ.
    """

    frames: Tensor | tuple[Tensor, ...]
    times_s: Tensor
    spans_s: Tensor | None
    masks: Tensor | None
    of_rows: Tensor | None


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """Packed rows; the module's text describes the layout.

    Attributes:
        input_ids: `[B, N]` tokens: the clip, then one question after another, then padding.
        position_ids: `[B, N]`, restarting after the clip for each question.
        segment_ids: `[B, N]`: 0 for the clip, k for the k-th question, -1 for padding.
        targets: `[B, N]` the token each position must predict, or -100.
        branch_ids: `[B, N]`: k where a position belongs to the text of the k-th option (counted
            from 1), else 0. Options of a question do not attend to each other's text.
        letter_rows: `[Q, 2]` row and position whose hidden state predicts each answer.
        scored: `[A, 4]` row, position, question and option of each token of an answer; the
            likelihood of an option is the product over its tokens.
        scored_tokens: `[A]` those tokens.
        answer_index: `[Q]` index of the correct option.
        option_counts: `[Q]` number of options.
        qa_ids: ids of the questions, in the order of `letter_rows`.
        clip_ids: ids of the clips, one per row.
        frames: u8 `[B, 1+T, S, S, 3]`, rows `[F, H, W, 3]` of several sizes, or None for an arm
            without video.
        times_s: `[B, 1+T]` or None; p4d/students/model/adapters/protocol.py defines the values
            that stand for stills and for padding.
        spans_s: `[B]` seconds that the frames of a row were sampled from; None: unknown.
        labels: the teacher's labels (training only): latents stacked over the rows that have
            labels, maps over those of them whose maps are compared.
        labelled_rows: `[L]` rows with labels, in order.
        mapped: `[M]` indices into `labelled_rows` of the rows whose maps are compared.
        masks: u8 `[B, K, S, S]` regions in the first frame, for a student that reads regions as
            tokens (p4d/students/model/region_tokens.py), else None.
        region_ids: `[K]` the tokens that name the regions.
        same_pictures: `[B]` the first row that shows the same pictures, which are encoded once;
            None if all rows differ.
    """

    input_ids: Tensor
    position_ids: Tensor
    segment_ids: Tensor
    targets: Tensor
    branch_ids: Tensor
    letter_rows: Tensor
    scored: Tensor
    scored_tokens: Tensor
    answer_index: Tensor
    option_counts: Tensor
    qa_ids: tuple[str, ...]
    clip_ids: tuple[str, ...]
    frames: Tensor | tuple[Tensor, ...] | None = None
    times_s: Tensor | None = None
    spans_s: Tensor | None = None
    labels: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    labelled_rows: Tensor
    mapped: Tensor
    masks: Tensor | None = None
    region_ids: Tensor | None = None
    same_pictures: Tensor | None = None

    @property
    def token_mask(self) -> Tensor:
        """True where a position holds text or video."""
        return self.segment_ids != PADDING

    def attention_mask(self) -> Tensor:
        """`[B, 1, N, N]` bool: whether a query (third axis) attends to a key (fourth axis)."""
        segments = self.segment_ids
        length = segments.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
        same = segments[:, :, None] == segments[:, None, :]
        clip = (segments == PREFIX)[:, None, :]
        branches = self.branch_ids
        shared = (branches == 0)[:, None, :] | (branches[:, :, None] == branches[:, None, :])
        return (causal & (clip | (same & shared)))[:, None]

    def clips(self) -> tuple[Tensor, Tensor]:
        """`[C]` the first row of each clip, and `[B]` for each row the one of C that it shows."""
        if self.same_pictures is None:
            rows = torch.arange(len(self.input_ids), device=self.input_ids.device)
            return rows, rows
        first, of_rows = self.same_pictures.unique(return_inverse=True)
        return first, of_rows

    def pictures(self, frames: Tensor | tuple[Tensor, ...], times_s: Tensor) -> Pictures:
        """The pictures to encode; `frames` and `times_s` are the batch's own, which has some."""
        if self.same_pictures is None:
            return Pictures(frames, times_s, self.spans_s, self.masks, None)
        first, of_rows = self.clips()
        return Pictures(
            frames[first] if isinstance(frames, Tensor) else tuple(frames[row] for row in first),
            times_s[first],
            None if self.spans_s is None else self.spans_s[first],
            None if self.masks is None else self.masks[first],
            of_rows,
        )

    def to(self, device: torch.device | str) -> PackedBatch:
        """A copy on another device."""

        def move(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device)
            if isinstance(value, tuple) and value and isinstance(value[0], Tensor):
                return tuple(tensor.to(device) for tensor in value)
            if isinstance(value, dict):
                return {name: tensor.to(device) for name, tensor in value.items()}
            return value

        fields = {f.name: move(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return PackedBatch(**fields)  # type: ignore[arg-type]
