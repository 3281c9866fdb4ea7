"""What `p4d view` writes, read back with Rerun's own reader and compared with the artifacts."""

import os
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import write_arrays, write_table
from p4d.display.clip_recording.contents import clip_contents
from p4d.display.clip_recording.recording import write_recording
from p4d.errors import ContractError
from p4d.project import Project
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

SHARD, CLIP = "0000-aaaaaaaa", "clip_0123456789abcdef"
FRAMES, SIZE, MAP = 4, 32, 16
TURN = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # forward is y of a world with z up


def poses():
    found = np.tile(np.eye(4), (FRAMES, 1, 1))
    found[:, :3, :3] = TURN
    found[:, :3, 3] = [[1 + 0.5 * t, 2, 3] for t in range(FRAMES)]
    return found


def labels(rng):
    K = np.array([[20.0, 0, 7.5], [0, 24.0, 8.25], [0, 0, 1]])
    valid = rng.random((FRAMES, MAP, MAP)) > 0.2
    flow = rng.integers(-64, 64, (FRAMES, MAP, MAP, 2)).astype(np.float32) / 64
    flow_valid = rng.random((FRAMES, MAP, MAP)) > 0.3
    flow_valid[0] = False
    return LabelArrays(
        depth_thw=rng.uniform(1, 5, (FRAMES, MAP, MAP)).astype(np.float16).astype(np.float32),
        valid_thw=valid,
        flow_px_thw2=np.where(flow_valid[..., None], flow, 0).astype(np.float32),
        flow_valid_thw=flow_valid,
        motion_thw=rng.integers(0, 256, (FRAMES, MAP, MAP)).astype(np.float32) / 255,
        world_T_cam_t44=poses(),
        K_t33=np.tile(K, (FRAMES, 1, 1)),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clip of a shard with all artifacts; its camera moves along x of a world with z up."""
    root = tmp_path_factory.mktemp("view")
    (root / "dvc.yaml").write_text("")
    (root / "params.yaml").write_text("")
    rng = np.random.default_rng(0)
    data = root / "data"
    frames = rng.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    write_arrays(data / "clips" / SHARD / "frames.safetensors", {f"{CLIP}.rgb_thw3": frames})
    start = 5 * 10**9
    clips = [
        {
            "clip_id": CLIP, "start_ns": start, "outcome": "ok", "reason": None,
            "frame_pts_ns": [start + t * 250_000_000 for t in range(FRAMES)],
        },
        {
            "clip_id": "clip_blank", "start_ns": 0, "outcome": "filtered", "reason": "blank",
            "frame_pts_ns": [],
        },
    ]  # fmt: skip
    write_table(data / "clips" / SHARD / "clips.parquet", pl.DataFrame(clips), sort_by=["clip_id"])
    writer = LabelWriter()
    writer.add(CLIP, "exact", labels(rng))
    writer.write(data / "labels" / SHARD)
    masks = np.zeros((2, FRAMES, SIZE, SIZE), np.uint8)
    masks[0, :, 2:8, 3:9] = masks[1, :, 20:30, 10:20] = 1
    write_arrays(data / "regions" / SHARD / "masks.safetensors", {f"{CLIP}.masks_kthw": masks})
    regions = [
        {"region_id": f"reg_{n}", "clip_id": CLIP, "mark": n, "name": name, "outcome": "ok"}
        for n, name in ((2, None), (1, "red box"))
    ]
    regions.append(
        {"region_id": "reg_3", "clip_id": CLIP, "mark": None, "name": None, "outcome": "filtered"}
    )
    write_table(
        data / "regions" / SHARD / "regions.parquet", pl.DataFrame(regions), sort_by=["region_id"]
    )
    facts = [
        {
            "fact_id": "fact_a", "clip_id": CLIP, "kind": "distance", "value": 1.25,
            "value_text": None, "unit": "m", "sigma": 0.05, "region_ids": ["reg_1", "reg_2"],
            "start_ns": 250_000_000, "end_ns": 750_000_000, "frame": "camera_at",
            "teacher": "exact",
        },
        {
            "fact_id": "fact_b", "clip_id": CLIP, "kind": "turn", "value": None,
            "value_text": "clockwise", "unit": "", "sigma": None, "region_ids": [],
            "start_ns": 0, "end_ns": 1_000_000_000, "frame": "world", "teacher": "exact",
        },
    ]  # fmt: skip
    write_table(data / "facts" / SHARD / "facts.parquet", pl.DataFrame(facts), sort_by=["fact_id"])
    questions = [
        {
            "qa_id": "qa_a", "clip_id": CLIP, "question": "How far is <obj_1>?",
            "options": ["1.3 m", "0.7 m"], "answer": "A", "fact_ids": ["fact_a"],
        }
    ]  # fmt: skip
    write_table(
        data / "questions" / SHARD / "questions.parquet", pl.DataFrame(questions), sort_by=["qa_id"]
    )
    return Project(root)


@pytest.fixture(scope="module")
def recorded(project, tmp_path_factory):
    """The rows of the recording: by entity, a list of components by name, in order of time."""
    pytest.importorskip("rerun", reason="needs the extra view: pip install -e '.[view]'")
    path = tmp_path_factory.mktemp("rrd") / "clip.rrd"
    write_recording(clip_contents(project, CLIP), path)
    return read_back(path)


def read_back(path):
    from rerun.chunk import RrdReader

    reader = RrdReader(path)
    (store,) = reader.recordings()
    assert (store.application_id, store.recording_id) == ("p4d", CLIP)
    found = {}
    for chunk in reader.stream(store=store).to_chunks():
        batch = chunk.to_record_batch()
        found.setdefault(chunk.entity_path, []).extend(batch.to_pylist())
    for rows in found.values():
        rows.sort(key=lambda row: row["clip"].total_seconds() if row.get("clip") is not None else 0)
    return found


def values(recorded, entity, component):
    return [row[component] for row in recorded[entity] if row.get(component) is not None]


def picture(recorded, entity, frame, kind, dtype, shape):
    (buffer,) = values(recorded, entity, f"{kind}:buffer")[frame]
    return np.frombuffer(bytes(buffer), dtype).reshape(shape)


def test_every_part_of_the_clip_is_an_entity(recorded):
    wanted = {
        "/", "/exact/world", "/exact/world/camera", "/exact/world/camera/picture",
        "/exact/world/camera/picture/regions", "/exact/world/camera/depth", "/exact/world/points",
        "/exact/world/path", "/exact/maps/picture", "/exact/maps/flow", "/exact/maps/motion",
        "/clip/picture", "/clip/regions", "/facts", "/facts/distance/obj_1_obj_2", "/questions",
    }  # fmt: skip
    assert {name for name in recorded if not name.startswith("/__")} == wanted


def test_frames_and_times_are_those_of_the_clip(project, recorded):
    contents = clip_contents(project, CLIP)
    for entity in ("/clip/picture", "/exact/world/camera/picture"):
        for frame in range(FRAMES):
            shown = picture(recorded, entity, frame, "Image", np.uint8, (SIZE, SIZE, 3))
            assert np.array_equal(shown, contents.rgb_thw3[frame])
    times = [row["clip"].total_seconds() for row in recorded["/clip/picture"]]
    assert times == [0, 0.25, 0.5, 0.75]
    assert [row["frame"] for row in recorded["/clip/picture"]] == [0, 1, 2, 3]


def test_the_camera_stands_in_a_world_with_z_up_and_looks_along_its_own_z(project, recorded):
    axes = values(recorded, "/exact/world", "ViewCoordinates:xyz")
    assert axes == [[[3, 5, 1]]], "right, forward, up: x right, y away, z up"
    moves = values(recorded, "/exact/world/camera", "Transform3D:translation")
    turns = values(recorded, "/exact/world/camera", "Transform3D:mat3x3")
    for frame, pose in enumerate(poses()):
        assert moves[frame] == [pose[:3, 3].tolist()]
        columns = np.array(turns[frame][0]).reshape(3, 3)  # column by column
        assert np.array_equal(columns.T, pose[:3, :3])
    (strip,) = values(recorded, "/exact/world/path", "LineStrips3D:strips")
    assert strip[0] == poses()[:, :3, 3].tolist()
    (K,) = values(recorded, "/exact/world/camera/depth", "Pinhole:image_from_camera")[0]
    assert np.array(K).reshape(3, 3).T.tolist() == [[20, 0, 7.5], [0, 24, 8.25], [0, 0, 1]]
    assert values(recorded, "/exact/world/camera/depth", "Pinhole:camera_xyz")[0] == [[3, 2, 5]]


def test_depth_and_points_are_those_of_the_labels(project, recorded):
    found = clip_contents(project, CLIP).labels["exact"]
    for frame in range(FRAMES):
        valid, depth = found["valid_thw"][frame].astype(bool), found["depth_thw"][frame]
        shown = picture(
            recorded, "/exact/world/camera/depth", frame, "DepthImage", np.float32, (MAP, MAP)
        )
        assert np.array_equal(shown, np.where(valid, depth, 0))
        points = np.array(values(recorded, "/exact/world/points", "Points3D:positions")[frame])
        assert len(points) == valid.sum()
        # One pixel by hand: row 5, column 11 or the first valid one after it.
        order = np.flatnonzero(valid.ravel())
        number = int(np.searchsorted(order, 5 * MAP + 11))
        v, u = divmod(int(order[number]), MAP)
        z = float(depth[v, u])
        x, y = (u + 0.5 - 7.5) / 20 * z, (v + 0.5 - 8.25) / 24 * z
        centre = poses()[frame, :3, 3]
        expected = centre + np.array([x, z, -y])
        assert np.allclose(points[number], expected, atol=1e-5)
    assert values(recorded, "/exact/world/camera/depth", "DepthImage:meter")[0] == [1.0]


def test_flow_motion_and_regions_are_drawn_where_they_hold(project, recorded):
    contents = clip_contents(project, CLIP)
    found = contents.labels["exact"]
    for frame in range(FRAMES):
        long = np.linalg.norm(found["flow_px_thw2"][frame], axis=-1) >= 0.25
        drawn = found["flow_valid_thw"][frame].astype(bool) & long
        vectors = [row["Arrows2D:vectors"] or [] for row in recorded["/exact/maps/flow"]][frame]
        assert np.allclose(np.array(vectors).reshape(-1, 2), found["flow_px_thw2"][frame][drawn])
        motion = picture(recorded, "/exact/maps/motion", frame, "Image", np.float32, (MAP, MAP))
        assert np.array_equal(motion, found["motion_thw"][frame])
        marked = picture(
            recorded, "/clip/regions", frame, "SegmentationImage", np.uint8, (SIZE, SIZE)
        )
        assert (marked == 1).sum() == 36 and (marked == 2).sum() == 100
        assert (marked[2:8, 3:9] == 1).all()


def test_facts_and_questions_stand_at_their_times(recorded):
    scalars = recorded["/facts/distance/obj_1_obj_2"]
    assert [(r["clip"].total_seconds(), r["Scalars:scalars"]) for r in scalars] == [
        (0.25, [1.25]), (0.75, [1.25])
    ]  # fmt: skip
    assert [(r["clip"].total_seconds(), r["TextLog:text"][0]) for r in recorded["/facts"]] == [
        (0.0, "turn : clockwise, 0.00 s to 1.00 s, world, exact"),
        (0.25, "distance obj_1_obj_2: 1.25 m (sigma 0.05), 0.25 s to 0.75 s, camera_at, exact"),
    ]
    (asked,) = recorded["/questions"]
    assert asked["clip"].total_seconds() == 0.25
    assert asked["TextLog:text"] == ["qa_a: How far is <obj_1>? A. 1.3 m B. 0.7 m Answer: A"]


def test_what_was_not_made_yet_is_left_out(project, tmp_path):
    shutil.copytree(project.root, tmp_path / "copy")
    for stage in ("labels", "regions", "facts", "questions"):
        shutil.rmtree(tmp_path / "copy" / "data" / stage)
    contents = clip_contents(Project(tmp_path / "copy"), CLIP)
    assert (contents.labels, contents.regions, contents.facts) == ({}, (), ())
    pytest.importorskip("rerun", reason="needs the extra view")
    write_recording(contents, tmp_path / "bare.rrd")
    found = {name for name in read_back(tmp_path / "bare.rrd") if not name.startswith("/__")}
    assert found == {"/", "/clip/picture", "/clip/regions"}


def test_an_unknown_clip_and_one_without_frames_are_named(project):
    with pytest.raises(ContractError, match="no published shard holds clip_x"):
        clip_contents(project, "clip_x")
    with pytest.raises(ContractError, match="clip_blank has no frames: filtered, blank"):
        clip_contents(project, "clip_blank")


def test_without_the_package_the_command_names_the_one_that_installs_it(project, tmp_path):
    """In a process that cannot import rerun, whether it is installed or not."""
    (tmp_path / "rerun.py").write_text("raise ImportError('blocked by the test')\n")
    done = subprocess.run(
        [sys.executable, "-m", "p4d", "view", CLIP, "--save", str(tmp_path / "x.rrd")],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"
             if "PYTHONPATH" in os.environ else str(tmp_path), "P4D_ROOT": str(project.root)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'p4d[view]'" in done.stderr
    assert not (tmp_path / "x.rrd").exists()
