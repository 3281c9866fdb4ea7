"""Decoding: exact times, upright pictures, and damage that is always reported."""

from fractions import Fraction

import av
import numpy as np
import pytest

from p4d.errors import DecodeError
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode, read_timeline
from p4d.video.decoding.picture import ticks_to_ns
from p4d.video.decoding.probe import probe
from p4d.video.sources import add_damaged_videos
from tests.video.media import marked_frame, read_mark, set_display_matrix, write_video


def timeline(path, **limits):
    return read_timeline(path, FileBudget(max_duration_s=600, **limits))


def marks(path):
    return [read_mark(frame.rgb()) for frame in decode(path)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_constant_rate_times_are_exact(tmp_path, suffix):
    codec = "mpeg4" if suffix == "avi" else "libx264"
    seen = timeline(write_video(tmp_path / f"a.{suffix}", codec=codec))
    exact_ns = np.array([round(Fraction(i, 12) * 10**9) for i in range(48)])
    # Matroska counts milliseconds.
    tolerance_ns = 500_000 if suffix == "mkv" else 0
    assert np.abs(seen.pts_ns - exact_ns).max() <= tolerance_ns
    assert seen.end_ns == 4_000_000_000
    assert not seen.is_vfr


def test_variable_rate_times_are_exact(tmp_path):
    ticks = np.cumsum(np.random.default_rng(3).integers(20, 200, 40)).tolist()
    path = write_video(tmp_path / "a.mp4", frames=40, ticks=ticks, time_base=Fraction(1, 1000))
    seen = timeline(path)
    assert seen.pts_ns.tolist() == [tick * 1_000_000 for tick in ticks]
    assert seen.is_vfr
    assert marks(path) == list(range(40))


def test_a_start_offset_is_kept(tmp_path):
    seen = timeline(write_video(tmp_path / "a.mp4", start_ticks=12))
    assert seen.pts_ns[0] == 1_000_000_000
    assert seen.end_ns == 5_000_000_000


def test_times_are_rounded_once_from_exact_ticks():
    assert ticks_to_ns(1001, Fraction(1, 30000)) == 33_366_667
    assert ticks_to_ns(10**12 + 1, Fraction(1, 90000)) == 11_111_111_111_122_222
    assert ticks_to_ns(-1, Fraction(1, 3)) == -333_333_333


def stored_corners(number, width, height):
    """A picture whose four quarters differ: red, green / blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (220, 20, 20)
    picture[: height // 2, width // 2 :] = (20, 220, 20)
    picture[height // 2 :, : width // 2] = (20, 20, 220)
    picture[height // 2 :, width // 2 :] = (220, 220, 220)
    return picture


def corners(rgb):
    """The colours of the four quarters, in reading order."""
    height, width, _ = rgb.shape
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    at = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return "".join(names[tuple((rgb[y, x] > 128).astype(int))] for y, x in at)


@pytest.mark.parametrize(
    ("matrix", "expected", "degrees"),
    [
        ((1, 0, 0, 1), "rgbw", 0),
        ((0, 1, -1, 0), "brwg", 90),
        ((-1, 0, 0, -1), "wbgr", 180),
        ((0, -1, 1, 0), "gwrb", 270),
        ((-1, 0, 0, 1), "grwb", 0),
        ((0, 1, 1, 0), "rbgw", 270),
    ],
)
def test_the_display_matrix_is_applied(tmp_path, matrix, expected, degrees):
    path = write_video(tmp_path / "a.mp4", frames=3, draw=stored_corners)
    set_display_matrix(path, *matrix)
    frame = next(decode(path))
    assert corners(frame.rgb()) == expected
    seen = probe(path)
    assert seen.rotation_deg == degrees
    assert (seen.width_px, seen.height_px) == ((64, 96) if degrees % 180 else (96, 64))
    assert frame.size_px == (seen.width_px, seen.height_px)
    assert frame.rgb().shape == (seen.height_px, seen.width_px, 3)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("libx264", "gray"),
        ("ffv1", "gray16le"),
        ("ffv1", "bgra"),
        ("ffv1", "yuv422p12le"),
        ("gif", "rgb8"),
        ("libvpx-vp9", "yuva420p"),
    ],
)
def test_every_pixel_format_comes_out_as_rgb(tmp_path, codec, pix_fmt):
    suffix = {"ffv1": "mkv", "gif": "gif", "libvpx-vp9": "webm"}.get(codec, "mp4")
    path = write_video(tmp_path / f"a.{suffix}", frames=6, codec=codec, pix_fmt=pix_fmt)
    pictures = [frame.rgb() for frame in decode(path)]
    assert [read_mark(picture) for picture in pictures] == list(range(6))
    assert {(p.dtype.name, p.shape) for p in pictures} == {("uint8", (64, 96, 3))}


def test_colours_survive(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=2, draw=stored_corners)
    difference = next(decode(path)).rgb().astype(int) - stored_corners(0, 96, 64)
    assert np.median(np.abs(difference)) <= 4


def test_every_kind_of_damage_is_reported(tmp_path):
    good = write_video(tmp_path / "good.mp4", draw=noisy)
    by_name = {path.name: path for path in add_damaged_videos(tmp_path, good)}
    reasons = {}
    for name, path in by_name.items():
        try:
            timeline(path)
        except DecodeError as error:
            reasons[name] = str(error)
    assert sorted(set(by_name) - set(reasons)) == ["renamed copy -- \u00e9\u4e2d.mp4"]
    assert "audio only" in reasons["audio only \u266b.m4a"]
    assert "moov" in reasons["index lost (moov).mp4"]
    assert "moov" in reasons["text called video.mp4"]
    assert reasons["flipped bytes ..mp4"]
    assert not [reason for reason in reasons.values() if str(tmp_path) in reason]
    # Only a full decode can tell these two.
    assert probe(by_name["-truncated after 60 percent.mp4"]).codec == "h264"


def noisy(number, width, height):
    """Marks under noise, so that every frame has many coded bytes to damage."""
    noise = np.random.default_rng(number).integers(-20, 21, (height, width, 3))
    return (marked_frame(number, width, height) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_file_cut_short_is_reported_in_every_container(tmp_path, suffix):
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write_video(tmp_path / f"a.{suffix}", codec=codec, draw=noisy, faststart=suffix == "mp4")
    payload = path.read_bytes()
    for share in (0.5, 0.8):
        path.write_bytes(payload[: int(len(payload) * share)])
        with pytest.raises(DecodeError):
            timeline(path)


def test_damage_is_reported_again_for_a_second_file(tmp_path):
    good = write_video(tmp_path / "a.mkv", draw=noisy)
    for name in ("b.mkv", "c.mkv"):
        (tmp_path / name).write_bytes(good.read_bytes()[:-5000])
        with pytest.raises(DecodeError, match="prematurely"):
            timeline(tmp_path / name)


def test_files_that_point_elsewhere_or_are_no_media_are_not_opened(tmp_path):
    write_video(tmp_path / "a.mp4", frames=12)
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    (tmp_path / "readme.txt").write_text("A plain text.\n" * 50)
    for name in ("list.m3u8", "list.ffconcat", "readme.txt"):
        with pytest.raises(DecodeError):
            probe(tmp_path / name)


def test_cover_art_is_no_video(tmp_path):
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("mp3", rate=16000)
        art = container.add_stream("png", rate=1)
        art.width, art.height, art.pix_fmt = 32, 32, "rgb24"
        art.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        packets = [*art.encode(picture), *art.encode(None)]
        tone = av.AudioFrame.from_ndarray(
            np.zeros((1, 16000), np.int16), format="s16p", layout="mono"
        )
        tone.sample_rate = 16000
        container.mux(packets)
        container.mux(audio.encode(tone))
        container.mux(audio.encode(None))
    with pytest.raises(DecodeError, match="audio only"):
        probe(path)


def test_an_unknown_codec_is_reported(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=3)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(DecodeError, match=r"codec|decoder"):
        probe(path)


def test_tags_that_are_no_text_do_not_matter(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=3)
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"\xff\xfe\xff\xfe"))
    assert len(timeline(path).pts_ns) == 3


def test_a_video_longer_than_allowed_is_reported(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(DecodeError, match="max_duration_s"):
        read_timeline(path, FileBudget(max_duration_s=2))


def test_a_time_beyond_64_bits_rejects_its_video(tmp_path, monkeypatch):
    path = write_video(tmp_path / "late.mkv", start_ticks=24)
    monkeypatch.setattr("p4d.video.decoding.decode.MAX_TIME_NS", 10**9)
    with pytest.raises(DecodeError, match="frame 0 is at 2 s, no time of a video"):
        timeline(path)


def test_a_pixel_format_that_cannot_be_converted_is_named(tmp_path):
    path = tmp_path / "a.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb4"
        for number in range(3):
            frame = av.VideoFrame(64, 48, "rgb4")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    first = next(decode(path))
    with pytest.raises(DecodeError, match="frame 0 cannot be converted from rgb4"):
        first.rgb()
