"""Damaged video files, made from small good ones: equal seeds give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np
from av.container import OutputContainer

from p4d.ids import seed_for

FRAMES = 24


@dataclass(frozen=True)
class Format:
    """A codec in a container.

    Attributes:
        suffix: of the file name; FFmpeg does not read it.
    """

    codec: str
    container: str
    suffix: str
    pix_fmt: str = "yuv420p"
    sound: bool = False

    @property
    def name(self) -> str:
        """Codec and file type, as results name them."""
        return f"{self.codec} {self.suffix}"


FORMATS = (
    Format("libx264", "mp4", "mp4", sound=True),
    Format("libx264", "matroska", "mkv"),
    Format("libx264", "mpegts", "ts"),
    Format("libx264", "flv", "flv"),
    Format("libx264", "avi", "avi"),
    Format("libx265", "mp4", "mp4"),
    Format("libx265", "matroska", "mkv", "yuv420p10le"),
    Format("libvpx", "webm", "webm"),
    Format("libvpx-vp9", "webm", "webm"),
    Format("libsvtav1", "mp4", "mp4"),
    Format("mpeg4", "avi", "avi"),
    Format("mpeg4", "mov", "mov", sound=True),
    Format("mpeg2video", "mpegts", "ts"),
    Format("mpeg2video", "mpeg", "mpg"),
    Format("mjpeg", "avi", "avi", "yuvj420p"),
    Format("ffv1", "matroska", "mkv"),
    Format("wmv2", "asf", "wmv"),
    Format("flv", "flv", "flv"),
    Format("prores_ks", "mov", "mov", "yuv422p10le"),
    Format("gif", "gif", "gif", "rgb8"),
)


def good_file(kind: Format) -> bytes:
    """A video of 24 frames of 96x64: a square that moves over noise."""
    buffer = BytesIO()
    rng = np.random.default_rng(seed_for("fuzz", kind.name))
    noise = rng.integers(60, 200, (64, 96, 3)).astype(np.uint8)
    options = {"svtav1-params": "preset=12:lp=1"} if kind.codec == "libsvtav1" else {}
    with av.open(buffer, "w", format=kind.container) as container:
        assert isinstance(container, OutputContainer)
        stream = container.add_stream(kind.codec, rate=12, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, kind.pix_fmt
        stream.codec_context.gop_size = 8
        sound = container.add_stream("aac", rate=16000) if kind.sound else None
        for number in range(FRAMES):
            picture = np.roll(noise, number, axis=1)
            picture[20:44, 3 * number : 3 * number + 20] = (230, 30, 30)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        if sound is not None:
            tone = (np.sin(np.arange(32000) * 0.17) * 8000).astype(np.int16)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            samples.sample_rate = 16000
            container.mux([*sound.encode(samples), *sound.encode(None)])
        container.mux(stream.encode(None))
    return buffer.getvalue()


Mutation = Callable[[bytearray, np.random.Generator], bytearray]
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADER_BYTES = 1024


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, len(data), rng.integers(1, 20)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _flip_header(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(0, min(len(data), _HEADER_BYTES), rng.integers(1, 6)):
        data[at] = int(rng.integers(256))
    return data


def _flip_end(data: bytearray, rng: np.random.Generator) -> bytearray:
    for at in rng.integers(max(0, len(data) - _HEADER_BYTES), len(data), rng.integers(1, 6)):
        data[at] = int(rng.integers(256))
    return data


def _extreme(data: bytearray, rng: np.random.Generator) -> bytearray:
    width = int(rng.choice([1, 2, 4]))
    at = int(rng.integers(0, max(1, len(data) - width)))
    value = int(rng.choice(_EXTREMES)) & (256**width - 1)
    data[at : at + width] = value.to_bytes(width, str(rng.choice(["big", "little"])))  # type: ignore[arg-type]
    return data


def _block(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    length = int(rng.integers(1, max(2, len(data) // 4)))
    start = int(rng.integers(0, max(1, len(data) - length)))
    return start, start + length


def _cut_off(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(1, len(data)))]


def _blank(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    data[start:end] = bytes([int(rng.choice([0, 255]))]) * (end - start)
    return data


def _remove(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    del data[start:end]
    return data or bytearray(b"\0")


def _repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    data[start:start] = data[start:end]
    return data


def _noise(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, end = _block(data, rng)
    data[start:end] = rng.bytes(end - start)
    return data


MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _flip, _flip_header, _flip_end, _extreme, _extreme),
    *(_cut_off, _blank, _remove, _repeat, _noise),
)


@dataclass(frozen=True)
class Mutant:
    """A damaged file and what it was made from."""

    number: int
    kind: Format
    mutation: str
    payload: bytes


def mutants(count: int, good: dict[Format, bytes]) -> Iterator[Mutant]:
    """Mutants 0 to `count` - 1, over all formats in turn; mutant i never depends on `count`."""
    kinds = tuple(good)
    for number in range(count):
        rng = np.random.default_rng(seed_for("fuzz", "mutant", number))
        kind = kinds[number % len(kinds)]
        mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        payload = bytes(mutation(bytearray(good[kind]), rng))
        yield Mutant(number, kind, mutation.__name__.strip("_"), payload)
