"""How the processor of a checkpoint resizes and scales pictures, as arithmetic on tensors.

Two rules cover the families: a fixed size, or the whole number of cells nearest to the picture's
own size, within bounds on its pixels (Qwen). The arithmetic is that of transformers' torchvision
processors: integers are resized with antialiasing and rounded, then scaled by mean and deviation.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from p4d.errors import ContractError

Size = tuple[int, int]
Colour = tuple[float, float, float]

MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
"""Resampling filters by their number in PIL, which settings of processors use."""
MAX_ASPECT = 200
MAX_PX = 16384


@dataclass(frozen=True, kw_only=True)
class PictureRule:
    """The rule for stills or for videos.

    Attributes:
        mean: per colour, of values that are scaled by `rescale`.
        std: deviation per colour.
        rescale: factor of the 8-bit values; 1/255 in every published checkpoint.
        resample: PIL's number of the filter.
        fixed_hw: size of every picture; None: the next attributes give it.
        cell_px: height and width are multiples of this.
        min_pixels: bounds of height times width, for a whole clip if `per_clip`.
        max_pixels: the upper one.
        per_clip: whether the bounds hold for frames x height x width (Qwen3-VL).
        cap_tokens: visual tokens that bound the pixels of a frame further, None: no such bound
            (`cap_pixels_per_frame` of Qwen's video processors).
        tubelet: frames that are counted together.
    """

    mean: Colour
    std: Colour
    rescale: float = 1 / 255
    resample: int = 3
    fixed_hw: Size | None = None
    cell_px: int = 1
    min_pixels: int = 0
    max_pixels: int = 0
    per_clip: bool = False
    cap_tokens: int | None = None
    tubelet: int = 1

    def __post_init__(self) -> None:
        numbers = [*self.mean, *self.std, self.rescale]
        sound = (
            len(self.mean) == len(self.std) == 3
            and all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
            and min(self.std) > 0
            and self.rescale > 0
            and self.resample in MODES
        )
        if self.fixed_hw is None:
            bounds = (self.cell_px, self.min_pixels, self.max_pixels, self.tubelet)
            sound = sound and all(type(n) is int and n > 0 for n in bounds)
            sound = sound and self.min_pixels <= self.max_pixels
        else:
            sound = sound and len(self.fixed_hw) == 2
            sound = sound and all(type(n) is int and 1 <= n <= MAX_PX for n in self.fixed_hw)
        if not sound:
            raise ContractError(f"settings of a processor cannot be used: {ascii(self)[:400]}")

    @classmethod
    def of(cls, stored: object) -> PictureRule:
        """A rule as `stored()` wrote it.

        Raises:
            ContractError: it is anything else.
        """
        try:
            values: dict[str, Any] = dict(stored)  # type: ignore[call-overload]
            for name in ("mean", "std", "fixed_hw"):
                if values.get(name) is not None:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ContractError(f"config.json: pictures is {ascii(stored)[:200]}") from error

    def stored(self) -> dict[str, Any]:
        """Plain values for a config; those that equal the defaults are left out."""
        found = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = list(value) if isinstance(value, tuple) else value
        return found

    def fixed_for(self, frames: int, height: int, width: int) -> PictureRule:
        """The rule that gives pictures of every size the one of `frames` such pictures."""
        return dataclasses.replace(self, fixed_hw=self.size_of(frames, height, width))

    def size_of(self, frames: int, height: int, width: int) -> Size:
        """Height and width after resizing.

        Raises:
            ContractError: the picture is too long and narrow for the processor.
        """
        if self.fixed_hw is not None:
            return self.fixed_hw
        cell, high, wide = self.cell_px, float(height), float(width)
        if self.per_clip and min(high, wide) < cell:
            scale = max(cell / high, cell / wide)
            high, wide = int(high * scale), int(wide * scale)
        if max(high, wide) / min(high, wide) > MAX_ASPECT:
            raise ContractError(
                f"pictures of {width} x {height} px: one side is more than {MAX_ASPECT} times the "
                "other, which the checkpoint's processor refuses"
            )
        rows, columns = round(high / cell) * cell, round(wide / cell) * cell
        counted = round(frames / self.tubelet) * self.tubelet if self.per_clip else 1
        given = (frames if self.per_clip else 1) * high * wide
        most = self._most_pixels(frames)
        if counted * rows * columns > most:
            shrink = math.sqrt(given / most)
            rows = max(cell, math.floor(high / shrink / cell) * cell)
            columns = max(cell, math.floor(wide / shrink / cell) * cell)
        elif counted * rows * columns < self.min_pixels:
            grow = math.sqrt(self.min_pixels / given)
            rows = math.ceil(high * grow / cell) * cell
            columns = math.ceil(wide * grow / cell) * cell
        return rows, columns

    def _most_pixels(self, frames: int) -> int:
        if self.cap_tokens is None:
            return self.max_pixels
        floor, area = int(self.min_pixels * 1.05), self.cell_px**2
        if self.per_clip:
            share = min(self.cap_tokens * area, self.max_pixels // frames)
            return max(share, floor) * frames
        total = int(self.cap_tokens * area * 0.9)
        return max(min(self.max_pixels, total * self.tubelet // frames), floor)

    def normalised(self, frames_fhw3: Tensor) -> Tensor:
        """u8 `[F, H, W, 3]` resized and scaled, float32 `[F, 3, h, w]`."""
        pixels = frames_fhw3.permute(0, 3, 1, 2)
        size = self.size_of(len(pixels), *pixels.shape[-2:])
        if pixels.shape[-2:] != size:
            pixels = _resized(pixels, size, MODES[self.resample])
        mean, std = (
            torch.tensor(values, device=pixels.device) * (1.0 / self.rescale)
            for values in (self.mean, self.std)
        )
        return pixels.float().sub_(mean[:, None, None]).div_(std[:, None, None])


def _resized(pixels: Tensor, size: Size, mode: str) -> Tensor:
    """As torchvision resizes 8-bit pictures: in integers on a CPU, else rounded afterwards."""
    smooth = mode != "nearest-exact"
    options: dict[str, Any] = {"antialias": True, "align_corners": False} if smooth else {}
    if pixels.device.type == "cpu":
        return functional.interpolate(pixels.contiguous(), size, mode=mode, **options)
    found = functional.interpolate(pixels.float(), size, mode=mode, **options)
    return found.clamp_(0, 255).round_()


@dataclass(frozen=True)
class PublishedPictures:
    """The rules of one checkpoint for stills and for videos."""

    image: PictureRule
    video: PictureRule

    @classmethod
    def of(cls, stored: dict[str, Any]) -> PublishedPictures:
        """Rules as `stored()` wrote them.

        Raises:
            ContractError: they are anything else.
        """
        return cls(PictureRule.of(stored.get("image")), PictureRule.of(stored.get("video")))

    def stored(self) -> dict[str, Any]:
        """Plain values for a config."""
        return {"image": self.image.stored(), "video": self.video.stored()}

    def rule(self, *, still: bool) -> PictureRule:
        """The rule for stills or for videos."""
        return self.image if still else self.video

    def size_of(self, frames: int, height: int, width: int, *, still: bool) -> Size:
        """Height and width after resizing."""
        return self.rule(still=still).size_of(frames, height, width)

    def fixed_hw(self) -> Size:
        """Height and width of every frame of a video.

        Raises:
            ContractError: they depend on the video.
        """
        if self.video.fixed_hw is None:
            raise ContractError(
                "this checkpoint takes videos at sizes of their own; give the frames, or make a "
                "base student of it (student.checkpoint), which fixes the size"
            )
        return self.video.fixed_hw

    def normalised(self, frames_fhw3: Tensor, *, still: bool) -> Tensor:
        """u8 `[F, H, W, 3]` resized and scaled, float32 `[F, 3, h, w]`."""
        return self.rule(still=still).normalised(frames_fhw3)

    def fixed_for(self, frames: int, size_px: int) -> PublishedPictures:
        """Rules that give every picture the size of clips of `frames` squares of `size_px`."""
        return PublishedPictures(
            self.image.fixed_for(1, size_px, size_px),
            self.video.fixed_for(frames, size_px, size_px),
        )
