"""Rows of clips and rows of external conversations as one batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from p4d.students.data.conversations import ConversationPacker, DecodedConversation
from p4d.students.data.packer import Packer
from p4d.students.data.samples import Sample
from p4d.students.model.adapters.protocol import ABSENT
from p4d.students.model.batch import IGNORED, PADDING, PackedBatch
from p4d.students.model.tokenizer import token_id

Row = Sample | DecodedConversation


class MixedPacker(Packer):
    """Packs clips with their questions, and external conversations behind them, into one batch."""

    def pack(self, samples: Sequence[Row], *, scored: bool = True) -> PackedBatch:
        """Rows of clips come first, in order, then those of conversations."""
        own = [sample for sample in samples if isinstance(sample, Sample)]
        other = [sample for sample in samples if isinstance(sample, DecodedConversation)]
        if not other:
            return super().pack(own, scored=scored)
        conversations = ConversationPacker(self._tokenizer, self._adapter).pack(other)
        if not own:
            return conversations
        pad = token_id(self._tokenizer, str(self._tokenizer.pad_token))
        return joined(super().pack(own, scored=scored), conversations, pad)


def joined(clips: PackedBatch, conversations: PackedBatch, pad: int) -> PackedBatch:
    """Two batches as one, padded to the longer; indices of rows are those of `clips`.

    Args:
        clips: rows with questions and labels.
        conversations: rows with neither.
        pad: the token that pads.
    """
    length = max(clips.input_ids.shape[1], conversations.input_ids.shape[1])

    def rows(name: str, fill: int) -> Tensor:
        parts = (getattr(clips, name), getattr(conversations, name))
        return torch.cat(
            [functional.pad(part, (0, length - part.shape[1]), value=fill) for part in parts]
        )

    frames, times_s = _pictures(clips, conversations)
    masks = clips.masks
    if masks is not None:
        empty = masks.new_zeros(len(conversations.clip_ids), *masks.shape[1:])
        masks = torch.cat([masks, empty])
    return dataclasses.replace(
        clips,
        input_ids=rows("input_ids", pad),
        position_ids=rows("position_ids", 0),
        segment_ids=rows("segment_ids", PADDING),
        targets=rows("targets", IGNORED),
        branch_ids=rows("branch_ids", 0),
        clip_ids=(*clips.clip_ids, *conversations.clip_ids),
        frames=frames,
        times_s=times_s,
        spans_s=None,  # the spans of external videos are not known
        masks=masks,
        same_pictures=None,
    )


def _pictures(
    *batches: PackedBatch,
) -> tuple[Tensor | tuple[Tensor, ...] | None, Tensor | None]:
    """Pictures and times of all rows; pictures of several sizes stay one tensor per row."""
    if all(batch.frames is None for batch in batches):
        return None, None
    rows = [row for batch in batches for row in _rows_of(batch)]
    most = max(len(times) for _, times in rows)
    times_s = torch.stack(
        [functional.pad(times, (0, most - len(times)), value=ABSENT) for _, times in rows]
    )
    sizes = {frames.shape[1:3] for frames, _ in rows if len(frames)}
    if len(sizes) != 1:
        return tuple(frames for frames, _ in rows), times_s
    (height, width) = sizes.pop()
    pictures = torch.zeros(len(rows), most, height, width, 3, dtype=torch.uint8)
    for number, (frames, _) in enumerate(rows):
        if len(frames):
            pictures[number, : len(frames)] = frames
    return pictures, times_s


def _rows_of(batch: PackedBatch) -> list[tuple[Tensor, Tensor]]:
    if batch.frames is None or batch.times_s is None:
        none = torch.zeros(0, 1, 1, 3, dtype=torch.uint8), torch.zeros(0, dtype=torch.float64)
        return [none for _ in batch.clip_ids]
    return list(zip(batch.frames, batch.times_s, strict=True))
