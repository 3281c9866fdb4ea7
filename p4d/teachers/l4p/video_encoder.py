"""The video transformer: frames to the outputs of four of its blocks.

Shapes: B clips, T frames of S x S px, H = 4 hooks, t = T / tubelet, h = w = S / patch_px, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.teachers.l4p.sizes import L4PConfig


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, tokens_bnd: Tensor) -> Tensor:
        batch, count, width = tokens_bnd.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        qkv = functional.linear(tokens_bnd, self.qkv.weight, bias)
        query, key, value = qkv.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        found: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return found


class _Mlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, tokens_bnd: Tensor) -> Tensor:
        found: Tensor = self.fc2(functional.gelu(self.fc1(tokens_bnd)))
        return found


class _EncoderBlock(nn.Module):
    def __init__(self, config: L4PConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=1e-6)
        self.attn = _Attention(config.width, config.heads)
        self.norm2 = nn.LayerNorm(config.width, eps=1e-6)
        self.mlp = _Mlp(config.width, config.mlp_width)

    def forward(self, tokens_bnd: Tensor) -> Tensor:
        tokens_bnd = tokens_bnd + self.attn(self.norm1(tokens_bnd))
        return tokens_bnd + self.mlp(self.norm2(tokens_bnd))


class _PatchEmbed(nn.Module):
    def __init__(self, config: L4PConfig) -> None:
        super().__init__()
        kernel = (config.tubelet, config.patch_px, config.patch_px)
        self.proj = nn.Conv3d(3, config.width, kernel, stride=kernel)


class VideoEncoder(nn.Module):
    """Frames to the outputs of the hooked blocks, [B, H, t, h, w, D]."""

    position: Tensor

    def __init__(self, config: L4PConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = _PatchEmbed(config)
        self.blocks = nn.ModuleList([_EncoderBlock(config) for _ in range(config.blocks)])
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        count = config.frames // config.tubelet * config.tokens_hw**2
        self.register_buffer("position", _sinusoids(count, config.width), persistent=False)

    def forward(self, pictures_b3thw: Tensor) -> Tensor:
        """Normalised frames [B, 3, T, S, S] to latents."""
        config = self.config
        grid = self.patch_embed.proj(pictures_b3thw)
        tokens = grid.flatten(2).transpose(1, 2) + self.position
        kept = []
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens)
            if number in config.hooks:  # the last block's output is normed
                kept.append(self.norm(tokens) if number == config.blocks else tokens)
        side = config.tokens_hw
        return torch.stack(kept, 1).unflatten(2, (-1, side, side))


def _sinusoids(count: int, width: int) -> Tensor:
    """Fixed positions of VideoMAE, [1, count, width]."""
    place = torch.arange(count, dtype=torch.float64)[:, None]
    rate = 10000.0 ** (-2 * (torch.arange(width, dtype=torch.float64) // 2) / width)
    angle = place * rate
    angle[:, 0::2], angle[:, 1::2] = angle[:, 0::2].sin(), angle[:, 1::2].cos()
    return angle.float()[None]
