"""A teacher of depth from a transformers checkpoint, by folder or by Hub id with a commit.

It reads source frames one by one at its own size, in the proportions of the video, and has no flow
and no motion. What a network returns differs by its class; `FORMS` states it for each that was
tried with a checkpoint saved by that class. The published weights were not available where this was
written: how good they are was never measured here.

| class | returns | depth_kind, scale_kind |
|---|---|---|
| DepthAnything, `metric` in its config | depth in m | z, metric |
| DepthAnything, else; DPT | inverse depth up to scale and offset | inverse_affine, relative |
| ZoeDepth, GLPN | depth in m | z, metric |
| DepthPro | inverse depth for a focal length of one width, and the field of view | z, metric |

Depth Anything: Yang et al. 2024. DepthPro: Bochkovskii et al. 2024; with its field of view it gives
intrinsics, too. ZoeDepth: Bhat et al. 2023. DPT: Ranftl et al. 2021. GLPN: Kim et al. 2022.
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
from transformers import AutoModelForDepthEstimation

from p4d.config import TeacherParams
from p4d.errors import ConfigError
from p4d.geometry.map_grid import picture_map_intrinsics, sample_picture_map
from p4d.ids import canonical_json
from p4d.teachers.protocol import ClipInput, LabelArrays
from p4d.teachers.weights import checked_device, checked_folder, checked_network, colour_scale
from p4d.video.source_frames import SourceSize

FRAMES_PER_CALL = 8
LARGEST_DEPTH = float(np.finfo(np.float16).max)
"""Beyond it the label store cannot hold a depth; such pixels are not valid."""

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class DepthForm:
    """What a class of networks reads and returns.

    Attributes:
        input_px: longer side of its input, unless settings state another.
        multiple_px: both sides must be multiples of it.
        scale: mean and deviation of colours, where the folder has no processor's settings.
        returns: metric, inverse or canonical_inverse.
        square: whether it takes squares alone; pictures are squashed, as its own processor does.
        fixed: whether it takes one size alone.
        padded: whether pictures are extended by their mirror image first, as ZoeDepth's are.
    """

    input_px: int
    multiple_px: int
    scale: tuple[tuple[float, float, float], tuple[float, float, float]]
    returns: str
    square: bool = False
    fixed: bool = False
    padded: bool = False


def form_of(config: Any) -> DepthForm | None:  # noqa: ANN401
    """The form of a network by its config; None for a class that is not known here."""
    kind = config.model_type
    if kind == "depth_anything":
        metric = getattr(config, "depth_estimation_type", "relative") == "metric"
        returns = "metric" if metric else "inverse"
        patch_px = int(config.patch_size)
        return DepthForm(input_px=518, multiple_px=patch_px, scale=_IMAGENET, returns=returns)
    if kind == "depth_pro":
        side_px = round(config.patch_size / min(config.scaled_images_ratios))
        return DepthForm(
            input_px=side_px, multiple_px=side_px, scale=_HALF, returns="canonical_inverse",
            square=True, fixed=True,
        )  # fmt: skip
    if kind == "zoedepth":
        return DepthForm(input_px=512, multiple_px=32, scale=_HALF, returns="metric", padded=True)
    if kind == "dpt":
        return DepthForm(input_px=384, multiple_px=32, scale=_HALF, returns="inverse", square=True)
    if kind == "glpn":
        return DepthForm(input_px=640, multiple_px=32, scale=_PLAIN, returns="metric")
    return None


class DepthNetworkTeacher:
    """Per-frame depth of a pretrained network.

    Metric networks predict planar depth in metres. Others predict inverse depth up to an unknown
    scale and offset (`depth_kind` "inverse_affine"), which no factor converts to depth; zero means
    infinitely far and is not valid.
    """

    needs_truth = False
    uses: tuple[str, ...] = ()
    reads: SourceSize | None
    batch = 1  # clips; frames go through the network by `batch` of the settings

    def __init__(self, name: str, settings: TeacherParams, map_px: int) -> None:
        """Load a checkpoint.

        Args:
            name: key in the label store, without dots.
            settings: where it is; `input_px` is the longer side of its input, `batch` frames per
                call of the network.
            map_px: side of the maps to store, unless settings state another.

        Raises:
            ConfigError: no such checkpoint, weights missing, damaged or of another class, no such
                device, or a size that the network does not take.
        """
        folder = checked_folder(name, settings)
        self._device = checked_device(name, settings)
        network = checked_network(name, folder, AutoModelForDepthEstimation)
        form = form_of(network.config)
        if form is None:
            raise ConfigError(
                f"labels.settings.{name}: {folder.path} holds a {network.config.model_type}; what "
                "it returns is not known here (see p4d/teachers/depth_network.py)"
            )
        if form.fixed and settings.input_px not in (0, form.input_px):
            raise ConfigError(
                f"labels.settings.{name}: input_px {settings.input_px}, but {folder.path} takes "
                f"{form.input_px}; set input_px: 0"
            )
        self._network, self._form = network.to(self._device), form
        self.name, self.map_px = name, settings.map_px or map_px
        self._input_px = settings.input_px or form.input_px
        self._per_call = settings.batch or FRAMES_PER_CALL
        self.reads = SourceSize(self._input_px)
        relative = form.returns == "inverse"
        without_view = form.returns == "canonical_inverse" and not network.use_fov_model
        self.depth_kind = "inverse_affine" if relative else "z"
        self.scale_kind = "relative" if relative or without_view else "metric"
        self._scale = colour_scale(name, folder, form.scale, self._device)
        self.file_digests = folder.digests() | folder.setting_digests()
        identity = ["depth-2", self.file_digests, self.map_px, self._input_px, self._device[:4]]
        self.digest = hashlib.sha256(canonical_json(identity).encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Depth and validity of the clips, frame by frame; intrinsics if the network has them."""
        return [self._label_clip(clip.rgb_thw3) for clip in clips]

    def _label_clip(self, rgb_thw3: NDArray[np.uint8]) -> LabelArrays:
        parts = [
            self._predicted(rgb_thw3[first : first + self._per_call])
            for first in range(0, len(rgb_thw3), self._per_call)
        ]
        depth = np.concatenate([sample_picture_map(maps, self.map_px) for maps, _ in parts])
        valid = np.isfinite(depth) & (depth > 0) & (depth <= LARGEST_DEPTH)
        views = [view for _, view in parts if view is not None]
        return LabelArrays(
            depth_thw=np.where(valid, depth, 0).astype(np.float32),
            valid_thw=valid,
            K_t33=self._intrinsics(np.concatenate(views), rgb_thw3) if views else None,
        )

    def _predicted(self, rgb_thw3: NDArray[np.uint8]) -> tuple[NDArray, NDArray | None]:
        """Maps [T, h, w] over the pictures, and the horizontal field of view [T] in rad."""
        pictures = torch.from_numpy(np.ascontiguousarray(rgb_thw3)).to(self._device)
        pictures = pictures.permute(0, 3, 1, 2).float() / 255
        height, width = pictures.shape[-2:]
        pad = padding_px(height, width) if self._form.padded else (0, 0)
        if any(pad):
            pictures = functional.pad(pictures, (pad[1], pad[1], pad[0], pad[0]), mode="reflect")
        size = self._size(*pictures.shape[-2:])
        pictures = functional.interpolate(pictures, size, mode="bicubic", antialias=True)
        mean, std = self._scale
        with torch.no_grad():
            outputs = self._network((pictures.clamp(0, 1) - mean) / std)
        found: Tensor = outputs.predicted_depth.float()
        view = None
        if self._form.returns == "canonical_inverse":
            found, view = _from_canonical(found, getattr(outputs, "field_of_view", None))
        maps = _without_padding(found.cpu().numpy(), pad, (height, width))
        return maps, view

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """The input of the network: near `input_px`, multiples of what it needs."""
        multiple = self._form.multiple_px
        if self._form.square:
            height = width = self._input_px
        scale = self._input_px / max(height, width)
        rows, columns = (max(1, round(side * scale / multiple)) for side in (height, width))
        return rows * multiple, columns * multiple

    def _intrinsics(self, view_rad_t: NDArray, rgb_thw3: NDArray) -> NDArray[np.float64]:
        """Of the map grid, for square pixels and a centred principal point."""
        height, width = rgb_thw3.shape[1:3]
        K = np.zeros((len(view_rad_t), 3, 3))
        K[:, 0, 0] = K[:, 1, 1] = 0.5 * width / np.tan(0.5 * view_rad_t)
        K[:, 0, 2], K[:, 1, 2], K[:, 2, 2] = width / 2, height / 2, 1
        return picture_map_intrinsics(K, (width, height), self.map_px)


