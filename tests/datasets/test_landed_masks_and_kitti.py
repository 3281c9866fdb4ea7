"""Datasets of masks and of KITTI, dropped into the inbox: what reaches the clips is true."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays, read_json, read_table
from p4d.sidecars import read_source
from p4d.truth.clip_parts import PARTS_FILE
from p4d.video.clips import build_clips
from p4d.video.ingest import build_videos
from p4d.video.landing import land
from tests.datasets.layouts import kitti, mask_sets
from tests.video.media import inputs, make_project

SIZE_PX = 64
MASK_SETS = {
    "davis": mask_sets.write_davis,
    "youtube_vis": mask_sets.write_youtube_vis,
    "sav": mask_sets.write_sav,
}


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project")


def cut(project):
    """Land the inbox and cut it: the clips' folder, and its table of usable clips."""
    report = land(project)
    assert (report.rejected, len(report.shards)) == (0, 1)
    shard = report.shards[0]
    for stage, build in (("videos", build_videos), ("clips", build_clips)):
        out = project.data / stage / shard
        out.mkdir(parents=True)
        build(inputs(project, stage, shard), out)
    return out, read_table(out / "clips.parquet").filter(outcome="ok"), report


def sampled(values_hw):
    """A map as clips have it: the pixel at the centre of each of a clip's pixels."""
    rows, columns = (
        np.floor((np.arange(SIZE_PX) + 0.5) * side / SIZE_PX).astype(int)
        for side in values_hw.shape
    )
    return values_hw[rows][:, columns]


@pytest.mark.parametrize("name", MASK_SETS)
def test_masks_alone_reach_the_clips(project, name):
    if name == "youtube_vis":
        pytest.importorskip("pycocotools")
    made = MASK_SETS[name](project.inbox / name)
    out, clips, _ = cut(project)
    assert len(clips) == (4 if name == "youtube_vis" else 1)
    truth = Arrays(out / "truth.safetensors")
    parts = read_table(out / PARTS_FILE)
    assert parts["gives"].to_list() == [["instances"]] * len(clips)
    assert set(parts["times"]) == {"measured" if name == "sav" else "declared"}
    every = 4 if name == "sav" else 1  # only annotated frames are in the video
    for row in clips.iter_rows(named=True):
        assert row["has_truth"] and row["scale_kind"] == "relative"
        ids, known = (
            truth[f"{row['clip_id']}.{part}"] for part in ("instance_thw", "instance_known_t")
        )
        assert known.all()
        for place, t in enumerate(row["frame_index"]):
            expected = made.ids_thw[every * t].copy()
            if name == "davis":
                expected[mask_sets.VOID] = 0
            assert (ids[place] == sampled(expected)).all(), t
    objects = read_table(out / "objects.parquet")
    assert objects["instance"].to_list() == [1, 2, 3] * len(clips)
    assert objects["size_x_m"].null_count() == len(objects)


@pytest.mark.parametrize("form", ["raw", "mots"])
def test_kittis_metric_depth_and_poses_reach_the_clips(project, form):
    if form == "raw":
        drive = kitti.write_raw(project.inbox / "kitti")
    else:
        drive = kitti.write_mots(project.inbox / "kitti", form="txt")
    out, clips, _ = cut(project)
    row = clips.row(0, named=True)
    assert row["scale_kind"] == "metric"
    truth = Arrays(out / "truth.safetensors")

    def part(name):
        return truth[f"{row['clip_id']}.{name}"]

    frames = row["frame_index"]
    assert np.abs(part("world_T_cam_t44") - drive.world_T_cam_t44[frames]).max() < 2e-5
    centres = part("world_T_cam_t44")[:, :3, 3]
    assert np.linalg.norm(centres[-1] - centres[0]) > 10, "metres of a car"
    for place, t in enumerate(frames):
        depth = part("z_depth_m_thw")[place]
        known = part("valid_thw")[place] == 1
        assert (known == (depth > 0)).all() and known.any() == (t not in kitti.WITHOUT_SCAN)
        if not known.any():
            continue
        assert known.mean() > 0.5, "gathered: the scan has every third pixel, without the sky"
        # A depth is off by at most half a pixel of the clip: two pixels of the street.
        exact = drive.views[t].z_m_hw
        near = np.stack([sampled(np.roll(exact, by, axis=1)) for by in (-2, -1, 0, 1, 2)])
        low, high = near.min(0) * 0.98, near.max(0) * 1.02
        inside = (depth >= low) & (depth <= high)
        assert inside[known].mean() > 0.97
    if form == "mots":
        for place, t in enumerate(frames):
            table = np.zeros(3000, int)
            table[[1001, 1005, 2003]] = 1, 2, 3
            expected = table[drive.views[t].ids_hw]
            assert (part("instance_thw")[place] == sampled(expected)).all()


