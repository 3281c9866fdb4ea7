"""Timestamp positional encoding (TPE, paper Eq. 5) of the time of a frame in seconds.

p[2i] = sin(t / T^(2i/D)), p[2i+1] = cos(t / T^(2i/D)), T = 10000, D = width of the vision encoder.
It is added to the encoder's output before the projector, one vector per frame for all its patches.
It has no parameters and is the only part of the method that remains at inference.
"""

from __future__ import annotations

import torch
from torch import Tensor

PERIOD = 10_000.0


def time_encoding(times_s: Tensor, width: int) -> Tensor:
    """Encode times.

    Args:
        times_s: seconds since the start of the clip, any shape `[...]`; NaN marks a picture that
            has no time (the marked picture before the clip) and gives zeros.
        width: D, even.

    Returns:
        `[..., width]`, float32.

    Raises:
        ValueError: `width` is odd.
    """
    if width % 2:
        raise ValueError(f"the width of a time encoding must be even, got {width}")
    even = torch.arange(0, width, 2, dtype=torch.float64, device=times_s.device)
    angle = times_s.double()[..., None] / PERIOD ** (even / width)
    encoded = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
    return torch.nan_to_num(encoded, nan=0.0).float()
