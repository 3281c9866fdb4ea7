"""Encodes the times of frames in an exported student; needs torch only.

    from p4d_time import times_told
    inputs = processor(text=[text], videos=[frames], ..., return_tensors="pt")
    with times_told(model, times_s):          # seconds of each frame since the start of the clip
        model.generate(**inputs)

The student was trained with sines and cosines of time added to the input of its projector (arXiv
2512.17012, Eq. 5). They have no parameters, so no checkpoint stores them. Stills carry none.
Without this file the student answers as one whose clip shows no time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

PERIOD = 10_000.0


def time_encoding(times_s: Sequence[float], width: int) -> Tensor:
    """Sines and cosines `[T, width]`; zeros for NaN, which marks a still."""
    even = torch.arange(0, width, 2, dtype=torch.float64)
    angle = torch.as_tensor(times_s, dtype=torch.float64)[:, None] / PERIOD ** (even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).nan_to_num(0.0).float()


@contextmanager
def times_told(model: Any, times_s: Sequence[float]) -> Iterator[None]:  # noqa: ANN401
    """While open, the frames of one video carry their times.

    Args:
        model: an exported student, as transformers loads it.
        times_s: seconds of the frames, in order. A slot of several frames has their mean.
    """
    qwen = hasattr(model.model, "visual")
    internvl = not hasattr(model.model, "get_video_features")
    projector = model.model.visual.merger if qwen else model.model.multi_modal_projector
    times = torch.as_tensor(list(times_s), dtype=torch.float64)
    if qwen:
        frames = model.config.vision_config.temporal_patch_size
        missing = -len(times) % frames
        times = torch.cat([times, times[-1:].expand(missing)]).view(-1, frames).mean(dim=1)
    of_video = [not qwen]  # Qwen's mergers see stills, too: only `get_video_features` sets this

    def add(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if not of_video[-1]:
            return given
        features, *rest = given
        stills = len(features) - len(times) if internvl else 0  # they precede the video there
        shown = [float("nan")] * stills + times.tolist()
        encoding = time_encoding(shown, features.shape[-1]).to(features)
        grouped = features.reshape(len(shown), -1, features.shape[-1]) + encoding[:, None]
        return (grouped.view(features.shape), *rest)

    handle = projector.register_forward_pre_hook(add)
    encoder = "get_image_features" if internvl else "get_video_features"
    encode_video = getattr(model.model, encoder)

    def seen(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        of_video.append(True)
        try:
            return encode_video(*given, **named)
        finally:
            of_video.pop()

    setattr(model.model, encoder, seen)
    try:
        yield
    finally:
        handle.remove()
        delattr(model.model, encoder)
