"""A network of the layout of L4P: a video transformer and dense heads on four of its blocks.

Shapes: B clips, T frames of S x S px, H = 4 hooks, t = T / tubelet, h = w = S / patch_px, D width.
Heads run on [B, D, t, h, w] with 3D convolutions: each hook is brought to its own resolution, and
from the coarsest to the finest they are fused (Ranftl et al. 2021, in the form of DUSt3R's heads).
Camera rays stay on the token grid, the other maps have the size of the frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.nn import functional

from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json
from p4d.ids import sha256_file
from p4d.teachers.protocol import DenseMaps

WEIGHTS, CONFIG = "model.safetensors", "config.json"
ENCODER, HEADS = "video_encoder.", "task_heads."
TASKS = {"depth": 1, "flow_2d_backward": 2, "dyn_mask": 1, "camray": 6}
"""Channels of each head. Other heads of the file, such as that of tracks, are not read."""

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_Form = Mapping[str, tuple[tuple[int, int, int], ...]]

_DENSE: _Form = {
    "post": ((1, 2, 2), (1, 1, 1), (0, 0, 0), (-1, -1, -1)),
    "fusion": ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)),
}
_RAYS: _Form = {
    "post": ((1, 0, 0), (1, 0, 0), (0, 0, 0), (-1, -1, -1)),
    "fusion": ((1, 1, 1), (1, 1, 1), (2, 1, 1), (2, 2, 2)),
}


@dataclass(frozen=True, kw_only=True)
class L4PConfig:
    """Sizes of the network.

    Raises:
        ContractError: they do not belong together.
    """

    size_px: int
    frames: int
    patch_px: int
    tubelet: int
    width: int
    blocks: int
    heads: int
    mlp_width: int
    hooks: tuple[int, ...]
    layer_widths: tuple[int, ...]
    feature_width: int

    def __post_init__(self) -> None:
        whole = (
            self.size_px % self.patch_px == 0
            and self.frames % (2 * self.tubelet) == 0
            and self.width % self.heads == 0
            and len(self.hooks) == len(self.layer_widths) == 4
            and all(1 <= hook <= self.blocks for hook in self.hooks)
            and all(a < b for a, b in pairwise(self.hooks))
        )
        if not whole:
            raise ContractError(f"sizes of an L4P network do not belong together: {asdict(self)}")

    @property
    def tokens_hw(self) -> int:
        """Tokens along one side of a frame."""
        return self.size_px // self.patch_px

    @classmethod
    def read(cls, path: Path) -> L4PConfig:
        """From a config.json.

        Raises:
            ContractError: it is damaged, or lacks a size.
        """
        found = read_foreign_json(path, max_bytes=1 << 16, name=str(path))
        names = cls.__dataclass_fields__
        if not isinstance(found, dict) or set(found) != set(names):
            raise ContractError(f"{path}: expected the keys {', '.join(names)}")
        sizes: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in found.items()
        }
        flat: list[object] = []
        for value in sizes.values():
            flat += value if isinstance(value, tuple) else [value]
        if not all(type(number) is int and 0 < number < 1 << 16 for number in flat):
            raise ContractError(f"{path}: every size must be a whole number from 1 to 65535")
        return cls(**sizes)


PUBLISHED = L4PConfig(
    size_px=224, frames=16, patch_px=14, tubelet=2, width=1408, blocks=40, heads=16,
    mlp_width=6144, hooks=(14, 21, 28, 36), layer_widths=(256, 512, 1024, 1024), feature_width=256,
)  # fmt: skip
"""Sizes of the published network."""


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


class _Dpt(nn.Module):
    """Latents to maps [B, channels, T, S', S'] of one task."""

    def __init__(
        self,
        config: L4PConfig,
        channels: int,
        size: tuple[int, int, int],
        form: _Form,
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


class _TaskHead(nn.Module):
    def __init__(self, dpt: _Dpt) -> None:
        super().__init__()
        self.task_head = nn.Module()
        self.task_head.add_module("dpt", dpt)

    def forward(self, latents: Tensor) -> Tensor:
        found: Tensor = self.task_head.get_submodule("dpt")(latents)
        return found


class L4PNetwork(nn.Module):
    """The whole network; a `LatentTeacher` whose maps have the size of its frames."""

    def __init__(self, config: L4PConfig) -> None:
        super().__init__()
        self.config, self.digest = config, ""
        self.file_digests: dict[str, str] = {}
        self.video_encoder = VideoEncoder(config)
        dense = (config.frames, config.size_px, config.size_px)
        rays = (config.frames, config.tokens_hw, config.tokens_hw)
        self.task_heads = nn.ModuleDict(
            {
                task: _TaskHead(
                    _Dpt(config, channels, rays, _RAYS)
                    if task == "camray"
                    else _Dpt(config, channels, dense, _DENSE)
                )
                for task, channels in TASKS.items()
            }
        )

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the latents of one clip, [H, T / tubelet, h, w, D]."""
        config = self.config
        side = config.tokens_hw
        return len(config.hooks), config.frames // config.tubelet, side, side, config.width

    @property
    def map_px(self) -> int:
        """Side of the maps that the heads decode."""
        return self.config.size_px

    def encode(self, rgb_bthw3: Tensor) -> Tensor:
        """Latents of u8 frames [B, T, S, S, 3]."""
        mean, std = (torch.tensor(value, device=rgb_bthw3.device) for value in IMAGENET)
        pictures = (rgb_bthw3.float() / 255 - mean) / std
        latents: Tensor = self.video_encoder(pictures.permute(0, 4, 1, 2, 3))
        return latents

    def decode(self, latents: Tensor) -> DenseMaps:
        """Maps of latents; gradients flow to the latents. Depth is stored by its logarithm."""
        maps = {task: head(latents) for task, head in self.task_heads.items()}
        return DenseMaps(
            log_depth_bthw=maps["depth"][:, 0],
            flow_px_bthw2=maps["flow_2d_backward"].movedim(1, -1),
            motion_logit_bthw=maps["dyn_mask"][:, 0],
            rays_bthw6=maps["camray"].movedim(1, -1),
        )


