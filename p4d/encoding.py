"""Pictures to an MP4 with the times that they have; equal pictures give equal bytes.

H.264 at a quality at which no difference is visible. Times are whole ticks, so a frame has the time
of its stamp and not that of a nominal rate.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

# With AVX-512, x264's output depends on what its buffers held before: equal frames gave up to 8
# different files in 8 tries. SSE2 is exact and part of every x86-64; elsewhere plain C.
_STABLE_X264 = "asm=sse2" if platform.machine() in ("x86_64", "AMD64") else "asm=0"


def write_mp4(
    path: Path,
    shown: Iterable[tuple[int, NDArray[np.uint8]]],
    tick: Fraction,
    rate: Fraction,
    *,
    reordered: bool = True,
) -> None:
    """Encode pictures [H, W, 3] of one size.

    Args:
        path: the file; not replaced at once, see `p4d.atomic.replacing`.
        shown: when, in ticks, increasing, and the picture.
        tick: in seconds.
        rate: nominal, in pictures per second; the encoder plans its bits with it.
        reordered: whether a picture may refer to later ones (B-frames); without, packets are in the
            order of their times.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.options = {"crf": "10", "preset": "veryfast", "x264-params": _STABLE_X264}
        if not reordered:
            stream.options = {**stream.options, "bf": "0"}
        stream.codec_context.thread_count = 1  # x264's output depends on its number of threads
        stream.codec_context.time_base = tick
        stream.time_base = tick
        for index, (when, picture) in enumerate(shown):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
                # Two by two pixels share one colour, so an odd size needs a colour per pixel.
                odd = picture.shape[0] % 2 or picture.shape[1] % 2
                stream.pix_fmt = "yuv444p" if odd else "yuv420p"
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(when), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
