"""What is measured of a clip whose truth came in parts, by hand-made geometry."""

import dataclasses

import numpy as np
import pytest

from p4d.project import Project
from p4d.questions.facts.parts import limits
from p4d.questions.facts.parts.clip_facts import PartsClip
from p4d.questions.facts.parts.places import ClipGeometry
from p4d.questions.facts.table import Source
from p4d.truth import Poses, SeenObject, clip_truth
from p4d.truth.clip_parts import CLIP_PARTS
from tests.truth.rooms import Plate, Room
from tests.truth.test_resampling import truth

FACTS = Project.find().params.facts
ROOM = Room(
    8, width=64, height=64, step_m=0.05, hertz=4.0,
    plates=(Plate(1, 2.0, -0.3, 0.1, 0.4, 0.4), Plate(2, 5.0, 0.6, -0.5, 0.6, 0.6, step=0.08)),
)  # fmt: skip
STATIC = SeenObject(instance=1, name="picture", size_m=(0.4, 0.4, 0.1), motion="static")
TABLE = (STATIC, SeenObject(instance=2, name="cart"))
IDS = ("reg_1", "reg_2")


def clip_of(**changes):
    """The facts' view of the room, truth changed."""
    stated = {"objects": TABLE, "up": "z", "background": "unknown", **changes}
    found, parts = clip_truth(truth(ROOM, **stated), range(8), 64)
    rows = list(found.object_rows("clip_1"))
    masks = np.stack([[ROOM.maps(t)[1] == k for t in range(8)] for k in (1, 2)]).astype(np.uint8)
    names = [row["name"] for row in rows] or ["", ""]
    return PartsClip(
        source=Source(
            clip_id="clip_1", scale_kind=parts.scale, teacher="exact", teacher_digest="d"
        ),
        row={
            "frame_pts_ns": list(ROOM.pts_ns), "start_ns": 0, "end_ns": 2 * 10**9,
        },
        region_ids=IDS,
        geometry=ClipGeometry(
            arrays=found.arrays(), parts=parts, masks_kthw=masks, rows=rows or [None, None]
        ),
        names=tuple(name if names.count(name) == 1 else "" for name in names),
        params=FACTS,
    )  # fmt: skip


def facts(**changes):
    return list(clip_of(**changes).facts())


def kinds(found, region=None):
    return {fact.kind for fact in found if region is None or region in fact.region_ids}


def test_places_are_those_of_the_plates():
    for fact in facts():
        if fact.kind == "distance_to_camera":
            plate = ROOM.plates[IDS.index(fact.region_ids[0])]
            frame = round(fact.start_ns * 4 / 1e9)
            true_m = np.linalg.norm(plate.centre(frame) - (ROOM.step_m * frame, 0, 0))
            assert fact.value == pytest.approx(true_m, abs=0.1)
            assert abs(fact.value - true_m) < fact.sigma


def test_a_static_object_is_still_and_one_that_may_turn_never_is():
    found = facts()
    still = [f for f in found if f.kind == "moving" and f.value_text == "still"]
    assert {f.region_ids for f in still} == {("reg_1",)}
    assert all(f.sigma < 1 / 3 for f in still)
    assert not kinds(found, "reg_2") & (limits.NEED_TURNS | limits.NEED_REST)
    assert "rotation" in kinds(found, "reg_1")
    moved = [f for f in found if f.kind == "displacement" and f.region_ids == ("reg_2",)]
    assert moved
    for fact in moved:
        true_m = 0.08 * 4 * (fact.end_ns - fact.start_ns) / 1e9
        assert abs(fact.value - true_m) < fact.sigma


def test_sizes_are_those_that_are_stated():
    sizes = [f for f in facts() if f.kind == "size_longest"]
    assert [(f.region_ids, f.value) for f in sizes] == [(("reg_1",), 0.4)]
    assert (
        not kinds(facts(objects=(dataclasses.replace(STATIC, size_m=None), TABLE[1])))
        & limits.NEED_SIZES
    )


def test_two_objects_of_one_name_have_no_name():
    assert {f.value_text for f in facts() if f.kind == "name"} == {"picture", "cart"}
    same = tuple(dataclasses.replace(item, name="cart") for item in TABLE)
    assert "name" not in kinds(facts(objects=same))
    assert "absent_name" not in kinds(facts())


def test_declared_times_give_nothing_in_seconds():
    assert {"camera_speed", "mean_speed"} <= kinds(facts())
    declared = facts(times="declared")
    assert not kinds(declared) & limits.NEED_TIMES
    assert "camera_displacement" in kinds(declared)


def test_an_unknown_up_gives_nothing_that_needs_it_and_takes_nothing_else():
    with_up, without = kinds(facts()), kinds(facts(up="unknown"))
    assert with_up - without == with_up & limits.NEED_UP
    assert with_up & limits.NEED_UP


