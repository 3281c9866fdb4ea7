"""Which frames of a video the processor of a checkpoint takes, as frame numbers.

`spread` takes both ends (Qwen3-VL), `steps` the start of equal parts and an even number of them
(Qwen2.5-VL), `middles` the middle of equal parts (InternVL). All follow the `sample_frames` of
transformers' processors.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, kw_only=True)
class FrameSampling:
    """How frames are picked.

    Attributes:
        rule: `spread`, `steps` or `middles`.
        fps: frames per second that are wanted; None: `frames`.
        frames: number of frames that are wanted; None: `fps`, and without it all frames.
        least: fewest frames; a shorter video gives all of its own.
        most: most frames.
        multiple: `steps`: the number of frames is a multiple of this.
    """

    rule: Literal["spread", "steps", "middles"]
    fps: float | None = 2.0
    frames: int | None = None
    least: int = 4
    most: int = 768
    multiple: int = 1

    def changed_by(self, settings: Mapping[str, Any]) -> FrameSampling:
        """With the values that settings of a processor name."""
        names = {"fps": "fps", "num_frames": "frames", "min_frames": "least", "max_frames": "most"}
        found = {ours: settings[theirs] for theirs, ours in names.items() if settings.get(theirs)}
        if "frames" in found:
            found.setdefault("fps", None)
        return dataclasses.replace(self, **found)

    def indices(self, total: int, video_fps: float) -> np.ndarray:
        """Frame numbers, int64.

        Args:
            total: frames of the video.
            video_fps: frames per second of the video, as a mean.
        """
        if self.rule == "spread":
            wanted = self.frames or total
            if self.frames is None and self.fps is not None:
                wanted = min(max(int(total / video_fps * self.fps), self.least), self.most, total)
            return np.linspace(0, total - 1, wanted).round().astype(np.int64)
        if self.rule == "middles":
            wanted = self.frames or (int(total / video_fps * self.fps) if self.fps else total)
            count = max(1, min(wanted, total))
            step = total / count
            middles = step / 2 + step * np.arange(count)
            return middles.astype(np.float32).astype(np.int64)  # rounded as the processor rounds
        if self.frames is not None:
            count = round(self.frames / self.multiple) * self.multiple
        elif self.fps is not None:
            most = math.floor(min(self.most, total) / self.multiple) * self.multiple
            wanted_f = min(max(total / video_fps * self.fps, self.least), most, total)
            count = math.floor(wanted_f / self.multiple) * self.multiple
        else:
            count = total
        count = max(1, min(count, total))
        return np.arange(0, total, total / count)[:count].astype(np.int64)