def test_flow_of_kitti_reaches_the_sidecar_as_backward_flow(project):
    from p4d import truth

    drive = kitti.write_flow(project.inbox / "kitti")
    land(project)
    (video,) = (project.inbox / "datasets" / "kitti_flow").glob("*.mp4")
    found = truth.read(truth.path_for(video))
    assert [t for t in range(21) if found.flow[t] is not None] == [11]
    flow, known = found.flow[11]
    exact, _, _ = drive.views[11].flow_to(drive.views[10])
    assert np.median(np.linalg.norm(flow - exact, axis=-1)[known]) < 0.06


def test_one_bad_sequence_stops_no_other(project):
    folder = project.inbox / "davis"
    mask_sets.write_davis(folder, sequence="bear")
    lonely = folder / "JPEGImages" / "480p" / "lonely"
    lonely.mkdir()
    (lonely / "00000.jpg").write_bytes(b"no picture")
    report = land(project)
    assert report.accepted == 1
    (notice,) = [each for each in report.notices if "lonely" in each]
    assert "'lonely' is left out: " in notice
    assert "holds 1 picture(s) named by a number, expected a sequence" in notice


def test_terms_and_problems_stand_on_the_card_without_the_place_of_the_folder(project):
    folder = project.inbox / "kitti"
    kitti.write_raw(folder)
    (folder / kitti.DATE / kitti.DRIVE / "oxts" / "data" / "0000000002.txt").unlink()
    land(project)
    (card,) = (project.inbox / "datasets" / "kitti_raw").glob("*.source.json")
    stated = read_source(card)
    assert stated.problem is None
    assert stated.origin.terms_id == "CC-BY-NC-SA-3.0" and stated.origin.redistributable
    assert any("oxts/data/0000000002.txt: cannot be read" in each for each in stated.origin.notes)
    assert str(project.inbox) not in card.read_text()
    assert read_json(card)["origin"]["exchange_group"] == "2011_09_26_drive_0009"


def test_all_formats_are_told_apart(project):
    writers = {
        "kitti_raw": kitti.write_raw,
        "kitti_odometry": kitti.write_odometry,
        "kitti_mots": kitti.write_mots,
        "kitti_flow": kitti.write_flow,
        "davis": mask_sets.write_davis,
        "youtube_vis": mask_sets.write_youtube_vis,
        "sav": mask_sets.write_sav_evaluation,
        "videorefer": mask_sets.write_videorefer,
    }
    for name, write in writers.items():
        write(project.inbox / name)
    report = land(project)
    assert report.accepted == len(writers), report.summary()
    for name in writers:
        assert len(list((project.inbox / "datasets" / name).glob("*.mp4"))) == 1, name
    files = [
        row
        for shard in report.shards
        for row in read_json(project.shards_dir / f"{shard}.json")["files"]
    ]
    licences = pl.DataFrame(files)["licence"].unique().sort().to_list()
    assert licences == ["CC-BY-4.0", "CC-BY-NC-SA-3.0", "DAVIS", "VideoRefer", "YouTube-VOS"]
