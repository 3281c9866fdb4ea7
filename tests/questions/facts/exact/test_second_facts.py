"""Facts that need seconds, of scenes whose every instant is known."""

import dataclasses

import numpy as np
import pytest

from p4d.geometry.cameras import rigid
from p4d.questions.facts.sentences import fact_sentence
from tests.questions.scenes import FACTS, FRAMES, facts_of, scene

SECONDS = dataclasses.replace(FACTS, instants="frames", seconds=True)
KINDS = {
    "video_seconds", "longest_pause", "starts_at", "stops_at", "moves_for", "between_starts",
    "speed_in_motion", "times_as_fast",
}  # fmt: skip
TIMES_S = (0.0, 0.1, 0.6, 0.7, 2.7, 3.0, 3.2, 4.0)
OTHERS_S = (0.0, 1.0, 2.0, 3.5, 3.7, 3.9, 4.0, 8.0)


def between(first, last, length_m, at_m=(0.0, 0.0, 0.3)):
    """An object that goes to the right by equal steps from one frame to another, and rests else."""
    done = np.clip((np.arange(FRAMES) - first) / (last - first), 0, 1)
    way_m = done[:, None] * length_m * np.array([1.0, 0.0, 0.0])
    return rigid(np.repeat(np.eye(3)[None], FRAMES, axis=0), np.asarray(at_m) + way_m)


def seen(*things, times_s=TIMES_S, params=SECONDS):
    time_ns = np.rint(np.array(times_s) * 1e9).astype(np.int64)
    found = facts_of(dataclasses.replace(scene(things), time_ns=time_ns, named_ns=time_ns), params)
    return {(kind, marks): f for (kind, marks, *_), f in found.items() if kind in KINDS}


def test_events_and_speeds_are_those_of_the_frames():
    facts = seen(between(2, 4, 0.6), between(3, 7, 1.2, (0.0, 1.0, 0.3)))
    values = {key: fact.value for key, fact in facts.items()}
    assert values == pytest.approx(
        {
            ("video_seconds", ()): 4.0,
            ("longest_pause", ()): 2.0,
            ("starts_at", (1,)): 0.6,
            ("starts_at", (2,)): 0.7,
            ("stops_at", (1,)): 2.7,
            ("moves_for", (1,)): 2.1,
            ("moves_for", (2,)): 3.3,
            ("speed_in_motion", (1,)): 0.6 / 2.1,
            ("speed_in_motion", (2,)): 1.2 / 3.3,
            ("between_starts", (1, 2)): 0.1,
            ("times_as_fast", (1, 2)): (0.6 / 2.1) / (1.2 / 3.3),
        },
        abs=1e-5,
    )


def test_equal_frames_at_other_times_have_other_answers():
    """So the order of the frames decides none of them."""
    things = between(2, 4, 0.6), between(3, 6, 0.9, (0.0, 1.0, 0.3))
    at_these, at_others = seen(*things), seen(*things, times_s=OTHERS_S)
    assert {kind for kind, _ in at_these} == KINDS
    assert at_these.keys() == at_others.keys()
    for key, fact in at_these.items():
        assert abs(fact.value - at_others[key].value) > 0.1 * fact.value, key


def test_a_slower_playback_scales_times_and_speeds():
    things = between(2, 4, 0.6), between(3, 6, 0.9, (0.0, 1.0, 0.3))
    once, twice = seen(*things), seen(*things, times_s=tuple(2 * t for t in TIMES_S))
    for key, fact in once.items():
        factor = {"speed_in_motion": 0.5, "times_as_fast": 1.0}.get(key[0], 2.0)
        assert twice[key].value == pytest.approx(factor * fact.value, rel=1e-4)


def test_an_object_without_one_clear_motion_has_no_times():
    again = between(1, 3, 0.5)
    again[5:, 0, 3] += np.array([0.2, 0.4, 0.6])  # starts once more
    creeping = between(2, 4, 0.6)
    creeping[5:, 0, 3] += np.array([0.01, 0.02, 0.03])  # neither rests nor moves
    resting = between(2, 4, 0.0)
    for thing in (again, creeping, resting):
        assert {kind for kind, _ in seen(thing)} == {"video_seconds", "longest_pause"}


def test_an_object_that_moves_from_first_to_last_frame_has_a_speed_and_no_event():
    facts = seen(between(0, FRAMES - 1, 1.4))
    assert {kind for kind, marks in facts if marks} == {"speed_in_motion"}
    assert facts[("speed_in_motion", (1,))].value == pytest.approx(1.4 / 4.0, abs=1e-5)


def test_a_longer_step_beside_an_event_makes_it_less_certain():
    slow = between(3, 5, 0.3)
    sigma = seen(slow)[("starts_at", (1,))].sigma
    longer = (0.0, 0.1, 0.6, 0.7, 6.7, 7.0, 7.2, 8.0)
    assert seen(slow, times_s=longer)[("starts_at", (1,))].sigma > 2 * sigma


def test_they_are_measured_on_request_only():
    things = between(2, 4, 0.6), between(3, 7, 1.2, (0.0, 1.0, 0.3))
    assert not seen(*things, params=dataclasses.replace(SECONDS, seconds=False))


def test_every_kind_has_a_sentence_with_its_value():
    facts = seen(between(2, 4, 0.6), between(3, 6, 0.9, (0.0, 1.0, 0.3)))
    regions = scene([between(2, 4, 0.6), between(3, 6, 0.9)]).region_ids
    for (kind, marks), fact in facts.items():
        sentence = fact_sentence(fact, regions)
        assert f"{fact.value:.2f} " in sentence, kind
        assert all(f"<obj_{mark}>" in sentence for mark in marks)
