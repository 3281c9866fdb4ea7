"""Regions, facts and questions as stages, on rendered worlds and one clip that has labels only."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from p4d.artifacts import Arrays, read_table, write_arrays, write_table
from p4d.config import Params, replace_params
from p4d.ids import sha256_file
from p4d.pipeline import StageInputs, stage_named
from p4d.questions.asking.recompute import recompute
from p4d.questions.facts.table import read_facts
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays
from tests.factories import make_clips_dir

ROOT = Path(__file__).parents[2]
# So that the few videos of this test fall into train and test alike.
PARAMS = replace_params(
    Params.from_mapping(yaml.safe_load((ROOT / "params.yaml").read_text())),
    release={"test_fraction": 0.5, "val_fraction": 0.0},
    # Its clips have no videos; tests/questions/regions/test_flow.py has those of source `flow`.
    regions={"sources": ("truth", "motion")},
)
REAL = "clip_real"
SHARD = "0000-00000000"


def _add_real_clip(clips, labels):
    """A clip without truth, in which one square moves to the right by 2 px of 64 per frame."""
    arrays = Arrays(clips / "frames.safetensors")
    pictures = {name: arrays[name] for name in arrays}
    motion = np.zeros((8, 32, 32), dtype=np.float32)
    flow = np.zeros((8, 32, 32, 2), dtype=np.float32)
    video = np.full((8, 64, 64, 3), 100, dtype=np.uint8)
    for t in range(8):
        motion[t, 10:18, 4 + t : 12 + t] = 1.0
        flow[t, 10:18, 4 + t : 12 + t] = (-1.0 if t else 0.0, 0.0)
        video[t, 20:36, 8 + 2 * t : 24 + 2 * t] = (200, 40, 40)
    pictures[f"{REAL}.rgb_thw3"] = video
    write_arrays(clips / "frames.safetensors", pictures)
    table = read_table(clips / "clips.parquet")
    row = table.head(1).with_columns(
        clip_id=pl.lit(REAL), video_id=pl.lit("vid_real"), has_truth=pl.lit(False),
        scale_kind=pl.lit("relative"), phash=pl.lit("0123456789abcdef"),
    )  # fmt: skip
    unlabelled = row.with_columns(clip_id=pl.lit("clip_unlabelled"))
    pictures["clip_unlabelled.rgb_thw3"] = video
    write_arrays(clips / "frames.safetensors", pictures)
    write_table(clips / "clips.parquet", pl.concat([table, row, unlabelled]), sort_by=["clip_id"])
    writer = LabelWriter()
    writer.add(
        REAL, "expert4d",
        LabelArrays(
            motion_thw=motion, flow_px_thw2=flow,
            flow_valid_thw=np.ones((8, 32, 32), dtype=bool),
        ),
    )  # fmt: skip
    writer.write(labels)
    write_table(
        labels / "index.parquet",
        pl.DataFrame(
            {"clip_id": [REAL], "teacher": ["expert4d"], "teacher_digest": ["d1"],
             "scale_kind": ["relative"], "outcome": ["ok"]}
        ),
        sort_by=["clip_id"],
    )  # fmt: skip
    stats = {"clip_id": [REAL], "teacher": ["expert4d"], "modality": ["flow"]}
    write_table(
        labels / "label_stats.parquet",
        pl.DataFrame({**stats, "flow_cycle_px": [0.3]}),
        sort_by=["clip_id"],
    )


def _run(name, folders, out):
    out.mkdir(parents=True)
    stage = stage_named(name)
    known = {key: folders[key] for key in stage.inputs if key in folders}
    inputs = StageInputs(
        stage=stage, all_params=PARAMS, folders=known, shard=SHARD if stage.per_shard else None
    )
    return stage.load()(inputs, out)


def _all(base, clips, labels):
    folders = {"clips": clips, "labels": labels}
    reports = {}
    for name in ("regions", "facts", "questions"):
        folders[name] = base / name
        reports[name] = _run(name, folders, folders[name])
    by_shard = {key: {SHARD: folders[key]} for key in ("clips", "questions")}
    folders["release"] = base / "release"
    reports["release"] = _run("release", by_shard, folders["release"])
    return folders, reports


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    base = tmp_path_factory.mktemp("flow")
    clips = make_clips_dir(base / "clips", 12)
    _add_real_clip(clips, base / "labels")
    return base, *_all(base / "one", clips, base / "labels")


def test_truth_instances_become_regions_with_their_masks(flow):
    _, folders, _ = flow
    regions = read_table(folders["regions"] / "regions.parquet").filter(pl.col("outcome") == "ok")
    masks = Arrays(folders["regions"] / "masks.safetensors")
    truth = Arrays(folders["clips"] / "truth.safetensors")
    simulated = regions.filter(pl.col("source") == "truth")
    assert simulated.height >= 24
    for row in simulated.to_dicts():
        mask = masks[f"{row['clip_id']}.masks_kthw"][row["mark"] - 1]
        assert (mask == (truth[f"{row['clip_id']}.instance_thw"] == row["instance"])).all()
        assert mask[0].sum() == row["area_px"] >= PARAMS.regions.min_area_px
        assert row["name"]


def test_every_clip_has_a_marked_picture(flow):
    _, folders, _ = flow
    frames = Arrays(folders["clips"] / "frames.safetensors")
    marks = Arrays(folders["regions"] / "marks.safetensors")
    masks = Arrays(folders["regions"] / "masks.safetensors")
    for clip_id in read_table(folders["clips"] / "clips.parquet")["clip_id"]:
        first = frames[f"{clip_id}.rgb_thw3"][0]
        changed = (marks[f"{clip_id}.marks_hw3"] != first).any()
        assert changed == (len(masks[f"{clip_id}.masks_kthw"]) > 0)


def test_a_real_clip_gets_a_motion_region_and_facts_of_the_picture(flow):
    _, folders, _ = flow
    regions = read_table(folders["regions"] / "regions.parquet").filter(pl.col("clip_id") == REAL)
    assert regions.select("source", "instance", "name", "mark").rows() == [
        ("motion", None, None, 1)
    ]
    facts = read_facts(folders["facts"] / "facts.parquet")[REAL]
    whole = [f for f in facts if f.start_ns == 0 and f.end_ns == 1_750_000_000]
    words = {f.kind: f.value_text or f.value for f in whole}
    assert words == {
        "moving": "moving", "picture_direction": "right", "screen_direction": "right",
        "moving_count": 1.0, "unmarked_number": 2.0,
    }  # fmt: skip
    places = {f.start_ns: f.value_text for f in facts if f.kind == "quadrant"}
    assert set(places.values()) == {"upper left"}
    assert {f.teacher for f in facts} == {"expert4d"}
    assert {f.scale_kind for f in facts} == {"relative"}


def test_a_clip_without_labels_fails_alone(flow):
    _, folders, reports = flow
    assert reports["regions"].rows["failed"] == 1
    assert reports["facts"].rows["failed"] == 1
    for name in ("regions", "facts"):
        outcomes = read_table(folders[name] / "outcomes.parquet")
        clips = read_table(folders["clips"] / "clips.parquet").filter(pl.col("outcome") == "ok")
        assert sorted(outcomes["clip_id"]) == sorted(clips["clip_id"])
        failed = outcomes.filter(pl.col("outcome") == "failed")
        assert failed["clip_id"].to_list() == ["clip_unlabelled"]
        assert "clip_unlabelled" in failed["reason"][0]
        assert sum(reports[name].rows.values()) == clips.height
    assert reports["questions"].rows["ok"] > 0
    assert "clip_unlabelled" not in read_facts(folders["facts"] / "facts.parquet")


def test_facts_of_simulated_clips_agree_with_how_the_objects_were_made(flow):
    _, folders, _ = flow
    objects = read_table(folders["clips"] / "objects.parquet")
    regions = read_table(folders["regions"] / "regions.parquet").filter(pl.col("mark") > 0)
    made = {(row["clip_id"], row["instance"]): row for row in objects.to_dicts()}
    instance = {row["region_id"]: row["instance"] for row in regions.to_dicts()}
    checked = 0
    for clip_id, facts in read_facts(folders["facts"] / "facts.parquet").items():
        for fact in facts:
            if fact.teacher != "exact" or len(fact.region_ids) != 1:
                continue
            thing = made[(clip_id, instance[fact.region_ids[0]])]
            if fact.kind == "moving" and thing["motion"] == "static":
                assert fact.value_text == "still"
                checked += 1
            if fact.kind == "rotation" and thing["motion"] == "translating":
                assert fact.value_text == "does not rotate"
                checked += 1
            if fact.kind == "size_longest":
                sizes = [thing[f"size_{axis}_m"] for axis in "xyz"]
                assert fact.value == pytest.approx(max(sizes), abs=1e-5)
                checked += 1
    assert checked > 40


def test_questions_and_release_recompute_from_facts(flow):
    _, folders, _ = flow
    facts = read_facts(folders["facts"] / "facts.parquet")
    rows = read_table(folders["release"] / "questions.parquet").to_dicts()
    assert {row["split"] for row in rows} == {"train", "test"}
    for row in rows:
        assert recompute(row, facts[row["clip_id"]]) == row["answer_index"]


def test_equal_inputs_give_equal_bytes(flow):
    base, folders, _ = flow
    again, _ = _all(base / "two", folders["clips"], folders["labels"])
    for name in ("regions", "facts", "questions", "release"):
        files = sorted(path.name for path in folders[name].iterdir())
        assert files == sorted(path.name for path in again[name].iterdir())
        for file in files:
            assert sha256_file(folders[name] / file) == sha256_file(again[name] / file), file
