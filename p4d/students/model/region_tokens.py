"""Region prompts without parameters: masks of the first frame tie `<obj_k>` to visual tokens.

Replaces the region extractor of 4D-RGPT. The embedding of `<obj_k>` in a question is increased by
two vectors: the contrast of the projected visual tokens under region k to the mean of the first
slot, and an encoding of the region's place. The visual tokens of the first slot are increased by
the embedding of `<obj_k>` in proportion to the share that region k covers. Only the masks of the
first frame are used, as in R4D-Bench: a track would reveal how a region moves.

Both vectors are scaled to the norm of the embedding that they are added to. Visual tokens are many
times larger, and most of that is common to all of them. Their plain mean dominated the name: a
student with the true facts in these tokens still answered at chance after 200 steps
(docs/regime.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.errors import ContractError
from p4d.students.model.prompt_settings import PromptSettings


def coverage(masks_bkss: Tensor, grid: tuple[int, int]) -> Tensor:
    """Share of each visual token that each region covers, `[B, K, rows * columns]`."""
    return functional.adaptive_avg_pool2d(masks_bkss.float(), grid).flatten(2)


def tagged(features_nd: Tensor, cover_kc: Tensor, names_kd: Tensor) -> Tensor:
    """Visual tokens `[n, D]` of a clip; the embeddings of regions are added to the first slot."""
    cells = cover_kc.shape[-1]
    names = cover_kc.to(features_nd).T @ names_kd.to(features_nd)
    return torch.cat([features_nd[:cells] + names, features_nd[cells:]])


def described(
    features_nd: Tensor,
    cover_kc: Tensor,
    grid: tuple[int, int],
    names_kd: Tensor,
    settings: PromptSettings,
) -> Tensor:
    """The vector that is added to the embedding of each region, `[K, D]`; zero if it is empty.

    Args:
        features_nd: projected visual tokens of a clip, the first slot first.
        cover_kc: `coverage` of its regions.
        grid: rows and columns of a slot.
        names_kd: embeddings of `<obj_1>` ... `<obj_K>`.
        settings: scales of content and place.

    Raises:
        ContractError: there are fewer visual tokens than a slot has.
    """
    size = names_kd.norm(dim=-1, keepdim=True).detach()
    there = (cover_kc.sum(dim=-1, keepdim=True) > 0).to(names_kd)
    return there * size * as_read(features_nd, cover_kc, grid, settings).to(names_kd)


def as_read(
    features_nd: Tensor, cover_kc: Tensor, grid: tuple[int, int], settings: PromptSettings
) -> Tensor:
    """What a question reads at each region, before the size of the name, `[K, D]`.

    Arguments and errors are those of `described`.
    """
    content = settings.content_scale * functional.normalize(contrast(features_nd, cover_kc), dim=-1)
    where = settings.place_scale * functional.normalize(
        place(cover_kc, grid, features_nd.shape[-1]), dim=-1
    )
    return content + where.to(content)


def contrast(features_nd: Tensor, cover_kc: Tensor) -> Tensor:
    """Mean visual token of the first slot under each region minus the mean of the slot, `[K, D]`.

    Raises:
        ContractError: there are fewer visual tokens than a slot has.
    """
    cells = cover_kc.shape[-1]
    if len(features_nd) < cells:
        raise ContractError(f"{len(features_nd)} visual tokens are fewer than a slot of {cells}")
    weights = cover_kc / cover_kc.sum(dim=-1, keepdim=True).clamp_min(1e-6)
    first = features_nd[:cells]
    return weights.to(features_nd) @ first - first.mean(dim=0)


def place(cover_kc: Tensor, grid: tuple[int, int], width: int) -> Tensor:
    """Centre and extent of each region as sines and cosines, `[K, width]`.

    Horizontal and vertical centre and the root of the covered share, each from 0 to 1, at
    frequencies over four octaves from half a period.
    """
    rows, columns = grid
    across = (torch.arange(columns, device=cover_kc.device) + 0.5) / columns
    down = (torch.arange(rows, device=cover_kc.device) + 0.5) / rows
    share = cover_kc.unflatten(-1, grid)
    total = share.sum(dim=(-2, -1)).clamp_min(1e-6)
    measures = (
        (share.sum(dim=-2) @ across) / total,
        (share.sum(dim=-1) @ down) / total,
        (total / (rows * columns)).sqrt(),
    )
    octaves = torch.pi * 2.0 ** torch.linspace(0, 4, width // 6, device=cover_kc.device)
    angles = torch.cat([measure[:, None] * octaves for measure in measures], dim=-1)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return functional.pad(waves, (0, width - waves.shape[-1]))


@contextmanager
def region_embeddings(
    embeddings: nn.Module, region_ids: Tensor, added_bkd: Tensor
) -> Iterator[None]:
    """While open, `added_bkd[b, k]` is added to the embedding of `region_ids[k]` in row b."""

    def add(_: nn.Module, given: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
        (ids,) = given
        if ids.shape[0] != len(added_bkd):  # a family that embeds placeholders separately
            return embedded
        named = (ids[..., None] == region_ids[: added_bkd.shape[1]]).to(embedded)
        return embedded + named @ added_bkd.to(embedded)

    handle = embeddings.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
