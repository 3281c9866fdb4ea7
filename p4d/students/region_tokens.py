"""Region prompts without parameters: masks of the first frame tie `<obj_k>` to what it shows.

In the place of the region extractor of 4D-RGPT: the embedding of `<obj_k>` in a question gains the
mean of the projected visual tokens under region k, and the visual tokens of the first slot gain the
embedding of `<obj_k>` in proportion to how much of them region k covers. Only the first frame's
masks are used, as R4D-Bench has it: a track would tell how a region moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.errors import ContractError


def coverage(masks_bkss: Tensor, grid: tuple[int, int]) -> Tensor:
    """Share of each visual token that each region covers, `[B, K, rows * columns]`."""
    return functional.adaptive_avg_pool2d(masks_bkss.float(), grid).flatten(2)


def tagged(features_nd: Tensor, cover_kc: Tensor, names_kd: Tensor) -> Tensor:
    """Visual tokens `[n, D]` of a clip, those of its first slot with the embeddings of regions."""
    cells = cover_kc.shape[-1]
    names = cover_kc.to(features_nd).T @ names_kd.to(features_nd)
    return torch.cat([features_nd[:cells] + names, features_nd[cells:]])


def pooled(features_nd: Tensor, cover_kc: Tensor) -> Tensor:
    """Mean visual token of the first slot under each region, `[K, D]`; zero under an empty one.

    Raises:
        ContractError: there are fewer visual tokens than a slot has.
    """
    cells = cover_kc.shape[-1]
    if len(features_nd) < cells:
        raise ContractError(f"{len(features_nd)} visual tokens are fewer than a slot of {cells}")
    weights = cover_kc / cover_kc.sum(dim=-1, keepdim=True).clamp_min(1e-6)
    return weights.to(features_nd) @ features_nd[:cells]


@contextmanager
def region_embeddings(
    embeddings: nn.Module, region_ids: Tensor, pooled_bkd: Tensor
) -> Iterator[None]:
    """While open, the token `region_ids[k]` of row b is embedded with `pooled_bkd[b, k]` added."""

    def add(_: nn.Module, given: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
        (ids,) = given
        if ids.shape[0] != len(pooled_bkd):  # a family that embeds placeholders by themselves
            return embedded
        named = (ids[..., None] == region_ids[: pooled_bkd.shape[1]]).to(embedded)
        return embedded + named @ pooled_bkd.to(embedded)

    handle = embeddings.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
