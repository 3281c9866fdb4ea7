"""Any file may land: what it does costs its own row, and the reason in that row is true.

The files in `cases/` were made by programs for this purpose. Each stands for a kind of file.
"""

import hashlib
import resource
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from p4d.artifacts import read_table
from p4d.errors import DecodeError
from p4d.video.clips import build_clips
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode, read_timeline
from p4d.video.decoding.probe import probe
from p4d.video.ingest import build_videos
from p4d.video.landing import land
from p4d.worlds import sidecar
from tests.video.media import inputs, make_project, marked_frame, read_mark, write_video
from tests.video.worlds import still_truth

CASES = Path(__file__).with_name("cases")

ACCEPTED = {
    "edit_list_end_cut.mp4": 36,
    "gif_8192x8192_40_frames.gif": 40,
    "picture_whole_sound_damaged.mp4": 60,
    "silent_vp9_webm__flip1_5.webm": 50,
    "two_streams_second_is_default.mkv": 60,
    "sidecar_video.mp4": 64,
}
REJECTED = {
    "mkv_cluster_time_2pow44.mkv": "no time of a video",
    "rawvideo_rgb4.nut": "cannot be converted from rgb4",
}


def ingested(project):
    """Land and ingest; the rows of videos.parquet by name, with the folder."""
    land(project)
    (shard,) = project.shards()
    out = project.data / "videos" / shard
    build_videos(inputs(project, "videos", shard), out)
    build_clips(inputs(project, "clips", shard), project.data / "clips" / shard)
    return {row["name"]: row for row in read_table(out / "videos.parquet").iter_rows(named=True)}


def test_every_case_has_its_row_and_harms_no_neighbour(tmp_path):
    project = make_project(tmp_path, clips={"max_reject_ratio": 1.0})
    for case in (*ACCEPTED, *REJECTED):
        shutil.copy(CASES / case, project.inbox)
    write_video(project.inbox / "good.mp4")
    rows = ingested(project)
    assert len(rows) == len(ACCEPTED) + len(REJECTED) + 1
    frames = {name: row["n_frames"] for name, row in rows.items() if row["outcome"] == "ok"}
    assert frames == ACCEPTED | {"good.mp4": 48}
    for name, reason in REJECTED.items():
        assert rows[name]["outcome"] == "rejected"
        assert reason in rows[name]["reason"]
    assert rows["two_streams_second_is_default.mkv"]["width_px"] == 160
    assert rows["two_streams_second_is_default.mkv"]["note"] == (
        "2 video streams; stream 1 is used (the default)"
    )
    assert rows["good.mp4"]["note"] is None


def write_reordered(path, codec, *, skipped=(), frames=40):
    """An AVI file: B-frames where the codec has them, and index entries without data."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.max_b_frames = 0 if skipped else 2
        for number in range(frames):
            if number in skipped:
                continue
            frame = av.VideoFrame.from_ndarray(marked_frame(number, 96, 64), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_avi_with_frames_out_of_order_has_the_times_of_their_order(tmp_path, codec):
    path = write_reordered(tmp_path / "a.avi", codec)
    frames = [(frame.ticks, read_mark(frame.rgb())) for frame in decode(path)]
    assert frames == [(number, number) for number in range(40)]


def test_avi_with_skipped_frames_shows_the_others_at_their_times(tmp_path):
    skipped = {*range(5, 30), *range(33, 38)}
    path = write_reordered(tmp_path / "a.avi", "mpeg4", skipped=skipped)
    shown = [number for number in range(40) if number not in skipped]
    frames = [(frame.ticks, read_mark(frame.rgb())) for frame in decode(path)]
    assert frames == [(number, number) for number in shown]
    assert read_timeline(path).is_vfr


@pytest.mark.parametrize("share", [0.3, 0.8, 0.99])
def test_an_avi_file_cut_short_is_not_taken_for_one_with_skipped_frames(tmp_path, share):
    path = write_reordered(tmp_path / "a.avi", "mpeg4", skipped=range(5, 30))
    payload = path.read_bytes()
    path.write_bytes(payload[: int(len(payload) * share)])
    with pytest.raises(DecodeError, match="prematurely"):
        read_timeline(path)


def write_streams(path, sizes, default):
    """A Matroska file with one H.264 stream per size; `default` is the index of the default."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, (width, height) in enumerate(sizes):
            stream = container.add_stream("libx264", rate=12)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if number == default:
                stream.disposition = av.stream.Disposition.default
            streams.append(stream)
        for number in range(12):
            for stream, (width, height) in zip(streams, sizes, strict=True):
                picture = marked_frame(number, width, height)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def test_without_a_default_the_largest_picture_is_the_video(tmp_path):
    sizes = [(32, 32), (96, 64), (64, 48)]
    seen = probe(write_streams(tmp_path / "a.ts", sizes, None))
    assert (seen.width_px, seen.height_px) == (96, 64)
    assert seen.notes == ("3 video streams; stream 1 is used (the largest picture)",)
    seen = probe(write_streams(tmp_path / "a.mkv", sizes, 2))
    assert (seen.width_px, seen.height_px) == (64, 48)