def padding_px(height: int, width: int) -> tuple[int, int]:
    """Rows and columns by which ZoeDepth's published inference mirrors pictures on each side."""
    rows, columns = (int(np.sqrt(side / 2) * 3) for side in (height, width))
    return min(rows, height - 1), min(columns, width - 1)


def _without_padding(
    maps: NDArray, pad: tuple[int, int], size_hw: tuple[int, int]
) -> NDArray[np.float32]:
    """The part of maps [T, h, w] that shows the picture."""
    cut = []
    for side, (margin, length) in enumerate(zip(pad, size_hw, strict=True), start=1):
        scale = maps.shape[side] / (length + 2 * margin)
        first = round(margin * scale)
        cut.append(slice(first, max(first + 1, round((margin + length) * scale))))
    return np.asarray(maps[:, cut[0], cut[1]], np.float32)


def _from_canonical(inverse: Tensor, view_deg: Tensor | None) -> tuple[Tensor, NDArray | None]:
    """DepthPro: inverse depth times focal length over width; the field of view gives their ratio.

    Without a field of view the depth is relative.
    """
    view_rad = None
    if view_deg is not None:
        view_rad = torch.deg2rad(view_deg.float().reshape(-1)).clamp(1e-3, 3.1)
        inverse = inverse * (2 * torch.tan(view_rad / 2))[:, None, None]
    depth = 1.0 / inverse.clamp(1e-4, 1e4)
    return depth, None if view_rad is None else view_rad.cpu().numpy()
