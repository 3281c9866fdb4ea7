"""Many questions about few clips: the language model reads each clip once.

The tokens before the questions of a row attend to each other alone (`batch.py`). Their keys and
values are therefore the same for all questions about a clip. They are computed once for the rows
that show the same pictures, and each question continues them in a row of its own, in groups of
nearly equal length. Whole rows give the same states, up to rounding, from a dense mask over all
pairs of tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from p4d.students.model.adapters import StudentAdapter
from p4d.students.model.attention import in_form, takes_any_mask
from p4d.students.model.batch import PREFIX, PackedBatch
from p4d.students.model.region_tokens import region_embeddings

GROUP = 16
"""Questions of nearly equal length that are continued together."""


@dataclass(frozen=True)
class Turns:
    """The questions of a batch, in the order of `PackedBatch.qa_ids`.

    Attributes:
        row: `[Q]` the row that holds each.
        start: `[Q]` its first token in that row.
        length: `[Q]` number of its tokens.
    """

    row: Tensor
    start: Tensor
    length: Tensor

    @classmethod
    def of(cls, batch: PackedBatch) -> Turns:
        """Find them by the numbers of their segments."""
        segments = batch.segment_ids
        edge = torch.full_like(segments[:, :1], PREFIX)
        asked = segments > PREFIX
        begins = asked & (segments != torch.cat([edge, segments[:, :-1]], dim=1))
        ends = asked & (segments != torch.cat([segments[:, 1:], edge], dim=1))
        row, start = begins.nonzero().unbind(dim=1)
        return cls(row, start, ends.nonzero()[:, 1] + 1 - start)

    def in_groups(self) -> Iterator[Tensor]:
        """Indices of questions, the shortest first."""
        yield from self.length.argsort(stable=True).split(GROUP)


def shares_prefixes(adapter: StudentAdapter, batch: PackedBatch) -> bool:
    """Whether `scored_states` computes less than whole rows do."""
    clips, _ = batch.clips()
    return takes_any_mask(adapter.model) and len(batch.qa_ids) > len(clips)


class _ContinuedLayer(DynamicLayer):
    """Keys and values of prefixes, of which each row continues one; what follows is not kept."""

    def __init__(self, read: DynamicLayer, of_rows: Tensor) -> None:
        super().__init__()
        assert read.keys is not None, "the prefixes were read"
        assert read.values is not None, "the prefixes were read"
        self.keys, self.values, self._of_rows = read.keys, read.values, of_rows
        self._read = read.keys, read.values
        self.dtype, self.device, self.is_initialized = read.dtype, read.device, True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        del args, kwargs
        keys, values = (states[self._of_rows] for states in self._read)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)


@dataclass(frozen=True)
class ReadPrefixes:
    """What the language model has read of C clips.

    Attributes:
        layers: its keys and values, by block.
        length: `[C]` tokens of each prefix; the layers are as long as the longest.
        shift: `[C]` what is added to plain positions of the text that follows.
        of_rows: `[B]` for each row of the batch the prefix that it begins with.
    """

    layers: tuple[DynamicLayer, ...]
    length: Tensor
    shift: Tensor
    of_rows: Tensor

    def continued(self, rows: Tensor) -> Cache:
        """Keys and values for the continuation of these rows of the batch, one pass long."""
        of_rows = self.of_rows[rows]
        return Cache(layers=[_ContinuedLayer(layer, of_rows) for layer in self.layers])


def scored_states(
    adapter: StudentAdapter, batch: PackedBatch, pictures: Mapping[str, Any], added: Tensor | None
) -> Tensor:
    """The last hidden states `[A, D]` at the places of `batch.scored`.

    Args:
        adapter: holds the model.
        batch: packed rows.
        pictures: of the C clips that differ, as `adapter.encode` gives them.
        added: `[C, K, D]` what is added to the names of regions (`region_tokens.py`), or None.
    """
    with _named(adapter, batch, added):
        read = _read(adapter, batch, pictures)
    turns = Turns.of(batch)
    asked = batch.scored[:, 2]
    within = batch.scored[:, 1] - turns.start[asked]
    places, found = list[Tensor](), list[Tensor]()
    for group in turns.in_groups():
        of_group = None if added is None else added[read.of_rows[turns.row[group]]]
        with _named(adapter, batch, of_group):
            states = _continued(adapter, batch, read, turns, group)
        number = torch.full_like(turns.row, -1)
        number[group] = torch.arange(len(group), device=group.device)
        here = (number[asked] >= 0).nonzero()[:, 0]
        places.append(here)
        found.append(states[number[asked[here]], within[here]])
    return torch.cat(found)[torch.cat(places).argsort()]


def _named(
    adapter: StudentAdapter, batch: PackedBatch, added: Tensor | None
) -> AbstractContextManager[None]:
    """While open, names of regions are embedded with what is added to them."""
    if added is None or batch.region_ids is None:
        return nullcontext()
    return region_embeddings(adapter.model.get_input_embeddings(), batch.region_ids, added)


def _read(adapter: StudentAdapter, batch: PackedBatch, pictures: Mapping[str, Any]) -> ReadPrefixes:
    """Run the language model on the tokens before the questions, once for each clip."""
    first, of_rows = batch.clips()
    length = (batch.segment_ids[first] == PREFIX).sum(dim=1)
    longest = int(length.max())
    ids = batch.input_ids[first, :longest]
    order = torch.arange(longest, device=ids.device)
    sees = (order[:, None] >= order) & (order < length[:, None])[:, None]
    layers = tuple(DynamicLayer() for _ in adapter.blocks())
    adapter.last_state(
        input_ids=ids,
        attention_mask=sees[:, None],
        blocks_mask=in_form(adapter.model, sees[:, None]),
        position_ids=order.expand_as(ids),
        past_key_values=Cache(layers=list(layers)),
        **pictures,
    )
    return ReadPrefixes(layers, length, adapter.text_shift(ids, **pictures), of_rows)


def _continued(
    adapter: StudentAdapter, batch: PackedBatch, read: ReadPrefixes, turns: Turns, group: Tensor
) -> Tensor:
    """States `[G, M, D]` of the tokens of a group of questions, M of the longest."""
    rows, length = turns.row[group], turns.length[group, None]
    order = torch.arange(int(length.max()), device=rows.device)
    places = turns.start[group, None] + order.minimum(length - 1)
    clip = read.of_rows[rows]
    branches = batch.branch_ids[rows[:, None], places]
    shared = (branches == 0)[:, None, :] | (branches[:, :, None] == branches[:, None, :])
    own = shared & (order[:, None] >= order) & (order < length)[:, None]
    begun = (
        torch.arange(read.layers[0].get_seq_length(), device=rows.device) < read.length[clip, None]
    )
    sees = torch.cat([begun[:, None].expand(-1, len(order), -1), own], dim=-1)[:, None]
    return adapter.last_state(
        input_ids=batch.input_ids[rows[:, None], places],
        attention_mask=sees,
        blocks_mask=in_form(adapter.model, sees),
        position_ids=batch.position_ids[rows[:, None], places] + read.shift[clip, None],
        past_key_values=read.continued(rows),
    )
