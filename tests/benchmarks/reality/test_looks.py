"""The judge of the looks finds planted untruths: wrong words and counts, marks on nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.reality.looks.film import film_of, scene_of
from benchmarks.reality.looks.judge import Judge, Marks, Verdict
from benchmarks.reality.looks.measure import Asked, Found, figures
from benchmarks.reality.looks.motions import KINDS, Motion
from benchmarks.reality.looks.scenes import LOOKS
from benchmarks.reality.looks.shapes import SHAPES, mesh_of
from benchmarks.reality.looks.truth import LookTruth
from p4d.questions.facts.table import Fact, Source, quantity, word
from p4d.questions.facts.vocabulary import (
    CAMERA_DIRECTIONS,
    CAMERA_TURNS,
    COURSES,
    FORMER,
    HALVES_DOWN,
    HALVES_OF_TIME,
    HEIGHTS,
    LATTER,
    MOTION,
    NEARING,
    NOTHING_MOVES,
    OBJECTS,
    OF_TWO,
    OWN_SIDES,
    PAIR,
    PARTS_DOWN,
    PICTURE_DIRECTIONS,
    PICTURE_SIDES,
    QUADRANTS,
    RESTS,
    ROTATIONS,
    SEEN_TURNS,
    SIDES,
    SIZE_CHANGES,
    SOMETHING_MOVES,
    SPEED_CHANGES,
    STAYS,
    STIRRING,
    TRENDS,
    VIEW_MOVES,
    VIEW_RESTS,
    VIEW_STATES,
    WAYS,
)

INSTANTS = ("at 0 sec", "at 0.25 sec", "at 0.75 sec", "at 1 sec")
FRAMES, SIDE, FOCAL = 5, 64, 64.0
SOURCE = Source(clip_id="clip_a", scale_kind="relative", teacher="t", teacher_digest="d")
TIME_NS = np.arange(FRAMES) * 250_000_000
REST, GOES, EMPTY, BOTH = "reg_rest", "reg_goes", "reg_empty", "reg_both"


@pytest.fixture
def judge() -> Judge:
    """Two boxes, 4 m before a camera that looks along +y: one rests, one goes 1 m to the right."""
    camera = np.eye(4)
    camera[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    poses = np.tile(np.eye(4), (2, FRAMES, 1, 1))
    poses[0, :, :3, 3] = [-1.0, 4.0, -0.5]
    poses[1, :, :3, 3] = [0.5, 4.0, 0.5]
    poses[1, :, 0, 3] += np.linspace(0, 1, FRAMES)
    instance = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
    instance[:, 36:44, 12:20] = 1
    for frame, left in enumerate((36, 40, 44, 48, 52)):
        instance[frame, 20:28, left : left + 8] = 2
    truth = LookTruth(
        instance_thw=instance,
        world_T_cam_t44=np.tile(camera, (FRAMES, 1, 1)),
        world_T_obj_kt44=poses,
        K_33=np.array([[FOCAL, 0, 32], [0, FOCAL, 32], [0, 0, 1]]),
        size_m_k3=np.full((2, 3), 0.5),
        at_s_t=TIME_NS * 1e-9,
        size_px=(SIDE, SIDE),
    )
    masks = np.zeros((4, SIDE, SIDE), bool)
    masks[0] = instance[0] == 1
    masks[1] = instance[0] == 2
    masks[2, 50:60, 50:60] = True
    masks[3] = instance[0] > 0
    return Judge(
        truth=truth, marks=Marks.of(truth, masks, [REST, GOES, EMPTY, BOTH]), time_ns=TIME_NS
    )


def said(kind: str, text: str, vocabulary: tuple[str, ...], *regions: str, end: int = -1) -> Fact:
    return word(
        SOURCE, kind, text, 5.0, vocabulary, frame="picture", method="planted",
        region_ids=regions, span_ns=(0, int(TIME_NS[end])),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "verdict"),
    [
        (said("moving", "moving", MOTION, GOES), Verdict.RIGHT),
        (said("moving", "still", MOTION, GOES), Verdict.WRONG),
        (said("moving", "still", MOTION, REST), Verdict.RIGHT),
        (said("moving", "moving", MOTION, REST), Verdict.WRONG),
        (said("moving", "moving", MOTION, EMPTY), Verdict.NOTHING),
        (said("picture_direction", "right", PICTURE_DIRECTIONS, GOES), Verdict.RIGHT),
        (said("picture_direction", "left", PICTURE_DIRECTIONS, GOES), Verdict.WRONG),
        (said("picture_direction", "up", PICTURE_DIRECTIONS, GOES), Verdict.WRONG),
        (said("screen_direction", STAYS, PICTURE_DIRECTIONS, GOES), Verdict.WRONG),
        (said("screen_direction", STAYS, PICTURE_DIRECTIONS, REST), Verdict.RIGHT),
        (said("left_or_right", "right", SIDES, GOES), Verdict.RIGHT),
        (said("left_or_right", "left", SIDES, GOES), Verdict.WRONG),
        (said("goes_farther", LATTER, OF_TWO, REST, GOES), Verdict.RIGHT),
        (said("goes_farther", FORMER, OF_TWO, REST, GOES), Verdict.WRONG),
        (said("gap_in_picture", NEARING[1], NEARING, REST, GOES), Verdict.RIGHT),
        (said("gap_in_picture", NEARING[0], NEARING, REST, GOES), Verdict.WRONG),
        (said("view", VIEW_RESTS, VIEW_STATES), Verdict.RIGHT),
        (said("view", VIEW_MOVES, VIEW_STATES), Verdict.WRONG),
        (said("quadrant", "lower left", QUADRANTS, REST, end=0), Verdict.RIGHT),
        (said("quadrant", "upper left", QUADRANTS, REST, end=0), Verdict.WRONG),
        (said("picture_side", "left and below", PICTURE_SIDES, REST, GOES, end=0), Verdict.RIGHT),
        (said("picture_side", "left and above", PICTURE_SIDES, REST, GOES, end=0), Verdict.WRONG),
        (said("half_across", "left", SIDES, REST, end=0), Verdict.RIGHT),
        (said("half_across", "right", SIDES, REST, end=0), Verdict.WRONG),
        (said("half_down", "lower", HALVES_DOWN, REST, end=0), Verdict.RIGHT),
        (said("half_down", "upper", HALVES_DOWN, REST, end=0), Verdict.WRONG),
        (said("more_left", FORMER, OF_TWO, REST, GOES, end=0), Verdict.RIGHT),
        (said("more_left", LATTER, OF_TWO, REST, GOES, end=0), Verdict.WRONG),
        (said("more_up", LATTER, OF_TWO, REST, GOES, end=0), Verdict.RIGHT),
        (said("more_up", FORMER, OF_TWO, REST, GOES, end=0), Verdict.WRONG),
        (said("looks_larger", FORMER, OF_TWO, REST, GOES, end=0), Verdict.WRONG),
        (said("size_change", "larger", SIZE_CHANGES, GOES), Verdict.WRONG),
        (said("faster_half", "first half", HALVES_OF_TIME, REST), Verdict.WRONG),
        (said("stirring_top", SOMETHING_MOVES, STIRRING), Verdict.RIGHT),
        (said("stirring_top", NOTHING_MOVES, STIRRING), Verdict.WRONG),
        (said("stirring_bottom", NOTHING_MOVES, STIRRING), Verdict.RIGHT),
        (said("stirring_bottom", SOMETHING_MOVES, STIRRING), Verdict.WRONG),
        (said("stirring_left", NOTHING_MOVES, STIRRING), Verdict.RIGHT),
        (said("stirring_side", "right", SIDES), Verdict.RIGHT),
        (said("stirring_side", "left", SIDES), Verdict.WRONG),
        (said("stirring_where_right", "in its upper part", PARTS_DOWN), Verdict.WRONG),
        (said("stirring_when_right", "second half", HALVES_OF_TIME), Verdict.WRONG),
        (said("height_order", "lower", HEIGHTS, REST, GOES, end=0), Verdict.RIGHT),
        (said("height_order", "higher", HEIGHTS, REST, GOES, end=0), Verdict.WRONG),
        (said("nearest", "object 2", OBJECTS, REST, GOES, end=0), Verdict.RIGHT),
        (said("nearest", "object 1", OBJECTS, REST, GOES, end=0), Verdict.WRONG),
        (said("fastest", "object 2", OBJECTS, REST, GOES), Verdict.RIGHT),
        (said("fastest", "object 1", OBJECTS, REST, GOES), Verdict.WRONG),
        (said("gap_trend", "farther", TRENDS, REST, GOES), Verdict.RIGHT),
        (said("gap_trend", "closer", TRENDS, REST, GOES), Verdict.WRONG),
        (said("rotation", "does not rotate", ROTATIONS, GOES), Verdict.RIGHT),
        (said("rotation", "clockwise", ROTATIONS, GOES), Verdict.WRONG),
        (said("camera_direction", "does not move", CAMERA_DIRECTIONS), Verdict.RIGHT),
        (said("camera_direction", "left", CAMERA_DIRECTIONS), Verdict.WRONG),
        (said("camera_turn", "does not turn", CAMERA_TURNS), Verdict.RIGHT),
        (said("camera_turn", "upwards", CAMERA_TURNS), Verdict.WRONG),
        (said("when_there", "at 0 sec", INSTANTS, GOES, end=0), Verdict.RIGHT),
        (said("when_there", "at 0.75 sec", INSTANTS, GOES, end=0), Verdict.WRONG),
        (said("when_there", "at 0 sec", INSTANTS, REST, end=0), Verdict.WRONG),
        (said("own_side", "behind it", OWN_SIDES, GOES, REST), Verdict.RIGHT),
        (said("own_side", "on its left", OWN_SIDES, GOES, REST), Verdict.WRONG),
        (said("course", "moves all the time", COURSES, GOES), Verdict.RIGHT),
        (said("course", "rests, then moves", COURSES, GOES), Verdict.WRONG),
        (said("course", "rests all the time", COURSES, REST), Verdict.RIGHT),
        (said("way", "straight", WAYS, GOES), Verdict.RIGHT),
        (said("way", "bends to the left", WAYS, GOES), Verdict.WRONG),
        (said("way", STAYS, WAYS, REST), Verdict.RIGHT),
        (said("moves_first", LATTER, PAIR, REST, GOES), Verdict.RIGHT),
        (said("moves_first", FORMER, PAIR, REST, GOES), Verdict.WRONG),
        (said("moves_first", "neither", PAIR, REST, GOES), Verdict.WRONG),
        (said("rests_first", "both keep moving", RESTS, GOES, GOES), Verdict.RIGHT),
        (said("rests_first", "neither moves", RESTS, GOES, GOES), Verdict.WRONG),
        (said("rests_first", "the former", RESTS, REST, GOES), Verdict.WRONG),
        (said("rotation_seen", "does not rotate", SEEN_TURNS, GOES), Verdict.RIGHT),
        (said("rotation_seen", "clockwise", SEEN_TURNS, GOES), Verdict.WRONG),
        (said("speed_change", "keeps its speed", SPEED_CHANGES, GOES), Verdict.RIGHT),
        (said("speed_change", "speeds up", SPEED_CHANGES, GOES), Verdict.WRONG),
    ],
)
def test_words(judge: Judge, fact: Fact, verdict: Verdict) -> None:
    assert judge.fact(fact) is verdict


def test_who_is_there_needs_the_number_of_the_mark(judge: Judge) -> None:
    two = replace(judge, marks=Marks(objects={REST: 0, GOES: 1}, several=frozenset()))
    for text, verdict in (("object 2", Verdict.RIGHT), ("object 1", Verdict.WRONG)):
        assert two.fact(said("who_is_there", text, OBJECTS, GOES, end=0)) is verdict
    assert judge.fact(said("who_is_there", "object 2", OBJECTS, GOES, end=0)) is Verdict.NOTHING


@pytest.mark.parametrize(
    ("axis", "seen"),
    [
        ((0, 0, 1), "its near side moves right"),
        ((0, 0, -1), "its near side moves left"),
        ((-1, 0, 0), "its near side moves up"),
        ((0, 1, 0), "clockwise"),
        ((0, -1, 0), "counter-clockwise"),
    ],
)
def test_a_turn_is_seen_from_the_camera(judge: Judge, axis: tuple[int, ...], seen: str) -> None:
    poses = judge.truth.world_T_obj_kt44.copy()
    poses[0, :, :3, 3] = [0.0, 4.0, 0.0]
    turns = np.linspace(0, 2, FRAMES)[:, None] * np.array(axis)
    poses[0, :, :3, :3] = Rotation.from_rotvec(turns).as_matrix()
    turned = replace(judge, truth=replace(judge.truth, world_T_obj_kt44=poses))
    right = [
        text for text in SEEN_TURNS
        if turned.fact(said("rotation_seen", text, SEEN_TURNS, REST)) is Verdict.RIGHT
    ]  # fmt: skip
    assert right == [seen]


@pytest.mark.parametrize("late_by", [0, 1])
def test_the_order_of_starts_is_read_off_all_frames_of_the_video(
    judge: Judge, late_by: int
) -> None:
    """Both start between the same two frames of the clip."""
    video_s = np.arange(0, 1.01, 0.05)
    places = np.zeros((2, len(video_s), 3))
    for k, starts in enumerate((3, 3 + 2 * late_by)):
        places[k, starts:, 0] = 0.1 * np.arange(len(video_s) - starts)
    poses = judge.truth.world_T_obj_kt44.copy()
    poses[:, :, :3, 3] = places[:, ::5]
    truth = replace(judge.truth, world_T_obj_kt44=poses, video_s_t=video_s, video_m_kt3=places)
    found = replace(judge, truth=truth).fact(said("moves_first", LATTER, PAIR, REST, GOES))
    assert found is (Verdict.WRONG if late_by else Verdict.RIGHT)


@pytest.mark.parametrize(
    ("kind", "value", "sigma", "verdict"),
    [
        ("moving_count", 1.0, 0.1, Verdict.RIGHT),
        ("rightward_count", 1.0, 0.1, Verdict.RIGHT),
        ("leftward_count", 1.0, 0.1, Verdict.WRONG),
        ("screen_shift", 25.0, 1.0, Verdict.RIGHT),
        ("screen_shift", 20.0, 1.0, Verdict.WRONG),
        ("moving_count", 2.0, 0.1, Verdict.WRONG),
        ("left_half_count", 1.0, 0.1, Verdict.RIGHT),
        ("left_half_count", 0.0, 0.1, Verdict.WRONG),
        ("upper_half_count", 1.0, 0.1, Verdict.RIGHT),
        ("upper_half_count", 2.0, 0.1, Verdict.WRONG),
        ("stirring_columns", 2.0, 0.1, Verdict.RIGHT),
        ("stirring_columns", 3.0, 0.1, Verdict.WRONG),
        ("stirring_rows", 2.0, 0.1, Verdict.RIGHT),
        ("stirring_rows", 3.0, 0.1, Verdict.WRONG),
        ("going_count", 1.0, 0.1, Verdict.RIGHT),
        ("going_count", 2.0, 0.1, Verdict.WRONG),
        ("turning_count", 0.0, 0.1, Verdict.RIGHT),
        ("turning_count", 1.0, 0.1, Verdict.WRONG),
        ("displacement_right", 1.0, 0.05, Verdict.RIGHT),
        ("displacement_right", -1.0, 0.05, Verdict.WRONG),
        ("displacement_ahead", 0.0, 0.05, Verdict.RIGHT),
        ("turn_angle", 0.0, 0.05, Verdict.RIGHT),
        ("turn_angle", 1.0, 0.05, Verdict.WRONG),
        ("camera_speed", 0.0, 0.05, Verdict.RIGHT),
        ("acceleration", 0.0, 0.05, Verdict.RIGHT),
        ("acceleration", 1.0, 0.05, Verdict.WRONG),
        ("speed", 1.0, 0.05, Verdict.RIGHT),
        ("speed", 2.0, 0.05, Verdict.WRONG),
        ("displacement", 1.1, 0.05, Verdict.RIGHT),
        ("displacement", 1.1, 0.02, Verdict.WRONG),
    ],
)
def test_numbers(judge: Judge, kind: str, value: float, sigma: float, verdict: Verdict) -> None:
    regions = [REST, GOES] if kind.endswith("_count") else [GOES]
    fact = quantity(
        SOURCE, kind, value, sigma, unit="count" if len(regions) > 1 else "m", frame="world",
        method="planted", region_ids=regions, span_ns=(0, int(TIME_NS[-1])),
    )  # fmt: skip
    assert judge.fact(fact) is verdict


def test_a_question_is_as_untrue_as_its_worst_fact(judge: Judge) -> None:
    true = said("moving", "moving", MOTION, GOES)
    false = said("picture_direction", "left", PICTURE_DIRECTIONS, GOES)
    unknown = said("of no rule", "so", ("so",), GOES)
    assert judge.question([true], [], "") is Verdict.RIGHT
    assert judge.question([true, unknown], [], "") is Verdict.UNJUDGED
    assert judge.question([unknown, false, true], [], "") is Verdict.WRONG
    assert (
        judge.question([false, said("moving", "still", MOTION, EMPTY)], [], "") is Verdict.NOTHING
    )


@pytest.mark.parametrize(
    ("answer", "verdict"), [("1.1 m", Verdict.RIGHT), ("0.5 m", Verdict.WRONG)]
)
def test_the_right_option_is_the_nearest_to_the_truth(
    judge: Judge, answer: str, verdict: Verdict
) -> None:
    fact = quantity(
        SOURCE, "displacement", float(answer.split()[0]), 0.01, unit="m", frame="world",
        method="planted", region_ids=[GOES], span_ns=(0, int(TIME_NS[-1])),
    )  # fmt: skip
    assert judge.question([fact], ["0.5 m", "1.1 m", "1.7 m", "2.3 m"], answer) is verdict


def test_marks_on_several_objects_are_seen(judge: Judge) -> None:
    assert judge.marks.objects[EMPTY] is None
    assert BOTH in judge.marks.several
    # The mark over both shares its object with another mark.
    assert not judge.on_several([said("moving", "moving", MOTION, GOES)])
    assert judge.on_several([said("moving", "moving", MOTION, BOTH)])


def test_figures_count_what_was_planted() -> None:
    asked = [
        Asked(verdict, "Counting", "moving_objects", several, "clip_a")
        for verdict, several in (
            [(Verdict.RIGHT, False)] * 96
            + [(Verdict.WRONG, False), (Verdict.NOTHING, False)]
            + [(Verdict.RIGHT, True), (Verdict.UNJUDGED, False)]
        )
    ]
    found = figures(Found(clips=50, asked=asked, calibration={}))
    assert (found["asked"], found["untrue"], found["marks_on_nothing"]) == (100, 2, 1)
    assert (found["marks_on_several"], found["unjudged"], found["clips_asked"]) == (1, 1, 1)
    low, high = found["untrue_ci95"]
    assert low < 0.02 < high
    assert found["per_category"]["Counting"] == {"asked": 100, "untrue": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_motions_are_continuous_and_rigid(kind: str) -> None:
    motion = Motion(
        kind=kind, start_m_3=(1.0, 0.5, 0.3), heading_rad=0.4, speed_m_s=0.8, from_s=0.5,
        until_s=2.5,
    )  # fmt: skip
    poses = np.stack([motion.pose(at) for at in np.arange(0, 4, 0.005)])
    assert np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).max() < 0.05
    assert np.allclose(poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), np.eye(3))
    assert (poses[:, 2, 3] > 0.3 - 1e-9).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_meshes_are_closed_around_their_centre(shape: str) -> None:
    mesh = mesh_of(shape, np.array([1.0, 1.0, 1.0]), 3)
    corners = mesh.vertices_m[mesh.faces]
    volume = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0.1, "faces look outwards"
    assert np.allclose(np.linalg.norm(mesh.normals(), axis=1), 1)


@pytest.mark.parametrize("look", LOOKS)
def test_equal_numbers_give_equal_scenes_and_films(look: str) -> None:
    one, same, other = scene_of(look, 1), scene_of(look, 1), scene_of(look, 2)
    assert [t.motion for t in one.things] == [t.motion for t in same.things]
    assert one.camera == same.camera != other.camera
    assert film_of(look, 1) == film_of(look, 1)
    assert (np.diff(film_of(look, 1).at_ms) > 0).all()


def test_what_no_picture_shows_counts_as_rest(judge: Judge) -> None:
    """A plain ball that turns in place, and one whose turning changes the picture."""
    turning = np.array(judge.truth.world_T_obj_kt44)
    turning[0, :, :3, :3] = Rotation.from_euler("z", np.linspace(0, 2, FRAMES)[:, None]).as_matrix()
    plain = np.full((FRAMES, SIDE, SIDE, 3), 90, np.uint8)
    striped = plain.copy()
    striped[2:, 36:44, 12:16] = 160
    for clean, moves in ((plain, False), (striped, True)):
        truth = replace(judge.truth, world_T_obj_kt44=turning, clean_thw3=clean)
        seen = replace(judge, truth=truth)
        verdicts = {
            text: seen.fact(said("stirring_left", text, STIRRING))
            for text in (SOMETHING_MOVES, NOTHING_MOVES)
        }
        assert verdicts[SOMETHING_MOVES] is (Verdict.RIGHT if moves else Verdict.WRONG)
        assert verdicts[NOTHING_MOVES] is (Verdict.WRONG if moves else Verdict.RIGHT)
