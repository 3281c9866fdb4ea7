"""The expert: a video transformer with shared latents and one frozen head per modality.

It follows the low-level 4D perception teacher of Perceptual 4D Distillation (arXiv 2512.17012,
section 3; L4P): tubelet x patch tokens, attention over all space-time tokens, outputs of some
blocks (`hooks`) as latents, and heads that read those latents and nothing else, so a student that
predicts the latents can be decoded by the very same heads.

Two choices differ from the paper. Tokens also carry the local flow between neighbouring frames
(local_flow.py), because a small transformer does not learn to find it within minutes. Heads add to
the mean map of the training worlds, which is a buffer, so training starts at the best constant
prediction.

Shapes: B clips, T frames of S x S px, H hooks, h = w = S / patch_px tokens a side, D width, M the
side of the explicit maps. Conventions (camera, flow, motion, rays): p4d/geometry/CONVENTIONS.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.nn import functional

from p4d.artifacts import read_json
from p4d.config import ClipsParams, ExpertParams
from p4d.errors import ConfigError, LabelError
from p4d.ids import sha256_file
from p4d.teachers.expert4d import local_flow
from p4d.teachers.protocol import DenseMaps

CELL_PX, SMALL_CELL_PX = 4, 2
"""Side of a cell of the stem: two convolutions of stride 2, or one where patches are no multiple of
4, such as the 14 px of the paper's teacher."""


@dataclass(frozen=True, kw_only=True)
class ExpertConfig:
    """Sizes of the network, sufficient to build it before its weights are loaded.

    Raises:
        ConfigError: a size is not a multiple of the size that must divide it.
    """

    size_px: int
    frames: int
    width: int
    blocks: int
    heads: int
    hooks: tuple[int, ...]
    patch_px: int
    tubelet: int
    map_px: int
    stem_channels: int
    head_channels: int
    detail_channels: int

    def __post_init__(self) -> None:
        tokens = self.size_px // self.patch_px
        whole = (
            self.size_px % self.patch_px == 0
            and self.size_px % local_flow.MULTIPLE_PX == 0
            and self.patch_px % SMALL_CELL_PX == 0
            and self.frames % self.tubelet == 0
            and self.frames >= 2
            and self.map_px % tokens == 0
        )
        if not whole:
            raise ConfigError(
                f"expert: size_px {self.size_px} must be a multiple of patch_px {self.patch_px} "
                f"and of {local_flow.MULTIPLE_PX}, "
                f"patch_px of {SMALL_CELL_PX}, frames {self.frames} of tubelet {self.tubelet}, "
                f"map_px {self.map_px} of size_px / patch_px = {tokens}"
            )

    @property
    def cell_px(self) -> int:
        """Side of the cells that the stem merges to a patch."""
        return SMALL_CELL_PX if self.patch_px % CELL_PX else CELL_PX

    @property
    def tokens_hw(self) -> int:
        """Tokens along one side of a frame."""
        return self.size_px // self.patch_px

    @property
    def tubelets(self) -> int:
        """Tokens along time."""
        return self.frames // self.tubelet

    @classmethod
    def from_params(cls, clips: ClipsParams, expert: ExpertParams) -> ExpertConfig:
        """Sizes from `params.yaml`."""
        return cls(
            size_px=expert.size_px or clips.size_px,
            frames=clips.frames,
            width=expert.width,
            blocks=expert.blocks,
            heads=expert.heads,
            hooks=expert.hooks,
            patch_px=expert.patch_px,
            tubelet=expert.tubelet,
            map_px=expert.map_px,
            stem_channels=expert.stem_channels,
            head_channels=expert.head_channels,
            detail_channels=expert.detail_channels,
        )


class Block(nn.Module):
    """Pre-norm transformer block over all tokens, [B, N, D] to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens_bnd: Tensor) -> Tensor:
        """Attention, then MLP, each on a residual."""
        batch, count, width = tokens_bnd.shape
        qkv = self.qkv(self.norm_attention(tokens_bnd))
        query, key, value = qkv.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens_bnd = tokens_bnd + self.out(mixed.transpose(1, 2).reshape(batch, count, width))
        return tokens_bnd + self.mlp(self.norm_mlp(tokens_bnd))


def _start(layer: nn.Module) -> None:
    """Initialise a layer so that activations keep their scale; torch's default shrinks them."""
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


