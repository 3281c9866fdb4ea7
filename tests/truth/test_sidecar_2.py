"""The second truth sidecar: any part may be absent, and each field is held to its range."""

import dataclasses
import json

import numpy as np
import pytest

from p4d import truth as partial
from p4d.artifacts import Arrays, write_arrays
from p4d.errors import TruthError
from p4d.truth import PartialTruth, Poses, SeenObject
from tests.truth.rooms import Room

ROOM = Room(5)
POSES = [ROOM.pose(t) if t != 2 else None for t in range(5)]
WHOLE = PartialTruth(
    pts_ns=ROOM.pts_ns,
    width_px=96,
    height_px=64,
    scale="metric",
    up="z",
    background="still",
    depth_sigma_ratio=0.01,
    pose_sigma_m=0.002,
    K_t33=ROOM.K,
    camera=Poses.of(POSES),
    depth=[ROOM.maps(t)[0] if t != 4 else None for t in range(5)],
    instances=[ROOM.maps(t)[1] if t != 1 else None for t in range(5)],
    objects=(
        SeenObject(instance=1, name="box", size_m=(1.0, 1.0, 0.2), motion="static"),
        SeenObject(instance=2),
    ),
    object_poses=Poses.of_objects([[np.eye(4)] * 5, [None, *[np.eye(4)] * 4]]),
    flow=[ROOM.flow(t) if t else None for t in range(5)],
)
BARE = {"pts_ns": ROOM.pts_ns, "width_px": 96, "height_px": 64}


def written(tmp_path, truth, name="a.truth.safetensors"):
    partial.write(tmp_path / name, truth)
    return tmp_path / name


def test_a_truth_with_everything_reads_back(tmp_path):
    path = written(tmp_path, WHOLE)
    read = partial.read(path)
    assert isinstance(read, PartialTruth)
    assert read.gives == partial.PARTS
    for field in ("scale", "up", "times", "background", "depth_sigma_ratio", "pose_sigma_m"):
        assert getattr(read, field) == getattr(WHOLE, field)
    assert read.objects == WHOLE.objects
    np.testing.assert_array_equal(read.K_t33, [ROOM.K] * 5)
    assert read.camera.valid.tolist() == [True, True, False, True, True]
    for t in (0, 1, 3, 4):
        np.testing.assert_array_equal(read.camera.matrix[t], ROOM.pose(t))
    assert read.object_poses.valid.tolist() == [[True] * 5, [False, *[True] * 4]]
    for t in range(5):
        depth, ids = ROOM.maps(t)
        if t == 4:
            assert read.depth[t] is None
        else:
            np.testing.assert_allclose(read.depth[t], depth, rtol=8e-6)
        if t == 1:
            assert read.instances[t] is None
        else:
            np.testing.assert_array_equal(read.instances[t], ids)
        if t == 0:
            assert read.flow[t] is None
        else:
            flow, valid = read.flow[t]
            np.testing.assert_array_equal(valid, ROOM.flow(t)[1])
            np.testing.assert_allclose(flow[valid], ROOM.flow(t)[0][valid], rtol=8e-6)
    again = written(tmp_path, read, "again.truth.safetensors")
    assert again.read_bytes() == path.read_bytes()


ALONE = {
    "instances": {
        "instances": WHOLE.instances,
        "objects": (SeenObject(instance=1), SeenObject(instance=2)),
    },
    "depth": {"depth": WHOLE.depth},
    "camera_poses": {"camera": WHOLE.camera},
    "intrinsics": {"K_t33": ROOM.K},
    "flow": {"flow": WHOLE.flow},
}


@pytest.mark.parametrize("part", ALONE)
def test_each_part_may_stand_alone(tmp_path, part):
    truth = PartialTruth(**BARE, **ALONE[part])
    read = partial.read(written(tmp_path, truth))
    assert read.gives == truth.gives == (part,)
    assert (read.scale, read.up, read.times, read.background) == (
        "metric", "unknown", "measured", "unknown",
    )  # fmt: skip


