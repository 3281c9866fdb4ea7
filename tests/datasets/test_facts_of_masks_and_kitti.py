"""Datasets of masks and of KITTI, labelled and measured: regions are the masks, facts are true.

One project has all of them. The expert is the embedded one; what it estimates is not tested here.
"""

import shutil

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays, read_table
from p4d.standalone import run_stages
from p4d.teachers.expert4d import embedded
from p4d.video.landing import land
from tests.datasets.layouts import kitti, mask_sets
from tests.video.media import make_project

STAGES = ("videos", "clips", "labels", "regions", "facts")
WAY = {1: "right", 2: "left", 3: "right"}
"""Where the discs of the mask sets go."""


class Measured:
    """Tables of all shards, with the dataset of each row."""

    def __init__(self, root, shards):
        self.root, self.shards = root, shards
        videos = self.table("videos", "videos.parquet")
        named = videos.select(
            "video_id",
            dataset=pl.col("name").str.extract(r"^([a-z_0-9]+?)_(?:2011|00|v1|sav_0|bear|videos)"),
        )
        clips = self.table("clips", "clips.parquet").filter(outcome="ok").join(named, on="video_id")
        self.clips = clips
        of = clips.select("clip_id", "dataset")
        self.regions = self.table("regions", "regions.parquet").join(of, on="clip_id")
        self.facts = self.table("facts", "facts.parquet").join(of, on="clip_id")

    def table(self, stage, name):
        return pl.concat([read_table(self.root / stage / shard / name) for shard in self.shards])

    def masks(self, region_id):
        for shard in self.shards:
            arrays = Arrays(self.root / "regions" / shard / "masks.safetensors")
            if f"{region_id}.mask_thw" in arrays:
                return arrays[f"{region_id}.mask_thw"]
        raise KeyError(region_id)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("facts")
    project = make_project(root)
    drive = kitti.write_mots(project.inbox / "mots", form="txt")
    kitti.write_raw(project.inbox / "raw", depth="accumulated")
    kitti.write_odometry(project.inbox / "odometry")
    mask_sets.write_davis(project.inbox / "davis")
    mask_sets.write_sav_evaluation(project.inbox / "sav")
    report = land(project)
    assert (report.accepted, report.rejected) == (5, 0), report.summary()
    shutil.copytree(embedded.FOLDER, root / "expert", ignore=shutil.ignore_patterns("*.py", "__*"))
    run_stages(root, project.params, STAGES, report.shards)
    return Measured(root, report.shards), drive


def test_masks_alone_give_regions(made):
    found, _ = made
    davis = found.regions.filter(dataset="davis").sort("instance")
    assert davis["source"].unique().to_list() == ["truth"]
    assert davis["outcome"].to_list() == ["ok", "filtered", "ok"]
    assert davis["reason"].to_list()[1].startswith("first-frame area"), "disc 2 appears later"
    assert found.clips.filter(dataset="davis")["scale_kind"].to_list() == ["relative"]


def test_directions_in_the_picture_are_those_of_the_discs(made):
    found, _ = made
    for dataset in ("davis", "sav"):
        regions = found.regions.filter(dataset=dataset, outcome="ok")
        facts = found.facts.filter(dataset=dataset, kind="screen_direction")
        for row in facts.iter_rows(named=True):
            (region,) = row["region_ids"]
            number = regions.filter(region_id=region)["instance"].item()
            assert row["value_text"] == WAY[number]
        assert facts.height > 0
    metric = found.facts.filter(pl.col("dataset").is_in(["davis", "sav"]), unit="m")
    assert metric.height == 0, "no metres without depth"


@pytest.mark.parametrize("dataset", ["kitti_mots", "kitti_raw", "kitti_odometry"])
def test_the_way_of_the_camera_is_that_of_the_car(made, dataset):
    found, drive = made
    facts = found.facts.filter(dataset=dataset, kind="camera_displacement")
    assert facts.height == 3 and facts["teacher"].unique().to_list() == ["exact"]
    clip = found.clips.filter(dataset=dataset).row(0, named=True)
    frames = np.array(clip["frame_index"])
    grid_ns = clip["start_ns"] + 250_000_000 * np.arange(len(frames))
    for row in facts.iter_rows(named=True):
        ends = [frames[np.searchsorted(grid_ns, row[end])] for end in ("start_ns", "end_ns")]
        begin, end = drive.world_T_cam_t44[ends, :3, 3]
        assert row["value"] == pytest.approx(np.linalg.norm(end - begin), abs=0.01)
        assert row["unit"] == "m" and row["scale_kind"] == "metric"
        assert row["sigma"] >= 0.05, "the error of the positions is in it"


def test_what_needs_up_is_measured_only_where_up_is_known(made):
    found, _ = made
    turns = found.facts.filter(kind="camera_turn")
    assert set(turns["dataset"]) == {"kitti_mots", "kitti_raw"}, "odometry's world is a camera"
    assert set(turns["value_text"]) == {"to the left"}
    ways = found.facts.filter(kind="camera_direction")
    assert set(ways["dataset"]) == {"kitti_mots", "kitti_raw"}
    assert set(ways["value_text"]) == {"forward"}


def test_scans_under_masks_give_the_places_of_cars(made):
    """The car 1005 drives at 4 m/s; 1001 is parked. Surfaces are seen, not centres."""
    found, drive = made
    regions = found.regions.filter(dataset="kitti_mots", outcome="ok")
    assert regions.sort("instance")["instance"].to_list() == [1, 2]
    driving = regions.filter(instance=2)["region_id"].item()
    facts = found.facts.filter(dataset="kitti_mots", teacher="exact")

    moved = facts.filter(kind="displacement").filter(pl.col("region_ids").list.contains(driving))
    assert moved.height == 3
    clip = found.clips.filter(dataset="kitti_mots").row(0, named=True)
    frames = np.array(clip["frame_index"])
    grid_ns = clip["start_ns"] + 250_000_000 * np.arange(len(frames))
    for row in moved.iter_rows(named=True):
        first, last = (frames[np.searchsorted(grid_ns, row[end])] for end in ("start_ns", "end_ns"))
        assert row["value"] == pytest.approx(4.0 * 0.1 * (last - first), abs=0.1)
        assert row["sigma"] > abs(row["value"] - 0.4 * (last - first))

    away = facts.filter(kind="distance_to_camera")
    assert away.height >= 4
    for row in away.iter_rows(named=True):
        number = regions.filter(region_id=row["region_ids"][0])["instance"].item()
        t = frames[np.searchsorted(grid_ns, row["start_ns"])]
        view = drive.views[t]
        box = view.scene.boxes[number - 1]
        centre_m = np.linalg.norm(box.pose_at(view.time_s)[:3, 3] - view.world_T_cam[:3, 3])
        assert abs(row["value"] - centre_m) < 2 * row["sigma"]


def test_names_are_classes_and_repeat(made):
    found, _ = made
    regions = found.regions.filter(dataset="kitti_mots", outcome="ok")
    assert regions["name"].to_list() == ["car", "car"]
    named = found.facts.filter(kind="name")
    assert named.filter(dataset="kitti_mots").height == 0, "two cars: the name names neither"
    assert named.filter(pl.col("dataset").is_in(["davis", "sav"])).height == 0