def test_what_is_measured_without_up_does_not_depend_on_the_world():
    turn = np.eye(4)
    turn[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    turned = Poses.of([turn @ ROOM.pose(t) for t in range(8)])
    one, other = facts(up="unknown"), facts(up="unknown", camera=turned)
    assert [(f.fact_id, f.value_text) for f in one] == [(f.fact_id, f.value_text) for f in other]
    np.testing.assert_allclose([f.value for f in one], [f.value for f in other], atol=2e-6)


def test_a_camera_that_looks_straight_down_has_no_level_directions():
    down = np.eye(4)
    down[:3, :3] = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    from_above = []
    for t in range(8):
        pose = down.copy()
        pose[:3, 3] = (ROOM.step_m * t, 0, 3)
        from_above.append(pose)
    found = facts(camera=Poses.of(from_above))
    assert not kinds(found) & limits.NEED_UP
    assert "distance" in kinds(found)


def test_without_the_first_pose_no_direction_is_named_from_it():
    lost = Poses.of([None, *(ROOM.pose(t) for t in range(1, 8))])
    found = facts(camera=lost)
    assert not kinds(found) & limits.NEED_FIRST
    # the second half alone has all its poses
    assert {f.start_ns for f in found if f.kind == "camera_displacement"} == {750_000_000}
    assert {f.start_ns for f in found if f.kind == "distance"} >= {0}


def test_without_poses_only_instants_are_measured():
    found = facts(camera=None)
    assert {"distance", "distance_to_camera", "depth_order", "when_there"} <= kinds(found)
    assert not kinds(found) & {"displacement", "camera_displacement", "height_order", "moving"}
    assert all(f.start_ns == f.end_ns for f in found if f.unit == "m" and f.kind != "size_longest")


def test_relative_scale_gives_orders_alone():
    found = facts(scale="relative")
    assert not [f for f in found if f.unit.startswith("m")]
    certain = [f for f in found if f.kind == "depth_order" and f.sigma < 1 / 3]
    assert certain
    assert all((f.value_text == "nearer") == (f.region_ids[0] == "reg_1") for f in certain)


def test_orders_do_not_depend_on_the_unit():
    def scaled(factor):
        poses = [ROOM.pose(t) for t in range(8)]
        for pose in poses:
            pose[:3, 3] *= factor
        return facts(
            scale="relative",
            camera=Poses.of(poses),
            depth=[ROOM.maps(t)[0] * np.float32(factor) for t in range(8)],
            objects=tuple(dataclasses.replace(item, size_m=None) for item in TABLE),
        )

    one, other = scaled(1.0), scaled(250.0)
    assert [(f.fact_id, f.value_text) for f in one] == [(f.fact_id, f.value_text) for f in other]
    np.testing.assert_allclose([f.sigma for f in one], [f.sigma for f in other], rtol=1e-3)


def test_poses_of_objects_count_before_depth():
    poses = Poses.of_objects(
        [
            [np.eye(4)] * 8,
            [_at(np.add(ROOM.centre(ROOM.plates[1], t), (0, 0.2, 0))) for t in range(8)],
        ]
    )
    found = facts(object_poses=poses, objects=(STATIC, TABLE[1]))
    ahead = [f for f in found if f.kind == "position_ahead" and f.region_ids == ("reg_2",)]
    assert [f.value for f in ahead] == pytest.approx([5.2] * len(ahead))
    assert "rotation" in kinds(found, "reg_2")


def _at(place):
    pose = np.eye(4)
    pose[:3, 3] = place
    return pose


def test_a_region_at_the_border_of_the_picture_has_no_place():
    near = dataclasses.replace(ROOM.plates[0], x=-0.75)
    cut = dataclasses.replace(ROOM, plates=(near, ROOM.plates[1]))
    changed = {
        "depth": [cut.maps(t)[0] for t in range(8)],
        "instances": [cut.maps(t)[1] for t in range(8)],
    }
    clip = clip_of(**changed)
    masks = np.stack([[cut.maps(t)[1] == k for t in range(8)] for k in (1, 2)]).astype(np.uint8)
    clip = dataclasses.replace(clip, geometry=dataclasses.replace(clip.geometry, masks_kthw=masks))
    measured = kinds(clip.facts(), "reg_1")
    assert not measured & {"distance_to_camera", "distance", "position_ahead"}


def test_errors_of_the_sensor_widen_sigma():
    def sigma(kind, **stated):
        return [f.sigma for f in facts(**stated) if f.kind == kind]

    for kind, stated in (
        ("distance_to_camera", {"depth_sigma_ratio": 0.05}),
        ("camera_displacement", {"pose_sigma_m": 0.02}),
    ):
        exact, measured = sigma(kind), sigma(kind, **stated)
        assert all(b > a for a, b in zip(exact, measured, strict=True))


def test_parts_are_named_as_the_table_names_them():
    assert clip_of().geometry.parts.gives <= set(CLIP_PARTS)
