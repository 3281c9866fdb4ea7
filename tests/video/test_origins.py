"""What a source file states of dataset and terms, through landing and the first two stages."""

from p4d.artifacts import read_json
from p4d.origins import TABLE, Origin, read_origins
from p4d.sidecars import write_source
from p4d.video.clips import build_clips
from p4d.video.ingest import build_videos
from p4d.video.landing import land
from tests.video.media import inputs, make_project, marked_frame, write_video

BOUND = Origin(dataset="scannet", terms_id="ScanNet-ToS", redistributable=False)
STATED = Origin(dataset="davis", exchange_group="bear", times="declared")


def landed(tmp_path, origins):
    """A project in which one video per origin has landed."""
    project = make_project(tmp_path)
    for number, origin in enumerate(origins):

        def draw(index, width, height, number=number):
            return marked_frame(index + 16 * number, width, height)

        path = write_video(project.inbox / f"{number}.mp4", frames=36, draw=draw)
        write_source(path, licence="x", source="y", origin=origin)
    land(project)
    return project


def files(project, shard):
    return read_json(project.shards_dir / f"{shard}.json")["files"]


def test_bound_videos_have_shards_of_their_own(tmp_path):
    project = landed(tmp_path, [BOUND, None, STATED, BOUND])
    names = {shard: [row["name"] for row in files(project, shard)] for shard in project.shards()}
    assert list(names.values()) == [["1.mp4", "2.mp4"], ["0.mp4", "3.mp4"]]


def test_origins_reach_the_clips(tmp_path):
    project = landed(tmp_path, [None, STATED])
    (shard,) = project.shards()
    for stage, build in (("videos", build_videos), ("clips", build_clips)):
        out = project.data / stage / shard
        out.mkdir(parents=True)
        build(inputs(project, stage, shard), out)
        video_id = files(project, shard)[1]["file_id"]
        assert read_origins(out) == {video_id: STATED}


def test_a_shard_without_origins_has_no_table_of_them(tmp_path):
    project = landed(tmp_path, [None])
    (shard,) = project.shards()
    assert "origin" not in files(project, shard)[0]
    out = project.data / "videos" / shard
    out.mkdir(parents=True)
    build_videos(inputs(project, "videos", shard), out)
    assert not (out / TABLE).exists()
