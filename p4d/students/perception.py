"""The perception decoder: training-only, gone at inference.

From the last hidden states of the visual tokens of the clip's frames it predicts the expert's
latents, one MLP per hook (paper A1.1: three layers, GELU, Xavier weights, zero biases). Explicit
maps then come from the expert's own frozen heads on the predicted latents (paper Eq. 4).

The paper samples frames and resizes the student's grid to the teacher's. Here all frames of a
tubelet are read side by side, and where the teacher's grid is a whole multiple of the student's, a
token predicts all teacher tokens it covers, because interpolating between coarse tokens cannot tell
them apart; otherwise the grid is resized bilinearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from p4d.artifacts import Arrays
from p4d.errors import ContractError


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


class PerceptionDecoder(nn.Module):
    """Hidden states of visual tokens to standardised latents of the expert."""

    def __init__(
        self,
        *,
        student_width: int,
        student_grid: tuple[int, int],
        frames: int,
        hooks: int,
        latent_grid: tuple[int, int, int],
        latent_width: int,
        hidden_width: int,
    ) -> None:
        """Sizes of both sides.

        Args:
            student_width: channels of the hidden state.
            student_grid: rows and columns of visual tokens per frame.
            frames: T, frames of the clip.
            hooks: H, latents per clip.
            latent_grid: tubelets, rows and columns of the expert's tokens.
            latent_width: channels of a latent.
            hidden_width: hidden width of each MLP.

        Raises:
            ContractError: T is not a multiple of the expert's tubelets.
        """
        super().__init__()
        tubelets, rows, columns = latent_grid
        if frames % tubelets:
            raise ContractError(f"{frames} frames do not divide into {tubelets} tubelets")
        self.latent_grid, self.latent_width = latent_grid, latent_width
        self.frames_per_tubelet = frames // tubelets
        whole = rows % student_grid[0] == 0 and columns % student_grid[1] == 0
        self.per_cell = (rows // student_grid[0], columns // student_grid[1]) if whole else (1, 1)
        inputs = student_width * self.frames_per_tubelet
        outputs = latent_width * self.per_cell[0] * self.per_cell[1]
        self.mlps = nn.ModuleList(_mlp(inputs, hidden_width, outputs) for _ in range(hooks))

    def forward(self, tokens: Tensor) -> Tensor:
        """Visual tokens `[B, T, rows, columns, C]` to latents `[B, H, t, h, w, D]`."""
        batch, frames, height, width, _ = tokens.shape
        tubelets, rows, columns = self.latent_grid
        paired = tokens.view(batch, tubelets, frames // tubelets, height, width, -1)
        paired = paired.permute(0, 1, 3, 4, 2, 5).flatten(-2)
        if (height * self.per_cell[0], width * self.per_cell[1]) != (rows, columns):
            flat = paired.flatten(0, 1).permute(0, 3, 1, 2)
            flat = functional.interpolate(flat, (rows, columns), mode="bilinear", antialias=True)
            paired = flat.permute(0, 2, 3, 1).unflatten(0, (batch, tubelets))
        return torch.stack([self._spread(mlp(paired)) for mlp in self.mlps], dim=1)

    def _spread(self, cells: Tensor) -> Tensor:
        """`[B, t, r, c, down * across * D]` to `[B, t, r * down, c * across, D]`."""
        down, across = self.per_cell
        cells = cells.unflatten(-1, (down, across, self.latent_width))
        return cells.permute(0, 1, 2, 4, 3, 5, 6).flatten(4, 5).flatten(2, 3)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    layers = [nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])