def test_a_rotation_of_six_decimals_is_projected_and_a_worse_one_refused(tmp_path):
    angle = 0.3
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    rounded = np.round(pose, 6)
    assert np.abs(rounded[:3, :3] @ rounded[:3, :3].T - np.eye(3)).max() > 1e-9
    read = partial.read(
        written(tmp_path, PartialTruth(**BARE, camera=Poses.of([rounded] * 5)))
    ).camera
    rotation = read.matrix[:, :3, :3]
    assert np.abs(rotation @ rotation.swapaxes(1, 2) - np.eye(3)).max() < 1e-12
    np.testing.assert_allclose(read.matrix[0], pose, atol=1e-6)
    rounded[0, 0] += 0.002
    with pytest.raises(TruthError, match=r"bad\.truth.*camera of frame 3 is no rotation"):
        partial.write(
            tmp_path / "bad.truth.safetensors",
            PartialTruth(**BARE, camera=Poses.of([pose, pose, None, rounded, pose])),
        )


def _changed(**changes):
    return dataclasses.replace(WHOLE, **changes)


def _depth(frame, change):
    maps = list(WHOLE.depth)
    maps[frame] = change(maps[frame].copy())
    return _changed(depth=maps)


def _filled(value):
    def change(z_hw):
        z_hw[3, 4] = value
        return z_hw

    return change


def _pose(change, frame=1):
    poses = list(POSES)
    poses[frame] = change(poses[frame].copy())
    return _changed(camera=Poses.of(poses))


def _ids(frame, ids_hw):
    maps = list(WHOLE.instances)
    maps[frame] = ids_hw
    return _changed(instances=maps)


def _set(index, value):
    def change(array):
        array[index] = value
        return array

    return change


