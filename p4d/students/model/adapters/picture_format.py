"""How pictures enter an encoder: their size, and the mean and deviation of their values.

A family without a fixed size needs one, and a checkpoint may bring its own mean and deviation.
Both are stored in the model's config under the key `pictures`, so that they are saved with it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from p4d.errors import ContractError
from p4d.students.model.published.picture_rule import PublishedPictures

KEY = "pictures"
MAX_PX = 4096
CENTRED = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Mean and deviation that scale [0, 1] to [-1, 1]."""


@dataclass(frozen=True)
class PictureFormat:
    """Square size in pixels, and mean and deviation per colour of values in [0, 1]."""

    size_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def mean_std(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Mean and deviation."""
        return self.mean, self.std

    @classmethod
    def of(cls, model: PreTrainedModel, default: PictureFormat) -> PictureFormat:
        """The format in the model's config, else `default`.

        Raises:
            ContractError: the config holds another kind of value.
        """
        stored = getattr(model.config, KEY, None)
        if stored is None:
            return default
        try:
            found = cls(stored["size_px"], tuple(stored["mean"]), tuple(stored["std"]))
            finite = [math.isfinite(value) for value in (*found.mean, *found.std)]
        except (KeyError, TypeError) as error:
            raise ContractError(f"config.json: {KEY} is {ascii(stored)[:200]}") from error
        sound = len(found.mean) == len(found.std) == 3 and all(finite) and min(found.std) > 0
        if not sound or type(found.size_px) is not int or not 1 <= found.size_px <= MAX_PX:
            raise ContractError(f"config.json: {KEY} is {ascii(stored)[:200]}")
        return found

    def store(self, model: PreTrainedModel) -> None:
        """Write into the model's config, which is saved with it."""
        stored = asdict(self)
        setattr(model.config, KEY, {k: list(v) if k != "size_px" else v for k, v in stored.items()})

    def size_of(self, frames: int, height: int, width: int, *, still: bool) -> tuple[int, int]:
        """Height and width after resizing: the square."""
        del frames, height, width, still
        return self.size_px, self.size_px

    def fixed_hw(self) -> tuple[int, int]:
        """Height and width of every picture."""
        return self.size_px, self.size_px

    def normalised(self, frames_fhw3: Tensor, *, still: bool = False) -> Tensor:
        """u8 `[F, H, W, 3]` squashed to the size and standardised, float32 `[F, 3, S, S]`."""
        del still
        pixels = frames_fhw3.permute(0, 3, 1, 2).float() / 255.0
        if pixels.shape[-1] != self.size_px or pixels.shape[-2] != self.size_px:
            size = (self.size_px, self.size_px)
            pixels = functional.interpolate(pixels, size, mode="bicubic").clamp(0.0, 1.0)
        mean, std = (
            torch.tensor(values, device=pixels.device).view(3, 1, 1)
            for values in (self.mean, self.std)
        )
        return (pixels - mean) / std


def pictures_of(
    model: PreTrainedModel, default: PictureFormat
) -> PictureFormat | PublishedPictures:
    """The format in the model's config, else `default`.

    Raises:
        ContractError: the config holds another kind of value.
    """
    stored = getattr(model.config, KEY, None)
    if isinstance(stored, dict) and "video" in stored:
        return PublishedPictures.of(stored)
    return PictureFormat.of(model, default)


def store_published(model: PreTrainedModel, pictures: PublishedPictures) -> None:
    """Write a checkpoint's own rules into the model's config, which is saved with it."""
    setattr(model.config, KEY, pictures.stored())


def tubelet_patches(
    pixels_f3hw: Tensor, *, patch_px: int, frames: int, merge: int
) -> tuple[Tensor, tuple[int, int, int]]:
    """Cut one video into the rows that the Qwen-VL encoders read.

    The layout of transformers' Qwen2-VL and Qwen3-VL processors: tubelets of `frames` frames in
    order of time, and in each tubelet the patches of one `merge` x `merge` square after another. A
    row holds channel, frame, y, x. An incomplete last tubelet is padded with its last frame, so a
    still becomes its picture repeated.

    Returns:
        `[t * h * w, 3 * frames * patch_px^2]` and the grid (t, h, w) in patches.
    """
    if missing := -len(pixels_f3hw) % frames:
        pixels_f3hw = torch.cat([pixels_f3hw, pixels_f3hw[-1:].expand(missing, -1, -1, -1)])
    count, channels, height, width = pixels_f3hw.shape
    t, h, w = count // frames, height // patch_px, width // patch_px
    cut = pixels_f3hw.reshape(
        t, frames, channels, h // merge, merge, patch_px, w // merge, merge, patch_px
    )
    rows = cut.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return rows.reshape(t * h * w, channels * frames * patch_px**2), (t, h, w)
