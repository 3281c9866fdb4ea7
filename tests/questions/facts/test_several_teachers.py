"""Facts of pictures take flow and motion each from the first teacher that has it."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import write_json, write_table
from p4d.errors import LabelError
from p4d.project import Project
from p4d.questions.facts.image_facts import ImageReader
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

FACTS = Project.find().params.facts
CLIP = {
    "clip_id": "clip_a", "start_ns": 0, "end_ns": 2 * 10**9,
    "frame_pts_ns": [t * 250_000_000 for t in range(8)],
}  # fmt: skip
MASKS = np.zeros((1, 8, 64, 64), np.uint8)
for t in range(8):
    MASKS[0, t, 20:44, 8 + 4 * t : 32 + 4 * t] = 1


def labels_of(flow_side, known_share=1.0):
    """The region moves to the right by 4 px of 64 a frame; elsewhere nothing moves."""
    scale = flow_side / 64
    chosen = ((np.arange(flow_side) + 0.5) / scale).astype(int)
    inside = MASKS[0][:, chosen][:, :, chosen].astype(bool)
    flow = np.zeros((8, flow_side, flow_side, 2), np.float32)
    flow[inside] = (-4 * scale, 0)
    rng = np.random.default_rng(0)
    known = np.where(inside, rng.random(inside.shape) < known_share, True)
    flow[~known] = (7, -7)  # what stands where the search failed
    return LabelArrays(flow_px_thw2=flow, flow_valid_thw=known)


def motion_of(side):
    chosen = ((np.arange(side) + 0.5) * 64 / side).astype(int)
    inside = MASKS[0][:, chosen][:, :, chosen]
    return LabelArrays(motion_thw=np.where(inside, 0.95, 0.02).astype(np.float32))


@pytest.fixture
def labels(tmp_path):
    """Writes labels of `dis` (flow, 48 px) and `mover` (motion, 16 px); returns the reader."""

    def written(known_share=1.0, sigma=None, motion_outcome="ok"):
        writer = LabelWriter()
        writer.add("clip_a", "dis", labels_of(48, known_share))
        writer.add("clip_a", "mover", motion_of(16))
        writer.write(tmp_path)
        rows = [
            {"clip_id": "clip_a", "teacher": name, "teacher_digest": f"{name}-1",
             "scale_kind": "relative", "outcome": outcome}
            for name, outcome in (("dis", "ok"), ("mover", motion_outcome))
        ]  # fmt: skip
        write_table(tmp_path / "index.parquet", pl.DataFrame(rows), sort_by=["teacher"])
        stats = pl.DataFrame(
            {"clip_id": ["clip_a"], "teacher": ["dis"], "modality": ["flow"],
             "flow_cycle_px": [None]},
            schema_overrides={"flow_cycle_px": pl.Float64},
        )  # fmt: skip
        write_table(tmp_path / "label_stats.parquet", stats, sort_by=["clip_id"])
        sources = {
            "depth": ["expert4d"], "camera": ["expert4d"],
            "flow": ["missing", "dis"], "motion": ["expert4d", "mover"],
        }  # fmt: skip
        teachers = {"dis": {"sigma": sigma or {"flow": 0.3}}, "mover": {"sigma": {"motion": 0.1}}}
        write_json(tmp_path / "teachers.json", {"sources": sources, "teachers": teachers})
        return ImageReader(tmp_path)

    return written


def facts_of(reader):
    return {
        (fact.kind, fact.start_ns, fact.end_ns): fact
        for fact in reader.facts(CLIP, ("reg_1",), MASKS, FACTS)
    }


WHOLE = ("screen_direction", 0, 1_750_000_000)


def test_the_facts_name_both_teachers_and_their_digests(labels):
    facts = facts_of(labels())
    assert facts[WHOLE].value_text == "right"
    assert {fact.teacher for fact in facts.values()} == {"dis+mover"}
    assert {fact.teacher_digest for fact in facts.values()} == {"dis-1+mover-1"}
    assert {fact.scale_kind for fact in facts.values()} == {"relative"}


def test_maps_of_different_sizes_are_brought_to_that_of_the_flow(labels):
    facts = facts_of(labels())
    moving = facts[("moving", 0, 1_750_000_000)]
    assert moving.value_text == "moving"
    assert facts[("picture_direction", 0, 1_750_000_000)].value_text == "right"


def test_the_recorded_sigma_is_that_of_the_fact(labels):
    sharp, blunt = (facts_of(labels(sigma={"flow": each}))[WHOLE].sigma for each in (0.1, 3.0))
    assert blunt > 2 * sharp


def test_flow_that_the_teacher_does_not_vouch_for_is_left_out(labels):
    assert facts_of(labels(known_share=0.4))[WHOLE].value_text == "right"
    assert WHOLE not in facts_of(labels(known_share=0.1))


def test_a_clip_that_no_teacher_has_motion_of_is_named(labels):
    with pytest.raises(LabelError, match="clip_a: no expert4d or mover label of motion"):
        labels(motion_outcome="failed").facts(CLIP, ("reg_1",), MASKS, FACTS)
