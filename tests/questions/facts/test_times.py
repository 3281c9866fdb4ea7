"""Times that texts name: those of the grid, with what this costs in certainty."""

import dataclasses

import numpy as np
import pytest

from p4d.questions.facts.exact.scene_facts import scene_facts
from tests.questions.scenes import FACTS, facts_of, scene, thing

GRID_NS = np.arange(8, dtype=np.int64) * 250_000_000
LATE_NS = np.array([0, 60, 10, 70, 30, 50, 80, 20], np.int64) * 1_000_000


def varied(a_scene, late_ns=LATE_NS):
    """The same scene, whose frames were taken some time before the instants of the grid."""
    return dataclasses.replace(a_scene, time_ns=GRID_NS - late_ns, named_ns=GRID_NS)


def movers():
    return scene(
        [
            thing((-0.6, 0.0, 0.3), heading="right", length_m=1.2),
            thing((0.5, 0.5, 0.3)),
            thing((0.0, 1.0, 0.3), spin="clockwise"),
        ]
    )


def test_a_variable_rate_names_the_same_instants_and_intervals():
    named = {(f.start_ns, f.end_ns) for f in scene_facts(movers(), FACTS)}
    assert {(f.start_ns, f.end_ns) for f in scene_facts(varied(movers()), FACTS)} == named
    exact = dataclasses.replace(varied(movers()), named_ns=GRID_NS - LATE_NS)
    assert {(f.start_ns, f.end_ns) for f in scene_facts(exact, FACTS)} != named


def test_speeds_use_the_times_of_the_frames():
    span = ("mean_speed", (1,), 0, 1_750_000_000)
    even, late = facts_of(movers())[span], facts_of(varied(movers()))[span]
    assert even.value == pytest.approx(1.2 / 1.75)
    assert late.value == pytest.approx(1.2 / 1.73)


def test_what_moves_until_its_name_is_less_certain_and_what_rests_is_not():
    even, late = facts_of(movers()), facts_of(varied(movers()))
    at = 1_250_000_000  # its frame was taken 50 ms before
    place = "position_right"
    grown = late[place, (1,), at, at].sigma - even[place, (1,), at, at].sigma
    assert grown == pytest.approx(0.05 * (1.2 / 7) / 0.2, rel=0.3)  # 50 ms at the steps' speed
    assert late[place, (2,), at, at].sigma == even[place, (2,), at, at].sigma
    turned = "turn_vertical", (3,), 0, 1_750_000_000
    assert late[turned].sigma - even[turned].sigma == pytest.approx(2.0 * 0.02 / 1.73, abs=1e-5)


def test_frames_at_the_instants_cost_nothing():
    assert facts_of(varied(movers(), np.zeros(8, np.int64))) == facts_of(movers())


def test_no_instants_are_offered_that_an_eye_cannot_tell_apart():
    kinds = {key[0] for key in facts_of(movers())}
    assert "when_there" in kinds
    wide = dataclasses.replace(FACTS, least_instant_gap_s=0.51)
    assert "when_there" not in {key[0] for key in facts_of(movers(), wide)}


def test_nothing_is_asked_about_an_instant_at_which_a_region_is_out_of_the_picture():
    visible_kt = np.ones((3, 8), bool)
    visible_kt[0, 7] = False
    facts = facts_of(dataclasses.replace(movers(), visible_kt=visible_kt))
    end_ns = 1_750_000_000
    about = {key[0] for key in facts if 1 in key[1] and key[3] == end_ns}
    assert about <= {"name", "size_longest"}  # true at any time
    assert ("displacement", (1,), 0, 1_000_000_000) in facts
    assert ("displacement", (2,), 0, end_ns) in facts
