"""The perception decoder: used in training only, not exported.

It predicts the expert's latents from hidden states of the visual tokens of the clip's frames: per
hook by an MLP (paper A1.1: three layers, GELU, Xavier weights, zero biases) or by one linear layer
(the paper's released code). The linear layer keeps the perceived quantities linearly decodable from
the tokens that questions attend to. The expert's own frozen heads turn predicted latents into
explicit maps (paper Eq. 4).

With `sample` the first slot of each tubelet is taken and the student's grid is resized to the
teacher's, as in the paper and its released code. With `cover` all slots of a tubelet are
concatenated. If the teacher's grid is a whole multiple of the student's, a token
predicts all teacher tokens it covers, also in time, because interpolation between coarse tokens
cannot separate them; otherwise the grid is resized bilinearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.artifacts import Arrays
from p4d.errors import ContractError

RELEASE_DEVIATION = 0.1
"""Of the initial weights in the paper's released code."""


@dataclass(frozen=True, kw_only=True)
class LatentStats:
    """Mean and deviation of the expert's latents per hook and channel, `[H, D]` each."""

    mean_hd: Tensor
    std_hd: Tensor

    @classmethod
    def load(cls, expert_folder: Path) -> LatentStats:
        """Read `latent_stats.safetensors` of the expert."""
        arrays = Arrays(expert_folder / "latent_stats.safetensors")
        mean, std = (
            torch.from_numpy(arrays[name].copy()).float() for name in ("mean_hd", "std_hd")
        )
        if mean.shape != std.shape or mean.ndim != 2 or not bool((std > 0).all()):
            raise ContractError(f"{expert_folder}: latent statistics are not [hooks, channels]")
        return cls(mean_hd=mean, std_hd=std)

    @classmethod
    def of(cls, latents: Iterable[np.ndarray]) -> LatentStats:
        """Measure latents `[H, t, h, w, D]` of some clips.

        Raises:
            ContractError: a channel never changes, so that it cannot be standardised.
        """
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for each in latents:
            wide = np.asarray(each, np.float64)
            flat = wide.reshape(len(wide), -1, wide.shape[-1])
            count += flat.shape[1]
            total = total + flat.sum(axis=1)
            squares = squares + (flat**2).sum(axis=1)
        mean = total / max(count, 1)
        std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        if not count or not (std > 0).all():
            raise ContractError("latents of the teacher do not vary over the train clips")
        return cls(mean_hd=torch.from_numpy(mean).float(), std_hd=torch.from_numpy(std).float())

    def standardise(self, latents: Tensor) -> Tensor:
        """Raw latents `[B, H, t, h, w, D]` to zero mean and unit deviation."""
        return (latents - self._wide(self.mean_hd, latents)) / self._wide(self.std_hd, latents)

    def restore(self, standardised: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        scale = self._wide(self.std_hd, standardised)
        return standardised * scale + self._wide(self.mean_hd, standardised)

    @staticmethod
    def _wide(value_hd: Tensor, like: Tensor) -> Tensor:
        return value_hd[None, :, None, None, None, :].to(like)


@dataclass(frozen=True, kw_only=True)
class DecoderSizes:
    """Sizes of both sides of the decoder.

    Attributes:
        student_width: channels of the hidden state.
        student_grid: rows and columns of visual tokens per slot.
        slots: groups of visual tokens in order of time, each of one frame or of a tubelet.
        hooks: H, latents per clip.
        latent_grid: tubelets, rows and columns of the expert's tokens.
        latent_width: channels of a latent.
        hidden_width: hidden width of each MLP; 0 for a linear layer.
        init: `xavier`, or `normal` with a deviation of 0.1; biases are zero.
        rearrange: `cover` or `sample`, see the text of the module.
    """

    student_width: int
    student_grid: tuple[int, int]
    slots: int
    hooks: int
    latent_grid: tuple[int, int, int]
    latent_width: int
    hidden_width: int
    init: str = "xavier"
    rearrange: str = "cover"


class PerceptionDecoder(nn.Module):
    """Hidden states of visual tokens to standardised latents of the expert."""

    def __init__(self, sizes: DecoderSizes) -> None:
        """Draw weights from torch's global generator.

        Raises:
            ContractError: neither slots nor the expert's tubelets are a multiple of the other.
        """
        super().__init__()
        slots, student_grid = sizes.slots, sizes.student_grid
        tubelets, rows, columns = sizes.latent_grid
        if slots % tubelets and tubelets % slots:
            raise ContractError(
                f"{slots} slots of visual tokens and {tubelets} tubelets of the expert do not "
                "divide into each other; change clips.frames or the student"
            )
        self.latent_grid, self.latent_width = sizes.latent_grid, sizes.latent_width
        self.groups = min(slots, tubelets)
        self.samples = sizes.rearrange == "sample" and slots >= tubelets
        whole = not self.samples and rows % student_grid[0] == 0 and columns % student_grid[1] == 0
        down, across = (rows // student_grid[0], columns // student_grid[1]) if whole else (1, 1)
        self.per_cell = (tubelets // self.groups, down, across)
        inputs = sizes.student_width * (1 if self.samples else slots // self.groups)
        outputs = sizes.latent_width * math.prod(self.per_cell)
        self.mlps = nn.ModuleList(
            _mlp(inputs, sizes.hidden_width, outputs, sizes.init) for _ in range(sizes.hooks)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Visual tokens `[B, slots, rows, columns, C]` to latents `[B, H, t, h, w, D]`."""
        batch, slots, height, width, _ = tokens.shape
        _, rows, columns = self.latent_grid
        paired = tokens.view(batch, self.groups, slots // self.groups, height, width, -1)
        if self.samples:
            paired = paired[:, :, :1]
        paired = paired.permute(0, 1, 3, 4, 2, 5).flatten(-2)
        if (height * self.per_cell[1], width * self.per_cell[2]) != (rows, columns):
            flat = paired.flatten(0, 1).permute(0, 3, 1, 2).float()  # not written for bfloat16
            flat = functional.interpolate(flat, (rows, columns), mode="bilinear", antialias=True)
            paired = flat.permute(0, 2, 3, 1).unflatten(0, (batch, self.groups)).to(tokens)
        return torch.stack([self._spread(mlp(paired)) for mlp in self.mlps], dim=1)

    def _spread(self, cells: Tensor) -> Tensor:
        """`[B, g, r, c, (later, down, across, D)]` to `[B, g later, r down, c across, D]`."""
        cells = cells.unflatten(-1, (*self.per_cell, self.latent_width))
        spread = cells.permute(0, 1, 4, 2, 5, 3, 6, 7)
        return spread.flatten(5, 6).flatten(3, 4).flatten(1, 2)


def _mlp(inputs: int, hidden: int, outputs: int, init: str) -> nn.Module:
    widths = [(inputs, outputs)]
    if hidden:
        widths = [(inputs, hidden), (hidden, hidden), (hidden, outputs)]
    layers = [nn.Linear(*width) for width in widths]
    for layer in layers:
        if init == "normal":
            nn.init.normal_(layer.weight, std=RELEASE_DEVIATION)
        else:
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    if not hidden:
        return layers[0]
    return nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])
