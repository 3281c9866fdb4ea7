"""Questions that need seconds: undecided without them, and asked on request only."""

import dataclasses
from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest

from p4d.config import QuestionsParams, ReleaseParams
from p4d.errors import ConfigError
from p4d.questions.asking.compose import compose
from p4d.questions.asking.families import BY_NAME
from p4d.questions.asking.recompute import recompute
from p4d.questions.facts.exact.scene_facts import scene_facts
from p4d.splits import split_for
from p4d.worlds.retimed import takes_of
from tests.questions.facts.exact.test_second_facts import SECONDS, between
from tests.questions.scenes import Clip, ComposedRows, random_clips, scene, tables_of

NONE = QuestionsParams(margin_sigma=3.0, options=4, max_per_clip=36, families=(), seconds="none")
BY_CLIPS = dataclasses.replace(NONE, seconds="clips")
BY_PICTURES = dataclasses.replace(NONE, seconds="pictures")
SPLITS = ReleaseParams(
    test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
)
WORLDS = 30


def scene_of(number, take_number, times_ns):
    """Two things that move between frames which the number of their world draws."""
    rng = np.random.default_rng(number)
    things = []
    for y_m in (0.0, 1.0):
        first = int(rng.integers(1, 4))
        last = int(rng.integers(first + 2, 7))
        things.append(between(first, last, float(rng.uniform(0.5, 1.2)), (-0.4, y_m, 0.3)))
    time_ns = np.asarray(times_ns)
    one = scene(things, clip=f"clip_{number:04d}{take_number:012d}")
    return dataclasses.replace(one, time_ns=time_ns, named_ns=time_ns)


def take(number, take_number, times_ns):
    """What the composer knows of one take of a world."""
    one = scene_of(number, take_number, times_ns)
    facts = tuple(scene_facts(one, SECONDS))
    return Clip(one.source.clip_id, f"vid_{number:016d}", True, one.region_ids, facts)


@pytest.fixture(scope="module")
def takes():
    return [
        take(number, k, one.times_ns)
        for number in range(WORLDS)
        for k, one in enumerate(takes_of(number, 8))
    ]


def asked_of(clips, params):
    table, regions, facts = tables_of(clips)
    if params.seconds == "pictures":  # the takes of a world show the same
        table = table.with_columns(pictures=pl.col("video_id"))
    composed = compose(table, regions, facts, params, SPLITS)
    return ComposedRows(composed.questions.to_dicts(), composed.refused.to_dicts())


@pytest.fixture(scope="module")
def by_pictures(takes):
    return asked_of(takes, BY_PICTURES)


def test_whoever_does_not_know_the_times_answers_one_in_four(by_pictures):
    """Pictures, words and order of options of a group are equal, and every option is right once."""
    mine = [row for row in by_pictures.questions if BY_NAME[row["family"]].needs_seconds]
    assert len({row["family"] for row in mine}) >= 6
    right = defaultdict(Counter)
    for row in mine:
        seen_without_times = row["video_id"], row["question"], tuple(row["options"])
        right[seen_without_times][row["answer_index"]] += 1
    for counts in right.values():
        assert set(counts) == set(range(4))
        assert len(set(counts.values())) == 1


def test_the_others_are_asked_as_before(takes, by_pictures):
    def others(found):
        return {
            (row["clip_id"], row["family"])
            for row in found.refused
            if not BY_NAME[row["family"]].needs_seconds and row["reason"].startswith("the answer")
        }

    assert others(by_pictures) == others(asked_of(takes, NONE))
    assert any(not BY_NAME[row["family"]].needs_seconds for row in by_pictures.questions)


def test_every_answer_recomputes_from_its_facts(takes, by_pictures):
    facts = {clip.clip_id: clip.facts for clip in takes}
    for row in by_pictures.questions:
        assert recompute(row, facts[row["clip_id"]]) == row["answer_index"]
        assert row["options"][row["answer_index"]] == row["answer_text"]
    assert len({row["qa_id"] for row in by_pictures.questions}) == len(by_pictures.questions)


def test_between_clips_they_exchange_options_as_others_do(takes):
    found = asked_of(takes, BY_CLIPS)
    mine = [row for row in found.questions if BY_NAME[row["family"]].needs_seconds]
    assert len({row["family"] for row in mine}) >= 6
    answers = defaultdict(Counter)
    for row in mine:
        split = split_for(row["video_id"], SPLITS)
        answers[(row["family"], split, tuple(sorted(row["options"])))][row["answer_text"]] += 1
    for counts in answers.values():
        assert len(counts) == 4
        assert len(set(counts.values())) == 1
    several = [row["video_id"] for row in mine]
    assert len(set(several)) > WORLDS / 2


def test_they_are_not_asked_unless_wanted(takes):
    found = asked_of(takes, NONE)
    for row in (*found.questions, *found.refused):
        assert not BY_NAME[row["family"]].needs_seconds


@pytest.mark.parametrize("seconds", ["none", "clips"])
def test_clips_without_such_facts_get_the_questions_that_they_had(seconds):
    """What was made before has neither the facts nor the setting, and its bytes do not change."""
    clips = random_clips(40)
    before = compose(*tables_of(clips), NONE, SPLITS)
    after = compose(*tables_of(clips), dataclasses.replace(NONE, seconds=seconds), SPLITS)
    assert after.questions.equals(before.questions)


def test_another_way_is_refused():
    with pytest.raises(ConfigError, match="none"):
        dataclasses.replace(NONE, seconds="always")
