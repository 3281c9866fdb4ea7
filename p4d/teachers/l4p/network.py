"""A network of the layout of L4P: a video transformer and dense heads on four of its blocks.

Camera rays stay on the token grid, the other maps have the size of the frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from p4d.errors import ContractError
from p4d.ids import sha256_file
from p4d.teachers.l4p.dense_heads import DENSE, RAYS, Dpt, TaskHead
from p4d.teachers.l4p.sizes import L4PConfig
from p4d.teachers.l4p.video_encoder import VideoEncoder
from p4d.teachers.protocol import DenseMaps

WEIGHTS, CONFIG = "model.safetensors", "config.json"
ENCODER, HEADS = "video_encoder.", "task_heads."
TASKS = {"depth": 1, "flow_2d_backward": 2, "dyn_mask": 1, "camray": 6}
"""Channels of each head. Other heads of the file, such as that of tracks, are not read."""

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
                task: TaskHead(
                    Dpt(config, channels, rays, RAYS)
                    if task == "camray"
                    else Dpt(config, channels, dense, DENSE)
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
