"""Trained additions to a few rows of a frozen table of embeddings: new tokens under LoRA.

The table has hundreds of megabytes, so its gradient and moments would cost more than all updates of
LoRA. Only the rows of new tokens are trained, as a small table that is added to what they embed to;
`merged_rows` adds it to the table itself, and to a head that is tied to it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

NAME = "new_rows"


class NewRows(nn.Module):
    """What is added to the rows of `ids`."""

    def __init__(self, table: nn.Module, ids: Tensor) -> None:
        """Zeros, so that nothing changes before training."""
        super().__init__()
        weight: Any = table.weight
        self.added = nn.Parameter(torch.zeros(len(ids), weight.shape[1], device=weight.device))
        self.register_buffer("ids", ids.to(weight.device), persistent=False)
        self.handle: RemovableHandle | None = None

    def of(self, ids: Tensor) -> Tensor:
        """The additions `[..., D]` to the embeddings of `ids` `[...]`; zeros for other tokens."""
        own: Any = self.ids
        named = torch.eq(ids[..., None], own).to(self.added)
        return named @ self.added


def add_new_rows(table: nn.Module, ids: Tensor) -> None:
    """Train additions to the rows of `ids` of a frozen table of embeddings."""
    rows = NewRows(table, ids)
    table.add_module(NAME, rows)

    def add(_: nn.Module, given: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
        return embedded + rows.of(given[0]).to(embedded)

    rows.handle = table.register_forward_hook(add)


def rows_of(table: nn.Module, ids: Tensor) -> Tensor:
    """The embeddings of some tokens with their additions, `[K, D]`."""
    weight: Any = table.weight
    rows: NewRows | None = getattr(table, NAME, None)
    plain: Tensor = weight[ids]
    return plain if rows is None else plain + rows.of(ids).to(plain)


@torch.no_grad()
def merged_rows(table: nn.Module) -> None:
    """Add the additions to the table and remove them; a table without them stays as it is."""
    rows: NewRows | None = getattr(table, NAME, None)
    if rows is None:
        return
    weight: Any = table.weight
    ids: Any = rows.ids
    weight[ids] += rows.added.to(weight)
    assert rows.handle is not None
    rows.handle.remove()
    delattr(table, NAME)
