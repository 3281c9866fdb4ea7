"""Opening a media file: which of its streams is the video, and what FFmpeg says about it.

FFmpeg conceals damage by default. Here decoders run with `err_detect=explode`, and anything that
FFmpeg logs as an error about the video is an error. What it logs about sound is not: the sound is
never decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from p4d.errors import DecodeError
from p4d.video.decoding.budget import FileBudget

# Playlists (HLS, DASH, concat) would open other files or the network, and FFmpeg renders plain text
# as pictures, so only self-contained media containers are opened. Audio containers are listed so
# that the error can be "no video stream".
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,ivf,flv,asf,"
    "ogg,nut,mjpeg,gif,wav,mp3,flac,aac"
)


@dataclass(frozen=True)
class OpenedVideo:
    """An open file and the stream that is its video.

    Attributes:
        notes: what a person should know about the choice, one line each.
    """

    container: InputContainer
    stream: VideoStream
    notes: tuple[str, ...] = ()


@contextmanager
def open_video(path: Path, budget: FileBudget | None = None) -> Iterator[OpenedVideo]:
    """Open a file and set its video stream up for strict decoding.

    Cover art and thumbnails do not count as video. Of several video streams the default one is
    taken, or else the one with the largest picture. The others, and the sound, are not read.

    Raises:
        DecodeError: any FFmpeg error inside the block, with FFmpeg's reason; also an error of the
            video that FFmpeg only logged, a picture larger than the budget, an AVI file cut short.

    """
    budget = budget or FileBudget()
    _check_riff(path)
    with (
        _errors_of(path),
        av.open(
            str(path.absolute()),
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS},
        ) as container,
    ):
        assert isinstance(container, InputContainer)
        stream, notes = _video_stream(container)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        budget.check_pictures(0, stream.codec_context.width, stream.codec_context.height)
        # One thread: processes already run in parallel, and frame threads report errors late.
        stream.thread_type = "NONE"
        stream.codec_context.options = {
            "err_detect": "crccheck+explode",
            "max_pixels": str(budget.max_picture_px),
        }
        yield OpenedVideo(container, stream, notes)


def _video_stream(container: InputContainer) -> tuple[VideoStream, tuple[str, ...]]:
    no_video = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [s for s in container.streams.video if not s.disposition & no_video]
    if not streams:
        raise DecodeError("no video stream" + (" (audio only)" if container.streams.audio else ""))
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise DecodeError("no decoder for the codec of the video stream")

    def rank(stream: VideoStream) -> tuple[bool, int]:
        size = stream.codec_context
        return bool(stream.disposition & Disposition.default), size.width * size.height

    chosen = max(known, key=rank)  # the first of equals
    if len(streams) == 1:
        return chosen, ()
    why = "the default" if chosen.disposition & Disposition.default else "the largest picture"
    return chosen, (f"{len(streams)} video streams; stream {chosen.index} is used ({why})",)


def _check_riff(path: Path) -> None:
    """Check that the segments of an AVI file, if it is one, end within it.

    Its header also counts frames that were skipped, so their number does not show a missing end.
    """
    length = path.stat().st_size
    with path.open("rb") as stream:
        start = 0
        while start + 12 <= length:
            stream.seek(start)
            header = stream.read(12)
            size = int.from_bytes(header[4:8], "little")
            if header[:4] != b"RIFF" or header[8:11] != b"AVI" or not size:
                return
            # The size of a last chunk may leave out its padding byte.
            if start + 8 + size > length + 1:
                raise DecodeError(
                    f"the file ends prematurely: {length} of {start + 8 + size} bytes"
                )
            start += 8 + size + size % 2


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    # Otherwise a message equal to the last one, even of another file, would be dropped.
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=True) as logs:
            yield
    except av.FFmpegError as error:
        messages = [error.strerror, *(error.log[2:] if error.log else ())]
        raise DecodeError(_reason(path, messages)) from error
    finally:
        av.logging.set_level(level)
    errors = [
        message
        for severity, source, message in logs
        if severity <= av.logging.ERROR and not _is_sound(source)
    ]
    if errors:
        raise DecodeError(_reason(path, errors[:1]))


def _is_sound(source: str) -> bool:
    """Whether a message comes from a decoder of something that is no video."""
    try:
        return av.Codec(source, "r").type != "video"
    except (UnknownCodecError, ValueError):  # a demuxer, or another part of FFmpeg
        return False


def _reason(path: Path, messages: Sequence[str | None]) -> str:
    """FFmpeg's messages on one line, without the folder of the file."""
    parts = [text.strip().rstrip(".") for text in messages if text]
    if any("not on whitelist" in text for text in parts):
        return "not a media container that holds its own pictures"
    if any("Cannot allocate memory" in text for text in parts):
        return "decoding needs more memory than landing.max_memory_bytes; scale the video down"
    return "; ".join(dict.fromkeys(parts)).replace(str(path.absolute()), "the file")
