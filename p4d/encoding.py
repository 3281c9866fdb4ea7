"""Byte-stable video files: equal pictures give equal bytes on one machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# With AVX-512, x264's output depends on what its buffers held before: equal frames gave up to 8
# different files in 8 tries. SSE2 is exact and part of every x86-64; elsewhere plain C.
STABLE_X264 = "asm=sse2" if platform.machine() in ("x86_64", "AMD64") else "asm=0"


def write_constant_rate(path: Path, rgb_thw3: Sequence[np.ndarray], rate_hz: Fraction) -> None:
    """Write pictures as an MP4 (H.264, yuv420p) with one picture per 1 / `rate_hz` seconds.

    Args:
        path: the file; replaced if it exists.
        rgb_thw3: u8 pictures of one size [H, W, 3]; H and W are even.
        rate_hz: pictures per second; picture i is shown from i / rate_hz on.
    """
    tick = 1 / rate_hz
    # Without B-frames the order of decoding is that of showing, and the first time is zero.
    how = {"crf": "10", "preset": "veryfast", "bf": "0", "x264-params": STABLE_X264}
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate_hz)
        stream.height, stream.width = rgb_thw3[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = how
        stream.codec_context.thread_count = 1  # x264's output depends on its number of threads
        stream.codec_context.time_base = tick
        stream.time_base = tick
        for number, picture in enumerate(rgb_thw3):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
