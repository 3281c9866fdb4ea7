"""The table of facts measured as columns says the same as the facts of each clip, one by one."""

import dataclasses
import math

import numpy as np
import pytest

from p4d.ids import content_id
from p4d.questions.facts.blocks import NOBODY, FactRows, each
from p4d.questions.facts.exact.scene_facts import scene_facts, shard_blocks
from p4d.questions.facts.facts_table import MeasuredClip, facts_table, rounded
from tests.questions.scenes import FACTS, random_scene, scene, thing


def clips_of(scenes):
    return [MeasuredClip(one.source, one.region_ids) for one in scenes]


def test_a_table_of_many_clips_has_the_facts_of_each_one():
    scenes = [random_scene(seed) for seed in range(6)]  # of three and of four objects
    scenes.append(scene([thing((0, 0, 0.5))], clip="clip_one", scale_kind="relative"))
    scenes.append(scene([], clip="clip_none"))
    table = facts_table(shard_blocks(scenes, FACTS), clips_of(scenes)).table
    alone = [fact for one in scenes for fact in scene_facts(one, FACTS)]
    rows = {fact.fact_id: fact.row() for fact in alone}
    assert len(rows) == len(alone) == table.height
    assert {row["fact_id"]: row for row in table.to_dicts()} == rows


def test_ids_are_those_of_the_content():
    scenes = [random_scene(3)]
    table = facts_table(shard_blocks(scenes, FACTS), clips_of(scenes)).table
    for row in table.head(50).to_dicts():
        about = [
            row[key] for key in ("clip_id", "kind", "region_ids", "start_ns", "end_ns", "frame")
        ]
        assert row["fact_id"] == content_id("fact", *about, row["teacher"])


def test_what_is_not_finite_is_counted_and_left_out_and_its_neighbours_stay():
    rows = FactRows(
        clip_c=np.arange(2), start_ns=np.zeros(2, np.int64), end_ns=np.full(2, 10, np.int64)
    )
    about = {"unit": "m", "frame": "world", "method": "none"}
    values = np.array([[1.0, math.nan], [math.nan, math.nan]])
    blocks = [
        rows.quantity("displacement", values, 0.1, about=each(2), **about),
        rows.quantity("camera_displacement", 1.0, 0.1, about=NOBODY, **about),
    ]
    two = [thing((0, 0, 0.5)), thing((1, 0, 0.5))]
    clips = clips_of([scene(two, clip="clip_a"), scene(two, clip="clip_b")])
    found = facts_table(blocks, clips)
    assert (found.not_finite, found.table.height) == (3, 3)
    assert found.about_regions_c.tolist() == [True, False]


def test_a_clip_that_must_be_refused_refuses_no_neighbour():
    """A camera that looks straight down has no left; one without objects that rests needs none."""
    down = np.eye(4)
    down[:3, :3] = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    resting = scene([], clip="clip_down")
    resting = dataclasses.replace(
        resting, world_T_cam_t44=np.repeat(down[None], len(resting.time_ns), axis=0)
    )
    scenes = [resting, scene([], clip="clip_b")]
    table = facts_table(shard_blocks(scenes, FACTS), clips_of(scenes)).table
    assert set(table["clip_id"]) == {"clip_down", "clip_b"}


@pytest.mark.parametrize("size", [1e-7, 1e-3, 1.0, 1e3, 1e9])
def test_values_are_rounded_as_python_rounds_them(size):
    rng = np.random.default_rng(3)
    ties = (rng.integers(-1000, 1000, 500) + 0.5) * 1e-6
    dyadic = rng.integers(-(2**20), 2**20, 500) / 2**12
    values = np.concatenate([rng.normal(0, size, 2000), ties, dyadic, [0.0, -0.0, -1e-9]])
    python = np.array([round(value, 6) for value in values.tolist()])
    assert (rounded(values).view(np.uint64) == python.view(np.uint64)).all()
