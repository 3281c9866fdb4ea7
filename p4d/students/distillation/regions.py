"""Distillation at the region: what a question reads there predicts the expert's latents there.

A region's token is a mean over visual tokens. What is antisymmetric within the region, such as the
flow of a rotation, cancels in it, however well each token predicts its maps (docs/regime.md). The
expert has features that a mean keeps. The target of a region is the mean of the expert's latents
under its mask of the first frame, all hooks and tubelets concatenated; the prediction is a linear
map of what a question reads at the region (`region_tokens.as_read`). The linear map is used in
training only. Masks come with the clip: neither questions nor dense maps are needed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.students.model.region_tokens import coverage


class RegionDecoder(nn.Module):
    """What is read at regions to standardised latents of the expert under their masks."""

    def __init__(self, width: int, latent_shape: tuple[int, int, int, int, int]) -> None:
        """Draw weights from torch's global generator.

        Args:
            width: channels of the student.
            latent_shape: (hooks, tubelets, rows, columns, channels) of the expert's latents.
        """
        super().__init__()
        hooks, tubelets, _, _, channels = latent_shape
        self._scale = math.sqrt(width)
        self.linear = nn.Linear(width, hooks * tubelets * channels)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, read_nd: Tensor) -> Tensor:
        """`[n, width]` of about unit norm to `[n, H t D]`."""
        predicted: Tensor = self.linear(self._scale * read_nd)
        return predicted


def region_latents(latents_bhthwd: Tensor, masks_bkss: Tensor) -> tuple[Tensor, Tensor]:
    """Means of latents under the regions of their clips.

    Args:
        latents_bhthwd: `[B, H, t, h, w, D]`, standardised.
        masks_bkss: `[B, K, S, S]` of the first frame; absent regions are empty.

    Returns:
        `[B, K]` which regions are there, and `[n, H t D]` the means of those, in that order.
    """
    cover = coverage(masks_bkss, (latents_bhthwd.shape[3], latents_bhthwd.shape[4]))
    there = cover.sum(dim=-1) > 0
    weights = cover / cover.sum(dim=-1, keepdim=True).clamp_min(1e-6)
    cells = latents_bhthwd.flatten(3, 4).float()
    means = torch.einsum("bkc,bhtcd->bkhtd", weights, cells).flatten(2)
    return there, means[there]


def regions_counted(latents_bhthwd: Tensor, masks_bkss: Tensor | None) -> float:
    """Number of elements that `region_loss` is a mean over."""
    if masks_bkss is None:
        return 0.0
    _, hooks, tubelets, _, _, channels = latents_bhthwd.shape
    there = masks_bkss.flatten(2).any(dim=-1)
    return float(there.sum()) * hooks * tubelets * channels


def region_loss(predicted: Tensor, target: Tensor, count: float | None = None) -> Tensor:
    """Mean SmoothL1 between `[n, F]`; `count` elements per step."""
    total = functional.smooth_l1_loss(predicted.float(), target.float(), reduction="sum")
    return total / max(target.numel() if count is None else count, 1.0)