NOTHING = np.zeros((64, 96), np.uint8)
BAD_FLOW = (np.full((64, 96, 2), np.nan, np.float32), np.ones((64, 96), bool))
SKEWED = np.array([[80.0, 1, 48], [0, 80, 32], [0, 0, 1]])
MIRROR = np.diag([1.0, 1.0, -1.0, 1.0])
REFUSED = {
    "depth of another size": (
        lambda: _depth(1, lambda z: z[::2, ::2]),
        r"depth of frame 1 is 48x32 px, the video 96x64 px; resize",
    ),
    "depth transposed": (lambda: _depth(1, lambda z: z.T), "rows and columns are swapped"),
    "depth not finite": (
        lambda: _depth(2, _filled(np.inf)),
        "depth of frame 2 is not finite; write 0",
    ),
    "depth negative": (lambda: _depth(2, _filled(-1)), "from -1 to 6, expected 0"),
    "masks of another count": (
        lambda: _changed(instances=WHOLE.instances[:4]),
        "instances has 4 frames, the video 5; give None",
    ),
    "depth of another count": (lambda: _changed(depth=[*WHOLE.depth, None]), "depth has 6 frames"),
    "an id that is not listed": (
        lambda: _ids(3, NOTHING + 9),
        "frame 3 shows instance 9, which the objects table lacks; list it",
    ),
    "an id above 255": (
        lambda: _ids(3, NOTHING.astype(int) + 12001),
        "run from 12001 to 12001, expected 0 to 255; renumber",
    ),
    "masks of fractions": (lambda: _ids(3, NOTHING + 0.5), "instances of frame 3 are float64"),
    "300 objects": (
        lambda: _changed(
            objects=tuple(SeenObject(instance=1 + i % 255) for i in range(300)), object_poses=None
        ),
        "300 objects, at most 255",
    ),
    "equal instances": (
        lambda: _changed(objects=(SeenObject(instance=1), SeenObject(instance=1))),
        "not unique",
    ),
    "instance 0": (
        lambda: _changed(objects=(SeenObject(instance=0), SeenObject(instance=1))),
        "expected an int from 1 to 255",
    ),
    "size not a number": (
        lambda: _changed(
            objects=(
                SeenObject(instance=1, size_m=(1.0, float("nan"), 1.0)),
                SeenObject(instance=2),
            )
        ),
        "size_m of object 1 .* None if unknown",
    ),
    "objects that are nowhere": (
        lambda: _changed(instances=None, object_poses=None),
        "neither instances nor object_poses",
    ),
    "pose not finite": (
        lambda: _pose(_set((0, 3), -np.inf)),
        r"camera of frame 1 is not finite; mark lost poses as not valid",
    ),
    "pose of another form": (lambda: _pose(_set((3, 0), 1.0)), "last row is not 0 0 0 1"),
    "pose far away": (lambda: _pose(_set((0, 3), 2e6)), "more than 1e.06 m from the origin; move"),
    "mirrored pose": (
        lambda: _pose(lambda pose: pose @ MIRROR),
        "no rotation: off by more than 0.001, or mirrored",
    ),
    "scaled pose": (lambda: _pose(lambda pose: pose * [[2, 2, 2, 1]] * 1.0), "no rotation"),
    "object pose": (
        lambda: _changed(
            object_poses=Poses.of_objects([[np.eye(4)] * 5, [None, MIRROR, *[np.eye(4)] * 3]])
        ),
        "object_poses of frame 1 of object 1",
    ),
    "poses of another count": (
        lambda: _changed(camera=Poses.of(POSES[:4])),
        "one per frame of the video",
    ),
    "K of another size": (
        lambda: _changed(K_t33=ROOM.K * [[20], [20], [1]]),
        "far outside of 96x64 px; scale it",
    ),
    "K without focal length": (lambda: _changed(K_t33=np.diag([0.0, 80, 1])), "no camera's"),
    "K with skew": (lambda: _changed(K_t33=SKEWED), "has skew; undistort"),
    "K not finite": (lambda: _changed(K_t33=ROOM.K * np.nan), "K_t33 is not finite"),
    "K of four frames": (
        lambda: _changed(K_t33=np.stack([ROOM.K] * 4)),
        r"expected \(3, 3\), or \(5, 3, 3\)",
    ),
    "flow not finite": (
        lambda: _changed(flow=[None, BAD_FLOW, None, None, None]),
        "flow of frame 1 holds nan where it is said to be known",
    ),
    "flow of frame 0": (
        lambda: _changed(flow=[ROOM.flow(1), *WHOLE.flow[1:]]),
        "frame 0 has flow, and no frame before it; flow is backward",
    ),
    "flow of one channel": (
        lambda: _changed(flow=[None, (NOTHING, NOTHING), None, None, None]),
        "expected .height, width, 2.",
    ),
    "times that repeat": (
        lambda: _changed(pts_ns=ROOM.pts_ns * [1, 1, 1, 1, 0]),
        "does not increase at frame 4; sort",
    ),
    "times as seconds": (lambda: _changed(pts_ns=ROOM.pts_ns / 1e9), "whole nanoseconds"),
    "scale": (
        lambda: _changed(scale="meters"),
        "scale is 'meters', expected 'metric' or 'relative'",
    ),
    "up": (lambda: _changed(up="y"), "up is 'y', expected 'z' or 'unknown'"),
    "sigma": (
        lambda: _changed(depth_sigma_ratio=-0.1),
        "depth_sigma_ratio is -0.1, expected 0 to 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_out_of_range_is_refused_with_file_field_and_way_out(tmp_path, case):
    make, message = REFUSED[case]
    with pytest.raises(TruthError, match=message) as refused:
        partial.write(tmp_path / "bad.truth.safetensors", make())
    assert "bad.truth.safetensors" in str(refused.value)
    assert not list(tmp_path.iterdir())


def _stored(change_arrays=None, **meta):
    def change(arrays, found):
        found.update(meta)
        if change_arrays:
            change_arrays(arrays)

    return change


def _drop(name):
    return _stored(lambda arrays: arrays.pop(name))


def _put(name, index, value):
    return _stored(lambda arrays: arrays[name].__setitem__(index, value))


HOSTILE = {
    "another scale": (_stored(scale=["metric"]), "scale is"),
    "another width": (_stored(width_px=95), "expected those of 95x64 px"),
    "width as text": (_stored(width_px="96"), "expected a number of pixels"),
    "newer format": (_stored(format="p4d-truth-3"), "a newer one needs a newer p4d"),
    "objects as number": (_stored(objects=7), "incomplete"),
    "another field of an object": (_stored(objects=[{"instance": 1, "evil": 1}]), "incomplete"),
    "size as text": (_stored(objects=[{"instance": 1, "size_m": "111"}]), "size_m of an object"),
    "unknown array": (_stored(lambda a: a.update(evil=np.zeros(3))), "'evil' is no array"),
    "no times": (_drop("pts_ns"), "pts_ns is missing"),
    "poses without validity": (_drop("world_T_cam_valid_t"), "world_T_cam_valid_t is missing"),
    "flow without validity": (_drop("flow_valid_bytes"), "missing"),
    "validity of 7": (_put("world_T_cam_valid_t", 1, 7), "holds 7, expected 0 or 1"),
    "pose": (_put("world_T_cam_t44", (1, 0, 0), 3.0), "camera of frame 1 is no rotation"),
    "chunks of fewer frames": (
        _stored(lambda a: a.update(depth_offsets=a["depth_offsets"][[0, 1, 2, 5]])),
        "depth has 3 frames, the times 5",
    ),
    "truncated": (_stored(lambda a: a.update(depth_bytes=a["depth_bytes"][:-9])), "truncated"),
    "offsets backwards": (_put("depth_offsets", 2, 0), "truncated"),
    "float32 times": (_stored(lambda a: a.update(pts_ns=a["pts_ns"].astype("f4"))), "float32"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_sidecar_that_anybody_wrote_is_refused_with_its_reason(tmp_path, case):
    change, message = HOSTILE[case]
    source = Arrays(written(tmp_path, WHOLE))
    arrays = {name: source[name].copy() for name in source}
    meta = json.loads(json.dumps(source.meta))
    change(arrays, meta)
    path = tmp_path / "bad.truth.safetensors"
    write_arrays(path, arrays, meta=meta)
    with pytest.raises(TruthError, match=message) as refused:
        read = partial.read(path)
        read.depth[0]
    assert "bad.truth.safetensors" in str(refused.value)


def test_a_damaged_frame_fails_alone(tmp_path):
    source = Arrays(written(tmp_path, WHOLE))
    arrays = {name: source[name].copy() for name in source}
    begin, end = arrays["instance_offsets"][2:4]
    arrays["instance_bytes"][begin:end] = 7
    path = tmp_path / "b.truth.safetensors"
    write_arrays(path, arrays, meta=source.meta)
    read = partial.read(path)
    np.testing.assert_array_equal(read.instances[0], ROOM.maps(0)[1])
    with pytest.raises(TruthError, match=r"b\.truth\.safetensors: instance of frame 2 is damaged"):
        read.instances[2]


def test_foreign_ids_are_renumbered_by_their_pixels():
    first = np.array([[0, 26001, 26001], [26002, 10000, 0]])
    second = np.array([[26001, 26001, 26002], [26002, 26002, 26002]])
    table = partial.renumbered([first, None, second], most=2)
    assert table == {26001: 1, 26002: 2}
    np.testing.assert_array_equal(partial.apply_table(first, table), [[0, 1, 1], [2, 0, 0]])
    many = np.arange(600).reshape(20, 30)
    table = partial.renumbered([many, many[10:]])
    assert (len(table), min(table), max(table.values())) == (255, 300, 255)