class Stem(nn.Module):
    """Frames to tubelet tokens with appearance and motion (local_flow.py)."""

    def __init__(self, config: ExpertConfig) -> None:
        super().__init__()
        channels = config.stem_channels
        self.tubelet = config.tubelet
        self.appearance = nn.Sequential(
            nn.Conv2d(3, channels // 2, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 3, stride=config.cell_px // 2, padding=1),
        )
        self.halves = config.cell_px // 2  # flow has half the size of the pictures
        self.movement = nn.Conv2d(local_flow.CHANNELS, channels, self.halves, stride=self.halves)
        per_frame = 2 * channels + self.halves**2 * local_flow.CHANNELS
        cells = config.patch_px // config.cell_px
        self.merge = nn.Conv2d(config.tubelet * per_frame, config.width, cells, stride=cells)
        for layer in (self.appearance[0], self.appearance[2], self.movement, self.merge):
            _start(layer)

    def forward(self, rgb_bthw3: Tensor) -> Tensor:
        """uint8 [B, T, S, S, 3] to tokens [B, T / tubelet, h, w, D]."""
        batch, frames = rgb_bthw3.shape[:2]
        image = (rgb_bthw3.float() / 127.5 - 1).permute(0, 1, 4, 2, 3)
        flow = local_flow.local_flow(image).flatten(0, 1)
        seen = functional.gelu(self.appearance(image.flatten(0, 1)))
        moved = functional.gelu(self.movement(flow))
        # The displacements are also passed on as they are: the flow head changes them little.
        carried = torch.cat([seen, moved, functional.pixel_unshuffle(flow, self.halves)], 1)
        tubelets = frames // self.tubelet
        grid = carried.unflatten(0, (batch * tubelets, self.tubelet)).flatten(1, 2)
        return self.merge(grid).permute(0, 2, 3, 1).unflatten(0, (batch, tubelets))


class MapHead(nn.Module):
    """Reads a dense map of `channels` per frame from latents; `decode_maps` runs several heads."""

    def __init__(self, config: ExpertConfig, channels: int) -> None:
        super().__init__()
        scale = config.map_px // config.tokens_hw
        detail = config.detail_channels
        self.norms = nn.ModuleList([nn.LayerNorm(config.width) for _ in config.hooks])
        self.read = nn.Sequential(
            nn.Linear(len(config.hooks) * config.width, config.head_channels),
            nn.GELU(),
            nn.Linear(config.head_channels, config.tubelet * detail * scale**2),
        )
        self.refine = nn.Sequential(nn.Conv2d(detail, 2 * detail, 3, padding=1), nn.GELU())
        for layer in (self.read[0], self.read[2], self.refine[0]):
            _start(layer)
        self.out = nn.Linear(3 * detail, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, latents: Tensor) -> Tensor:
        """[B, H, t, h, w, D] to features per token, [B, t, h, w, tubelet x detail x scale^2]."""
        read: Tensor = self.read(_normed(latents, self.norms))
        return read


def decode_maps(heads: Sequence[MapHead], latents: Tensor, config: ExpertConfig) -> list[Tensor]:
    """The maps of several heads, [B, T, channels, M, M] each, from latents [B, H, t, h, w, D].

    The heads run together because one grouped convolution costs half as much as three, and this is
    most of the cost that distillation adds to a training step.
    """
    batch, _, tubelets = latents.shape[:3]
    detail, scale = config.detail_channels, config.map_px // config.tokens_hw
    shown = torch.stack([head(latents) for head in heads], dim=4)
    shown = shown.unflatten(-1, (config.tubelet, detail, scale, scale))
    # b t h w head frame detail down across -> (b t frame) (head detail) (h down) (w across)
    shown = shown.permute(0, 1, 5, 4, 6, 2, 7, 3, 8).reshape(
        batch * tubelets * config.tubelet, len(heads) * detail, config.map_px, config.map_px
    )
    refined = functional.conv2d(
        shown,
        torch.cat([head.refine.get_parameter("0.weight") for head in heads]),
        torch.cat([head.refine.get_parameter("0.bias") for head in heads]),
        padding=1,
        groups=len(heads),
    )
    # GELU bounds the refined values from below; the plain ones keep the maps unbounded.
    weights = [head.out.weight for head in heads]
    plain = torch.block_diag(*[weight[:, :detail] for weight in weights])
    fine = torch.block_diag(*[weight[:, detail:] for weight in weights])
    maps = plain @ shown.flatten(2) + fine @ functional.gelu(refined).flatten(2)
    maps = maps + torch.cat([head.out.bias for head in heads])[:, None]
    maps = maps.unflatten(2, (config.map_px, config.map_px))
    channels = [len(weight) for weight in weights]
    return list(maps.unflatten(0, (batch, -1)).split(channels, dim=2))


class RayHead(nn.Module):
    """Latents to a ray per token and frame, [B, T, h, w, 6]."""

    def __init__(self, config: ExpertConfig) -> None:
        super().__init__()
        self.config = config
        self.norms = nn.ModuleList([nn.LayerNorm(config.width) for _ in config.hooks])
        self.read = nn.Sequential(
            nn.Linear(len(config.hooks) * config.width, config.head_channels), nn.GELU()
        )
        _start(self.read[0])
        self.out = nn.Linear(config.head_channels, config.tubelet * 6)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, latents: Tensor) -> Tensor:
        """[B, H, T / tubelet, h, w, D] to [B, T, h, w, 6]."""
        read = self.out(self.read(_normed(latents, self.norms)))
        return read.unflatten(-1, (self.config.tubelet, 6)).permute(0, 1, 4, 2, 3, 5).flatten(1, 2)


