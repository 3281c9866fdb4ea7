"""Videos of one world that differ in nothing but the times of their frames."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from p4d.atomic import replacing
from p4d.encoding import write_mp4
from p4d.sidecars import write_source
from p4d.worlds import sidecar
from p4d.worlds.corpus import LICENCE
from p4d.worlds.renderer import render
from p4d.worlds.retimed import STEP_S, retimed_spec, takes_of

MILLISECOND = Fraction(1, 1000)


def write_takes(
    folder: Path, name: str, seed: int, pictures: int, size_px: int, appearance: str
) -> list[Path]:
    """Write `<name>_<k>.mp4` for each take of a world, with truth and source files.

    The pictures are encoded once, and the packets are stored with the times of each take, so that
    decoded frames are equal to the last bit.

    Raises:
        ConfigError: no OpenGL backend is installed (see p4d/worlds/gl.py).
    """
    step_ns = round(STEP_S * 1e9)
    spec = retimed_spec(seed, pictures, appearance=appearance)
    video = render(spec, [number * step_ns for number in range(pictures)], size_px)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with tempfile.TemporaryDirectory() as place:
        encoded = Path(place) / "pictures.mp4"
        shown = enumerate(video.rgb_thw3)
        write_mp4(encoded, shown, MILLISECOND, Fraction(1000), reordered=False)
        for number, take in enumerate(takes_of(seed, pictures)):
            path = folder / f"{name}_{number}.mp4"
            times_ns = np.array(take.times_ns, np.int64)
            sidecar.write(sidecar.path_for(path), dataclasses.replace(video.truth, pts_ns=times_ns))
            source = f"simulated by p4d, world {seed}, take {number}"
            write_source(path, licence=LICENCE, source=source)
            with replacing(path) as temporary:
                retime(encoded, temporary, take.times_ms, MILLISECOND)
            paths.append(path)
    return paths


def retime(encoded: Path, target: Path, ticks: Sequence[int], tick: Fraction) -> None:
    """Copy a video of unordered packets; frame k is shown at `ticks[k]`, the last for a mean step.

    Args:
        encoded: without frames that refer to later ones.
        target: an MP4.
        ticks: one time per frame, increasing, from 0 on.
        tick: in seconds.
    """
    durations = [*np.diff(ticks).tolist(), max(1, ticks[-1] // max(1, len(ticks) - 1))]
    with (
        av.open(str(encoded)) as source,
        av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        stream.time_base = tick
        packets = (packet for packet in source.demux(video=0) if packet.size)
        for packet, time, duration in zip(packets, ticks, durations, strict=True):
            packet.stream, packet.time_base = stream, tick
            packet.pts = packet.dts = time
            packet.duration = duration
            copy.mux(packet)
