"""Dense heads: the latents of four blocks to the maps of a task.

A head runs on [B, D, t, h, w] with 3D convolutions: each hook is brought to its own resolution, and
from the coarsest to the finest they are fused (Ranftl et al. 2021, in the form of DUSt3R's heads).
Names of modules are those of the weights in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.nn import functional

from p4d.teachers.l4p.sizes import L4PConfig

Form = Mapping[str, tuple[tuple[int, int, int], ...]]

DENSE: Form = {
    "post": ((1, 2, 2), (1, 1, 1), (0, 0, 0), (-1, -1, -1)),
    "fusion": ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)),
}
RAYS: Form = {
    "post": ((1, 0, 0), (1, 0, 0), (0, 0, 0), (-1, -1, -1)),
    "fusion": ((1, 1, 1), (1, 1, 1), (2, 1, 1), (2, 2, 2)),
}
"""Resolutions of a head whose maps have the size of the frames, and of one on the token grid."""


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(width, width, 3, padding=1)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, grid: Tensor) -> Tensor:
        inner = self.conv2(functional.relu(self.conv1(functional.relu(grid))))
        found: Tensor = inner + grid
        return found


class _Fusion(nn.Module):
    def __init__(self, width: int, scale: tuple[int, int, int], *, coarsest: bool) -> None:
        super().__init__()
        self.scale = tuple(float(each) for each in scale)
        if not coarsest:  # the coarsest has nothing to be fused with
            self.resConfUnit1 = _Residual(width)
        self.resConfUnit2 = _Residual(width)
        self.out_conv = nn.Conv3d(width, width, 1)

    def forward(self, fused: Tensor, finer: Tensor | None = None) -> Tensor:
        if finer is not None:
            fused = fused + self.resConfUnit1(finer)
        fused = self.resConfUnit2(fused)
        if self.scale != (1.0, 1.0, 1.0):
            fused = functional.interpolate(
                fused, scale_factor=self.scale, mode="trilinear", align_corners=True
            )
        found: Tensor = self.out_conv(fused)
        return found


def _resized_by(width: int, powers: tuple[int, int, int]) -> Iterator[nn.Module]:
    """The convolution that scales a grid by two to these powers; none for equal size."""
    if max(powers) > 0:
        step = tuple(2**power for power in powers)
        yield nn.ConvTranspose3d(width, width, step, stride=step)  # type: ignore[arg-type]
    elif min(powers) < 0:
        step = tuple(2**-power for power in powers)
        yield nn.Conv3d(width, width, 3, stride=step, padding=1)  # type: ignore[arg-type]


class Dpt(nn.Module):
    """Latents to maps [B, channels, T, S', S'] of one task."""

    def __init__(
        self,
        config: L4PConfig,
        channels: int,
        size: tuple[int, int, int],
        form: Form,
    ) -> None:
        super().__init__()
        self.size = size
        widths, feature = config.layer_widths, config.feature_width
        self.act_postprocess = nn.ModuleList(
            [
                nn.Sequential(nn.Conv3d(config.width, width, 1), *_resized_by(width, powers))
                for width, powers in zip(widths, form["post"], strict=True)
            ]
        )
        self.scratch = nn.Module()
        for number, (width, scale) in enumerate(zip(widths, form["fusion"], strict=True), start=1):
            reduce = nn.Conv3d(width, feature, 3, padding=1, bias=False)
            self.scratch.add_module(f"layer{number}_rn", reduce)
            self.scratch.add_module(
                f"refinenet{number}", _Fusion(feature, scale, coarsest=number == 4)
            )
        last = feature // 2
        # Places 1 and 3 hold what has no weights: resizing and ReLU.
        self.head = nn.ModuleDict(
            {
                "0": nn.Conv3d(feature, last, 3, padding=1),
                "2": nn.Conv3d(last, last, 3, padding=1),
                "4": nn.Conv3d(last, channels, 1),
            }
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Maps of latents [B, H, t, h, w, D]."""
        layers = []
        for number, post in enumerate(self.act_postprocess):
            grid = post(latents[:, number].movedim(-1, 1))
            layers.append(self.scratch.get_submodule(f"layer{number + 1}_rn")(grid))
        fused = self.scratch.get_submodule("refinenet4")(layers[3])
        for number in (3, 2, 1):
            finer = layers[number - 1]
            fused = fused[..., : finer.shape[2], : finer.shape[3], : finer.shape[4]]
            fused = self.scratch.get_submodule(f"refinenet{number}")(fused, finer)
        fused = functional.interpolate(
            self.head["0"](fused), self.size, mode="trilinear", align_corners=True
        )
        found: Tensor = self.head["4"](functional.relu(self.head["2"](fused)))
        return found


class TaskHead(nn.Module):
    """A head under the names that its weights have in the file."""

    def __init__(self, dpt: Dpt) -> None:
        super().__init__()
        self.task_head = nn.Module()
        self.task_head.add_module("dpt", dpt)

    def forward(self, latents: Tensor) -> Tensor:
        """Maps of latents [B, H, t, h, w, D]."""
        found: Tensor = self.task_head.get_submodule("dpt")(latents)
        return found