def _normed(latents: Tensor, norms: nn.ModuleList) -> Tensor:
    return torch.cat([norm(latents[:, i]) for i, norm in enumerate(norms)], -1)


class Expert4D(nn.Module):
    """The whole network: `encode` returns latents, `decode` maps, `forward` both."""

    mean_log_depth_hw: Tensor
    mean_rays_thw6: Tensor

    def __init__(self, config: ExpertConfig) -> None:
        super().__init__()
        self.config = config
        self.digest = ""
        self.stem = Stem(config)
        side = config.tokens_hw
        self.position_hw = nn.Parameter(torch.randn(1, 1, side, side, config.width) * 0.3)
        self.position_t = nn.Parameter(torch.randn(1, config.tubelets, 1, 1, config.width) * 0.3)
        self.blocks = nn.ModuleList(
            [Block(config.width, config.heads) for _ in range(max(config.hooks))]
        )
        self.depth_head = MapHead(config, 1)
        self.flow_head = MapHead(config, 2)
        self.motion_head = MapHead(config, 1)
        self.ray_head = RayHead(config)
        self.register_buffer("mean_log_depth_hw", torch.zeros(config.map_px, config.map_px))
        self.register_buffer("mean_rays_thw6", torch.zeros(config.frames, side, side, 6))

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the latents of one clip, [H, T / tubelet, h, w, D]."""
        config = self.config
        side = config.tokens_hw
        return len(config.hooks), config.tubelets, side, side, config.width

    @property
    def map_px(self) -> int:
        """Side of the maps that the heads decode."""
        return self.config.map_px

    def encode(self, rgb_bthw3: Tensor) -> Tensor:
        """Latents [B, H, T / tubelet, h, w, D] of uint8 frames [B, T, S, S, 3].

        Raises:
            LabelError: the frames do not have the size the network was built for.
        """
        config = self.config
        expected = (config.frames, config.size_px, config.size_px, 3)
        if tuple(rgb_bthw3.shape[1:]) != expected:
            raise LabelError(f"expert4d takes frames {expected}, not {tuple(rgb_bthw3.shape[1:])}")
        grid = self.stem(rgb_bthw3) + self.position_hw + self.position_t
        tokens = grid.flatten(1, 3)
        latents = []
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens)
            if number in config.hooks:
                latents.append(tokens.view(grid.shape))
        return torch.stack(latents, 1)

    def decode(self, latents: Tensor) -> DenseMaps:
        """Explicit maps of latents: a pure function of them, with gradients to them."""
        heads = (self.depth_head, self.flow_head, self.motion_head)
        depth, flow, motion = decode_maps(heads, latents, self.config)
        return DenseMaps(
            log_depth_bthw=depth[:, :, 0] + self.mean_log_depth_hw,
            flow_px_bthw2=flow.movedim(2, -1),
            motion_logit_bthw=motion[:, :, 0],
            rays_bthw6=self.ray_head(latents) + self.mean_rays_thw6,
        )

    def forward(self, rgb_bthw3: Tensor) -> tuple[Tensor, DenseMaps]:
        """Latents and the maps decoded from them."""
        latents = self.encode(rgb_bthw3)
        return latents, self.decode(latents)


def load(folder: Path) -> Expert4D:
    """Load the frozen expert of `folder` (config.json and weights.safetensors).

    No parameter has gradients; `decode` still passes them to its input. `digest` is a SHA-256 over
    the digests of both files.
    """
    config_path, weights_path = folder / "config.json", folder / "weights.safetensors"
    expert = Expert4D(read_config(folder))
    expert.load_state_dict(load_tensors(weights_path.read_bytes()))
    expert.digest = hashlib.sha256(
        (sha256_file(config_path) + sha256_file(weights_path)).encode()
    ).hexdigest()
    expert.requires_grad_(False)
    return expert.eval()


def read_config(folder: Path) -> ExpertConfig:
    """The sizes of the expert in `folder`, without its weights."""
    settings = read_json(folder / "config.json")
    return ExpertConfig(**settings | {"hooks": tuple(settings["hooks"])})


def config_json(config: ExpertConfig) -> dict[str, object]:
    """The JSON form of a configuration, as `read_config` reads it."""
    return asdict(config) | {"hooks": list(config.hooks)}
