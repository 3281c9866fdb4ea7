"""Videos with parts of a truth, landed, labelled and asked about: what is asked is known and true.

Every video shows a room whose geometry is known in closed form (tests/truth/rooms.py); its sidecar
states a part of it. The stages are those of a project, the expert is the embedded one.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from p4d import truth as partial
from p4d.artifacts import Arrays, read_table
from p4d.quality.gates import check_folders, needed_upstreams
from p4d.questions.facts.parts import limits
from p4d.sql_files import sql_files
from p4d.standalone import run_stages
from p4d.teachers.labelling.store import LabelStore
from p4d.truth import PartialTruth, Poses, SeenObject, read_parts
from p4d.video.landing import land
from tests.truth.rooms import Plate, Room
from tests.video.media import make_project, write_video

FRAMES = 17
VIDEOS = 5
LOST = (10, 12)
STAGES = (
    "videos", "clips", "expert_worlds", "expert", "labels", "regions", "facts", "questions",
)  # fmt: skip


def room(number):
    """Rooms that differ: how fast the camera goes, and where the plates are."""
    side = -1 if number % 2 else 1
    return Room(
        FRAMES,
        step_m=side * (0.01 + 0.012 * number),
        plates=(
            Plate(1, 1.9 + 0.1 * number, -0.4 * side, 0.1, 0.4, 0.4),
            Plate(2, 4.4 + 0.2 * number, 0.8 * side, -0.4, 0.9, 0.8, step=0.04 * side),
        ),
        seed=number,
    )


def maps(room, which):
    return [room.maps(t)[which] for t in range(FRAMES)]


def known(room, *parts, **stated):
    """A truth of these parts of a room; object 1 is static."""
    poses = [room.pose(t) for t in range(FRAMES)]
    fields = {
        "depth": {"depth": maps(room, 0), "K_t33": room.K},
        "camera": {"camera": Poses.of(poses)},
        "lost": {"camera": Poses.of([None if t in LOST else p for t, p in enumerate(poses)])},
        "masks": {
            "instances": maps(room, 1),
            "objects": (
                SeenObject(instance=1, name="picture", motion="static"),
                SeenObject(instance=2),
            ),
        },
        "flow": {"flow": [room.flow(t) if t else None for t in range(FRAMES)]},
    }
    given = {}
    for part in parts:
        given |= fields[part]
    return PartialTruth(
        pts_ns=room.pts_ns, width_px=room.width, height_px=room.height, **{**given, **stated}
    )


def relative(room):
    """The same room in a unit of 0.4 m."""
    truth = known(room, "depth", "camera", "masks")
    poses = [room.pose(t) for t in range(FRAMES)]
    for pose in poses:
        pose[:3, 3] /= 0.4
    return PartialTruth(
        **{
            **vars(truth),
            "depth": [z / np.float32(0.4) for z in truth.depth],
            "camera": Poses.of(poses),
            "scale": "relative",
            "up": "z",
        }
    )


CASES = {
    "masks": lambda room: known(room, "masks", times="declared"),
    "metric": lambda room: known(room, "depth", "camera", up="z", pose_sigma_m=0.002),
    "relative": relative,
    "lost": lambda room: known(room, "depth", "lost", "masks", up="z"),
    "flow": lambda room: known(room, "masks", "flow"),
    "tilted": lambda room: known(room, "depth", "camera", "masks"),
}


@dataclass(frozen=True)
class Made:
    """What the stages made, by case and number of the room."""

    folders: dict
    clips: pl.DataFrame
    facts: pl.DataFrame
    questions: pl.DataFrame

    def of(self, case, table):
        return table.join(self.clips.filter(case=case), on="clip_id", suffix="_clip")

    def ids(self, case):
        return self.clips.filter(case=case).sort("number")["clip_id"].to_list()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    project = make_project(
        root,
        release={"test_fraction": 0.01, "val_fraction": 0.0},
        questions={"margin_sigma": 3.0},
        expert={"holdout_worlds": 4},  # they measure its card alone
    )
    for first, (case, truth) in enumerate(CASES.items()):
        for number in range(VIDEOS):
            shown = room(number)
            # One code per video: equal pictures would be one file.
            shown = Room(**{**vars(shown), "seed": 100 * first + number})
            video = write_video(
                project.inbox / f"{case}-{number}.mp4", frames=FRAMES, fps=8,
                draw=lambda t, width, height, shown=shown: shown.picture(t),
            )  # fmt: skip
            partial.write(partial.path_for(video), truth(shown))
    report = land(project)
    assert (report.accepted, report.rejected) == (len(CASES) * VIDEOS, 0), report.summary()
    (shard,) = project.shards()
    run_stages(root, project.params, STAGES, [shard])
    folders = {
        name: root / name / shard if (root / name / shard).is_dir() else root / name
        for name in STAGES
    }
    videos = read_table(folders["videos"] / "videos.parquet")
    assert videos["has_truth"].all(), videos["reason"].to_list()
    named = videos.select(
        "video_id",
        case=pl.col("name").str.split("-").list.first(),
        number=pl.col("name").str.extract(r"(\d+)").cast(pl.Int64),
    )
    clips = read_table(folders["clips"] / "clips.parquet").filter(outcome="ok")
    return Made(
        folders=folders,
        clips=clips.join(named, on="video_id"),
        facts=read_table(folders["facts"] / "facts.parquet"),
        questions=read_table(folders["questions"] / "questions.parquet"),
    )


def test_every_blocking_gate_passes(made):
    for stage in ("videos", "clips", "labels", "regions", "facts", "questions"):
        folders = {name: made.folders[name] for name in (stage, *needed_upstreams(stage))}
        failed = [r for r in check_folders(stage, folders) if not r.passed and r.blocking]
        assert not failed


def test_each_clip_records_what_its_truth_gives(made):
    assert len(made.clips) == len(CASES) * VIDEOS
    parts = read_parts(made.folders["clips"])
    gives = {case: {parts[clip_id].gives for clip_id in made.ids(case)} for case in CASES}
    geometry = frozenset({"depth", "camera", "intrinsics"})
    masks = frozenset({"instances"})
    assert gives == {
        "masks": {masks},
        "metric": {geometry},
        "relative": {geometry | masks | {"flow"}},
        "lost": {geometry | masks | {"flow"}},
        "flow": {masks | {"flow"}},
        "tilted": {geometry | masks | {"flow"}},
    }
    scales = dict(made.clips.group_by("case").agg(pl.col("scale_kind").unique()).iter_rows())
    assert {case: scale for case, (scale,) in scales.items()} == {
        "masks": "relative", "metric": "metric", "relative": "relative", "lost": "metric",
        "flow": "relative", "tilted": "metric",
    }  # fmt: skip
    truth = Arrays(made.folders["clips"] / "truth.safetensors")
    for clip_id in made.ids("lost"):
        assert truth[f"{clip_id}.camera_known_t"].tolist() == [1, 1, 1, 1, 1, 0, 0, 1]
        assert truth[f"{clip_id}.z_depth_m_thw"].shape[0] == 8


def test_the_exact_teacher_gives_the_modalities_of_the_truth_and_no_others(made):
    store = LabelStore(made.folders["labels"])
    index = read_table(made.folders["labels"] / "index.parquet").filter(teacher="exact")
    assert (index["outcome"] == "ok").all()
    scale = dict(index.select("clip_id", "scale_kind").iter_rows())
    expected = {
        "masks": set(),
        "metric": {"depth_thw", "valid_thw", "K_t33", "world_T_cam_t44"},
        "relative": {
            "depth_thw", "valid_thw", "K_t33", "world_T_cam_t44", "flow_px_thw2", "flow_valid_thw",
        },
        "lost": {"depth_thw", "valid_thw", "flow_px_thw2", "flow_valid_thw"},
        "flow": {"flow_px_thw2", "flow_valid_thw"},
        "tilted": {
            "depth_thw", "valid_thw", "K_t33", "world_T_cam_t44", "flow_px_thw2", "flow_valid_thw",
        },
    }  # fmt: skip
    for case, modalities in expected.items():
        for clip_id in made.ids(case):
            assert set(store.get_all(clip_id, "exact")) == modalities, case
            assert (clip_id in scale) == bool(modalities)
            if modalities:
                assert scale[clip_id] == ("relative" if case == "relative" else "metric")


def test_stored_flow_becomes_the_label(made):
    store = LabelStore(made.folders["labels"])
    for number, clip_id in enumerate(made.ids("flow")):
        valid = store.get(clip_id, "exact", "flow_valid")
        shown = room(number)
        # the wall, two frames of the video apart, on maps of 32 px
        wall = 2 * shown.focal * shown.step_m / 6.0 * 32 / shown.width
        background = store.get(clip_id, "exact", "flow")[1][0, 8]
        assert valid[1, 0, 8]
        assert background[0] == pytest.approx(wall, abs=1 / 64)
        assert 0.6 < valid[1:].mean() < 1


def test_stored_flow_is_what_facts_of_the_picture_are_measured_with(made):
    instance = dict(
        read_table(made.folders["regions"] / "regions.parquet")
        .filter(outcome="ok")
        .select("region_id", "instance")
        .iter_rows()
    )
    facts = made.of("flow", made.facts.filter(kind="screen_direction"))
    assert set(facts["teacher"]) == {"exact+expert4d"}
    assert set(made.of("masks", made.facts.filter(kind="screen_direction"))["teacher"]) == {
        "expert4d"
    }
    certain = facts.filter(pl.col("sigma") < 1 / 3)
    assert len(certain) > VIDEOS
    for row in certain.iter_rows(named=True):
        shown = room(row["number"])
        (plate,) = [p for p in shown.plates if p.instance == instance[row["region_ids"][0]]]
        moved_px = shown.focal * (plate.step - shown.step_m) / plate.z
        moved_px *= 64 / shown.width * 8 * (row["end_ns"] - row["start_ns"]) / 1e9
        assert row["value_text"] == (
            "stays in place" if abs(moved_px) < 2 else "right" if moved_px > 0 else "left"
        )


def test_a_clip_of_masks_gets_regions_and_facts_in_the_picture_alone(made):
    regions = read_table(made.folders["regions"] / "regions.parquet")
    kept = made.of("masks", regions.filter(outcome="ok"))
    assert kept.group_by("clip_id").len()["len"].to_list() == [2] * VIDEOS
    assert (kept["source"] == "truth").all()
    facts = made.of("masks", made.facts)
    assert not facts["unit"].str.starts_with("m").any()
    assert {"quadrant", "picture_side", "screen_direction", "name", "marked_count"} <= set(
        facts["kind"]
    )
    assert set(facts["frame"]) <= {"picture", "camera_first", "world", "object"}
    for row in made.of("masks", made.facts.filter(kind="quadrant", start_ns=0)).iter_rows(
        named=True
    ):
        region = kept.filter(region_id=row["region_ids"][0]).row(0, named=True)
        shown = room(row["number"])
        (plate,) = [p for p in shown.plates if p.instance == region["instance"]]
        words = ("upper" if plate.y < 0 else "lower") + (" left" if plate.x < 0 else " right")
        assert row["value_text"] == words


def _number(row):
    return room(row["number"])


def test_a_clip_of_depth_and_poses_gets_metric_facts_of_the_camera(made):
    facts = made.of("metric", made.facts)
    moved = facts.filter(kind="camera_displacement")
    assert len(moved) == 3 * VIDEOS
    for row in moved.iter_rows(named=True):
        seconds = (row["end_ns"] - row["start_ns"]) / 1e9
        assert row["value"] == pytest.approx(abs(_number(row).step_m) * 8 * seconds, abs=1e-6)
        assert row["scale_kind"] == "metric"
        assert row["sigma"] >= 2 * 0.007
    directions = facts.filter(pl.col("kind") == "camera_direction", pl.col("sigma") < 1 / 3)
    assert len(directions) > VIDEOS
    for row in directions.iter_rows(named=True):
        assert row["value_text"] == ("right" if _number(row).step_m > 0 else "left")
    asked = made.of("metric", made.questions)
    assert asked.filter(family="camera_displacement").height > 0


def test_places_measured_by_depth_are_true_within_their_sigma(made):
    instance = dict(
        read_table(made.folders["regions"] / "regions.parquet")
        .filter(outcome="ok")
        .select("region_id", "instance")
        .iter_rows()
    )

    def where(row, region_id):
        shown = room(row["number"])
        (plate,) = [p for p in shown.plates if p.instance == instance[region_id]]
        frame = round(row["start_ns"] / 1e9 * 8)
        return plate.centre(frame) - (shown.step_m * frame, 0, 0)

    checked = 0
    for case in ("lost", "tilted"):
        facts = made.of(case, made.facts.filter(teacher="exact"))
        for row in facts.iter_rows(named=True):
            places = [where(row, region_id) for region_id in row["region_ids"]]
            if row["kind"] == "distance":
                value = float(np.linalg.norm(places[0] - places[1]))
            elif row["kind"] == "distance_to_camera":
                value = float(np.linalg.norm(places[0]))
            elif row["kind"] in ("position_right", "position_down", "position_ahead"):
                value = places[0][("right", "down", "ahead").index(row["kind"].split("_")[1])]
            else:
                continue
            checked += 1
            assert row["unit"] == "m"
            assert abs(row["value"] - value) < row["sigma"]
    assert checked > 40


@pytest.mark.parametrize("case", ["relative", "lost", "tilted"])
def test_orders_are_true_in_every_scale(made, case):
    instance = dict(
        read_table(made.folders["regions"] / "regions.parquet")
        .filter(outcome="ok")
        .select("region_id", "instance")
        .iter_rows()
    )
    facts = made.of(case, made.facts.filter(kind="depth_order", teacher="exact"))
    certain = facts.filter(pl.col("sigma") < 1 / 3)
    assert len(certain) > VIDEOS
    for row in certain.iter_rows(named=True):
        first = instance[row["region_ids"][0]]
        assert row["value_text"] == ("nearer" if first == 1 else "farther")


def test_relative_scale_never_gives_metres(made):
    facts = made.of("relative", made.facts)
    assert not facts["unit"].str.contains(r"^m\b|^m/").any()
    assert {"depth_order", "side", "camera_turn", "nearer_count"} <= set(facts["kind"])
    asked = made.of("relative", made.questions)
    assert asked.height > 0
    assert not asked["answer_text"].str.contains(r"\d\s*m\b").any()


def test_an_unknown_up_feeds_nothing_that_needs_it(made):
    kinds = set(made.of("tilted", made.facts.filter(teacher="exact"))["kind"])
    assert not kinds & limits.NEED_UP
    assert {"camera_displacement", "distance", "depth_order"} <= kinds
    with_up = set(made.of("lost", made.facts.filter(teacher="exact"))["kind"])
    assert {"height_order", "camera_turn"} <= with_up


def test_a_frame_without_a_pose_stays_a_frame_and_stops_only_what_needs_its_pose(made):
    exact = made.of("lost", made.facts.filter(teacher="exact"))
    # Frames 5 and 6 of the clip, at 1.25 s and 1.5 s, have no pose: the first half alone is whole.
    assert set(exact.filter(kind="camera_displacement")["end_ns"]) == {1_000_000_000}
    instants = exact.filter(kind="distance").group_by("clip_id").agg(pl.col("start_ns").n_unique())
    assert instants["start_ns"].to_list() == [4] * VIDEOS
    heights = set(exact.filter(kind="height_order")["start_ns"])
    assert 0 in heights
    assert heights == {0, 500_000_000, 1_750_000_000}


def test_declared_times_give_no_seconds(made):
    assert not made.of("masks", made.facts)["unit"].str.contains("/s").any()


def test_the_gate_knows_the_kinds_that_need_up_or_times():
    text = sql_files("gates")["facts/up_and_times_are_known"].body
    listed = {
        word: {line.split("'")[1] for line in text.splitlines() if f"', '{word}')" in line}
        for word in ("up", "times")
    }
    assert listed == {"up": set(limits.NEED_UP), "times": set(limits.NEED_TIMES)}


IN_PICTURE = {
    "quadrant",
    "relation_in_picture",
    "screen_direction",
    "picture_direction",
    "premise_moves_in_picture",
}


def test_what_is_asked_rests_on_what_there_is_and_is_true(made):
    for case in ("masks", "flow"):
        asked = made.of(case, made.questions)
        assert asked.height > 0
        assert set(asked["family"]) <= IN_PICTURE
        assert not asked["has_truth"].any()
    moves = pl.col("family").is_in(["camera_displacement", "camera_speed"])
    checked = 0
    for case in ("metric", "lost", "tilted"):
        asked = made.of(case, made.questions)
        assert asked.filter(moves)["has_truth"].all()
        spans = {row["fact_id"]: row["end_ns"] - row["start_ns"] for row in made.facts.to_dicts()}
        for row in asked.filter(moves).iter_rows(named=True):
            answer, unit = row["answer_text"].split(" ")
            speed_m_s = abs(_number(row).step_m) * 8
            seconds = spans[row["fact_ids"][0]] / 1e9
            true = speed_m_s if unit == "m/s" else speed_m_s * seconds
            assert float(answer) == pytest.approx(true, abs=0.051)
            checked += 1
    assert checked > 10
