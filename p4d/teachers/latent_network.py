"""A teacher of latents from a video encoder of transformers: V-JEPA 2 or VideoMAE.

It reads source frames, squashed to its own square like all maps, and gives the outputs of chosen
blocks on its token grid. It has no heads, so a student can learn its latents and nothing explicit.
V-JEPA 2: Assran et al. 2025, positions are rotary, so any even number of frames will do. VideoMAE:
Tong et al. 2022, its positions are those of as many frames as it was built for. The published
weights were not available where this was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from p4d.config import TeacherParams
from p4d.errors import ConfigError
from p4d.ids import canonical_json
from p4d.teachers.protocol import ClipInput, LabelArrays
from p4d.teachers.weights import checked_device, checked_folder, checked_network, colour_scale
from p4d.video.source_frames import SourceSize

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class EncoderForm:
    """What a class of encoders reads.

    Attributes:
        kind: class of transformers.
        argument: name of its argument, [B, T, 3, S, S].
        side_px: of its square frames.
        frames: how many it takes; 0: any multiple of `tubelet`.
        sized: whether `input_px` may change `side_px`.
        patch_px, tubelet: size of a token.
        blocks: how many it has.
    """

    kind: Any
    argument: str
    side_px: int
    frames: int
    sized: bool
    patch_px: int
    tubelet: int
    blocks: int


def form_of(name: str, config: Any) -> EncoderForm:  # noqa: ANN401
    """The form of an encoder by its config.

    Raises:
        ConfigError: it is no encoder of videos that is known here.
    """
    if config.model_type == "vjepa2":
        from transformers import VJEPA2Model

        return EncoderForm(
            kind=VJEPA2Model, argument="pixel_values_videos", side_px=int(config.crop_size),
            frames=0, sized=True, patch_px=int(config.patch_size),
            tubelet=int(config.tubelet_size), blocks=int(config.num_hidden_layers),
        )  # fmt: skip
    if config.model_type == "videomae":
        from transformers import VideoMAEModel

        return EncoderForm(
            kind=VideoMAEModel, argument="pixel_values", side_px=int(config.image_size),
            frames=int(config.num_frames), sized=False, patch_px=int(config.patch_size),
            tubelet=int(config.tubelet_size), blocks=int(config.num_hidden_layers),
        )  # fmt: skip
    raise ConfigError(
        f"labels.settings.{name}: a {config.model_type} is no encoder of videos known here; "
        "known are vjepa2 and videomae"
    )


class LatentNetworkTeacher:
    """Latents of a frozen video encoder."""

    depth_kind, scale_kind = "z", "relative"  # of no depth
    needs_truth = False
    uses: tuple[str, ...] = ()
    reads: SourceSize | None

    def __init__(self, name: str, settings: TeacherParams, map_px: int, frames: int) -> None:
        """Load a checkpoint.

        Args:
            name: key in the label store.
            settings: where it is; `hooks` are the blocks, `input_px` the side of its frames.
            map_px: stored in the index alone; it has no maps.
            frames: of a clip.

        Raises:
            ConfigError: the folder cannot be used, or clips have a length that it does not take.
        """
        folder = checked_folder(name, settings)
        self._device = checked_device(name, settings)
        form = form_of(name, folder.config())
        self._side_px = settings.input_px or form.side_px
        self._hooks = settings.hooks or (form.blocks,)
        _check(name, settings, form, frames)
        network = checked_network(name, folder, form.kind)
        self._network, self._form = network.to(self._device), form
        self._scale = colour_scale(name, folder, _IMAGENET, self._device)
        self.name, self.map_px, self.batch = name, map_px, settings.batch
        self.reads = SourceSize(0)
        self.file_digests = folder.digests() | folder.setting_digests()
        identity = ["latents-1", self.file_digests, self._side_px, self._hooks, self._device[:4]]
        self.digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Latents [H, T / tubelet, h, w, D] of the clips."""
        pictures = torch.stack([self._pictures(clip.rgb_thw3) for clip in clips])
        latents = self._encoded(pictures).cpu().numpy()
        return [LabelArrays(latents=each) for each in latents]

    def _pictures(self, rgb_thw3: NDArray[np.uint8]) -> Tensor:
        frames = torch.from_numpy(np.ascontiguousarray(rgb_thw3)).to(self._device)
        frames = frames.permute(0, 3, 1, 2).float() / 255
        side = (self._side_px, self._side_px)
        frames = functional.interpolate(frames, side, mode="bicubic", antialias=True)
        mean, std = self._scale
        return (frames.clamp(0, 1) - mean) / std

    def _encoded(self, pictures: Tensor) -> Tensor:
        """Outputs of the chosen blocks, [B, H, t, h, w, D]; the last one behind its norm."""
        form, kept = self._form, {}
        layers = self._network.encoder.layer

        def keep(block: int) -> Any:  # noqa: ANN401
            def hook(module: object, given: object, output: Any) -> None:  # noqa: ANN401
                del module, given
                kept[block] = output if isinstance(output, Tensor) else output[0]

            return hook

        handles = [
            layers[block - 1].register_forward_hook(keep(block))
            for block in self._hooks
            if block < form.blocks
        ]
        extra = {"skip_predictor": True} if form.argument == "pixel_values_videos" else {}
        try:
            with torch.no_grad():
                outputs = self._network(**{form.argument: pictures}, **extra)
        finally:
            for handle in handles:
                handle.remove()
        kept[form.blocks] = outputs.last_hidden_state
        side = self._side_px // form.patch_px
        tokens = torch.stack([kept[block] for block in self._hooks], 1)
        return tokens.unflatten(2, (-1, side, side)).float()


def _check(name: str, settings: TeacherParams, form: EncoderForm, frames: int) -> None:
    side_px = settings.input_px or form.side_px
    checks = (
        (
            form.sized or side_px == form.side_px,
            f"input_px {side_px}, but it takes {form.side_px} alone; set input_px: 0",
        ),
        (
            side_px % form.patch_px == 0,
            f"input_px {side_px} must be a multiple of its patches of {form.patch_px} px",
        ),
        (
            frames % form.tubelet == 0 and form.frames in (0, frames),
            f"it takes {form.frames or f'multiples of {form.tubelet}'} frames and clips have "
            f"{frames}; set clips.frames: {form.frames or form.tubelet}",
        ),
        (
            max(settings.hooks, default=1) <= form.blocks,
            f"hooks {list(settings.hooks)}, but it has {form.blocks} blocks",
        ),
    )
    for holds, reason in checks:
        if not holds:
            raise ConfigError(f"labels.settings.{name}: {settings.where}: {reason}")
