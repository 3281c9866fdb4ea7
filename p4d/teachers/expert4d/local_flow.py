"""Local flow between neighbouring frames from the gradients of the pictures; nothing is learned.

Dense pyramidal Lucas-Kanade (Lucas and Kanade 1981; Bouguet 2001): per window, the displacement
that explains the difference of two pictures by their gradients, from coarse to fine. The expert
needs this input because at 64 px most motion is a fraction of a pixel, which a small transformer
does not learn to find within minutes of training.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ROUNDS = (2, 2, 1)
"""Iterations per level, from coarse (a quarter of the size) to fine."""

MULTIPLE_PX = 2 ** len(ROUNDS)
"""Sides of pictures must be a multiple of this."""

LONGEST_STEP_PX = 1.0  # per iteration; gradients are not informative beyond it
FLAT = 5e-5  # added to squared gradients: flat windows keep the result of the coarser level
CHANNELS = 5


@torch.no_grad()
def local_flow(image_btchw: Tensor) -> Tensor:
    """Flow features [B, T, 5, S / 2, S / 2] of pictures [B, T, 3, S, S] in [-1, 1].

    Channels: displacement to the previous frame (x, y, in px / 4), log of the weakest gradient (the
    reliability of the displacement), log of the difference that remains after warping, log of the
    difference before. Frame 0 is compared with frame 1, because its motion looks forward.
    """
    # Pictures come with their channels last, in which differences and sums take half as long again.
    image = image_btchw.float().contiguous()
    neighbour = torch.cat([image[:, 1:2], image[:, :-1]], 1)
    own, other = image.flatten(0, 1), neighbour.flatten(0, 1)
    pyramid = [(own, other)]
    for _ in ROUNDS[1:]:
        a, b = pyramid[0]
        pyramid.insert(0, (functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)))
    # Flow has half the size of each level's pictures, as windows are larger than a pixel.
    side = pyramid[0][0].shape[-1] // 2
    flow = own.new_zeros(len(own), 2, side, side)
    weakest = flow[:, :1]
    for level, (a, b) in enumerate(pyramid):
        if level:
            flow = 2 * _twice(flow)
        for _ in range(ROUNDS[level]):
            step, weakest = _step(a, _warped(b, _twice(flow)))
            flow = flow + step
        flow = _smooth(flow)
    left = _difference(own, _warped(other, _twice(flow)))
    features = torch.cat([flow / 4, weakest, left, _difference(own, other)], 1)
    return features.unflatten(0, image.shape[:2])


def _step(own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Displacement that explains own - other, and log of the weakest gradient, at half size."""
    padded = functional.pad(own + other, (1, 1, 1, 1), mode="replicate")
    gx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 4
    gy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 4
    change = own - other
    products = [gx * gx, gx * gy, gy * gy, gx * change, gy * change]
    sums = functional.avg_pool2d(torch.stack([product.sum(1) for product in products], 1), 2)
    xx, xy, yy, bx, by = _smooth(sums).unbind(1)
    xx, yy = xx + FLAT, yy + FLAT
    determinant = xx * yy - xy * xy
    step = torch.stack([yy * bx - xy * by, xx * by - xy * bx], 1) / determinant[:, None]
    weakest = torch.log10(determinant / (xx + yy))[:, None] + 3
    return step.clamp(-LONGEST_STEP_PX, LONGEST_STEP_PX), weakest


def _difference(a: Tensor, b: Tensor) -> Tensor:
    squares = functional.avg_pool2d((a - b).square().mean(1, keepdim=True), 2)
    return torch.log10(squares + 1e-5) + 3


def _warped(picture: Tensor, flow: Tensor) -> Tensor:
    """`picture` sampled at every pixel plus flow (px)."""
    height, width = picture.shape[-2:]
    y = torch.arange(height, dtype=flow.dtype) + 0.5
    x = torch.arange(width, dtype=flow.dtype) + 0.5
    place_x = (x + flow[:, 0]) * (2 / width) - 1
    place_y = (y[:, None] + flow[:, 1]) * (2 / height) - 1
    place = torch.stack([place_x, place_y], -1)
    return functional.grid_sample(picture, place, padding_mode="border", align_corners=False)


def _twice(flow: Tensor) -> Tensor:
    return functional.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)


def _smooth(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, 3, 1, 1, count_include_pad=False)