def test_memory_does_not_grow_with_the_number_of_large_pictures():
    path = CASES / "gif_8192x8192_40_frames.gif"  # 268 MB per picture of four bytes a pixel
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames = [frame.index for frame in decode(path)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert frames == list(range(40))
    assert grown * 1024 < 6 * 4 * 8192 * 8192


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_picture_px": 96 * 64 - 1}, "landing.max_picture_px"),
        ({"max_frames": 47}, "landing.max_frames"),
        ({"max_decoded_px": 96 * 64 * 47}, "landing.max_decoded_px"),
        ({"max_duration_s": 3.8}, "landing.max_duration_s"),
    ],
)
def test_a_file_over_its_budget_is_rejected_with_the_limit(tmp_path, limits, reason):
    path = write_video(tmp_path / "a.mp4")
    assert len(read_timeline(path).pts_ns) == 48
    with pytest.raises(DecodeError, match=reason):
        read_timeline(path, FileBudget(**limits))


def test_a_file_over_the_memory_of_its_process_is_a_row(tmp_path):
    project = make_project(tmp_path, landing={"max_memory_bytes": 2**28})
    shutil.copy(CASES / "gif_8192x8192_40_frames.gif", project.inbox)
    write_video(project.inbox / "good.mp4")
    rows = ingested(project)
    assert rows["good.mp4"]["outcome"] == "ok"
    assert "landing.max_memory_bytes" in rows["gif_8192x8192_40_frames.gif"]["reason"]


CHECKSUMS = {
    "sum.mp4.sha256": "{sha256}  sum.mp4\n",
    "sum.sha256": "{other}  another.mp4\n{sha256} *./sum.mp4\r\n",
    "sum.md5": "{md5}\n",
    "sum.mp4.md5": "MD5 (sum.mp4) = {MD5}\n",
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_checksum_beside_a_video_finds_what_no_decoder_can(tmp_path, name):
    whole = (CASES / "silent_vp9_webm__flip1_5.webm").read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    outcomes = {}
    for folder, content in (("whole", whole), ("damaged", damaged)):
        project = make_project(tmp_path / folder)
        (project.inbox / "sum.mp4").write_bytes(content)
        (project.inbox / name).write_text(
            CHECKSUMS[name].format(
                sha256=hashlib.sha256(whole).hexdigest(),
                md5=hashlib.md5(whole).hexdigest(),
                MD5=hashlib.md5(whole).hexdigest().upper(),
                other="0" * 64,
            )
        )
        report = land(project)
        assert report.accepted + report.rejected == 1  # the checksum file is no video
        (outcomes[folder],) = (report,)
    assert (outcomes["whole"].accepted, outcomes["damaged"].rejected) == (1, 1)


def test_a_checksum_file_that_states_nothing_is_a_notice(tmp_path):
    project = make_project(tmp_path)
    write_video(project.inbox / "a.mp4", frames=12)
    (project.inbox / "a.mp4.sha256").write_bytes(b"\xff\x00 nothing")
    report = land(project)
    assert report.accepted == 1
    assert "'a.mp4' lands without its checksum: a.mp4.sha256 states no SHA256" in report.notices[0]


def test_a_sidecar_with_impossible_depth_in_any_frame_rejects_its_video(tmp_path):
    project = make_project(tmp_path, clips={"max_reject_ratio": 1.0})
    times = [round(i * 1e9 / 12) for i in range(48)]
    for number, value in enumerate((-1.0, np.nan, 1e7)):
        write_video(project.inbox / f"{number}.mp4", size=(96, 64 + 2 * number))
        truth = still_truth(times, width_px=96, height_px=64 + 2 * number)
        z_m, ids = truth.frames[0]
        wrong = z_m.copy()
        wrong[0, 0] = value
        frames = [(z_m, ids)] * 43 + [(wrong, ids)] + [(z_m, ids)] * 4
        sidecar.write(
            project.inbox / f"{number}.truth.safetensors",
            sidecar.WorldTruth(**{**vars(truth), "frames": frames}),
        )
    for row in ingested(project).values():
        assert row["outcome"] == "rejected"
        assert "depth of frame 43 is not" in row["reason"]