def load(folder: Path) -> L4PNetwork:
    """The frozen network of a folder; see the text of this package.

    Raises:
        ContractError: a file is missing or damaged, or weights are missing, of another shape, or
            of a task that is read here and unknown; their names are in the message.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ContractError(f"{folder} has no {name}; p4d/teachers/l4p says how to make it")
    network = L4PNetwork(L4PConfig.read(folder / CONFIG))
    try:
        tensors = load_tensors((folder / WEIGHTS).read_bytes())
    except SafetensorError as error:
        raise ContractError(f"{folder / WEIGHTS} cannot be loaded ({error})") from error
    _check(folder / WEIGHTS, network.state_dict(), tensors)
    network.load_state_dict(_read(tensors))
    digests = {name: sha256_file(folder / name) for name in (CONFIG, WEIGHTS)}
    network.file_digests = digests
    network.digest = hashlib.sha256("".join(digests.values()).encode()).hexdigest()
    network.requires_grad_(False)
    return network.eval()


def _read(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries that this network has a place for: the encoder and four heads.

    DUSt3R's form lists the reducing convolutions twice; the list is left out.
    """
    heads = tuple(f"{HEADS}{task}." for task in TASKS)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name.startswith((ENCODER, *heads)) and ".scratch.layer_rn." not in name
    }


def _check(path: Path, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    found = _read(tensors)
    wrong: Sequence[tuple[str, list[str]]] = (
        ("lacks weights", sorted(set(own) - set(found))),
        ("has weights that the layout does not have", sorted(set(found) - set(own))),
        (
            "has weights of another shape than its config",
            sorted(n for n in set(own) & set(found) if own[n].shape != found[n].shape),
        ),
    )
    for reason, names in wrong:
        if names:
            more = ", ..." if len(names) > 5 else ""
            raise ContractError(f"{path} {reason} ({len(names)}): {', '.join(names[:5])}{more}")
