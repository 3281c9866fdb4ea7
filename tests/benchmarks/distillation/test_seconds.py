"""The comparison of ways of giving times: the oracle's text decides, intervals resample worlds."""

import re

import numpy as np
import polars as pl
import pytest

from benchmarks.distillation.seconds.oracle import ClipText, courses_of
from benchmarks.distillation.seconds.plan import ARMS, NO_TIME, ORACLE, settings
from benchmarks.distillation.seconds.readable import _explained
from benchmarks.distillation.seconds.report import _interval, _of_arm
from p4d.students.model.prompt_settings import TIMES
from p4d.worlds.retimed import takes_of
from tests.questions.asking.test_seconds import BY_PICTURES, asked_of, scene_of, take
from tests.questions.facts.exact.test_second_facts import SECONDS

WORLDS = range(100, 112)


def text_of(number, times_ns):
    scene = scene_of(number, 0, times_ns)
    return ClipText([time_ns * 1e-9 for time_ns in times_ns], courses_of(scene, SECONDS))


def derived(family, text, question):
    """The answer, from the text of the oracle alone."""
    times = [float(t) for t in re.search(r"shown at (.*) seconds", text)[1].split(", ")]
    moves = {
        mark: (float(path), times[int(first) - 1], times[int(last) - 1])
        for mark, path, first, last in re.findall(
            r"<obj_(\d)> moves (\S+) m from frame (\d) to frame (\d)", text
        )
    }
    named = [moves[mark] for mark in dict.fromkeys(re.findall(r"<obj_(\d)>", question))]
    speeds = [path / (end - start) for path, start, end in named]
    return {
        "video_seconds": lambda: times[-1],
        "longest_pause": lambda: max(np.diff(times)),
        "starts_at": lambda: named[0][1],
        "stops_at": lambda: named[0][2],
        "moves_for": lambda: named[0][2] - named[0][1],
        "between_starts": lambda: abs(named[0][1] - named[1][1]),
        "speed_in_motion": lambda: speeds[0],
        "times_as_fast": lambda: speeds[0] / speeds[1],
    }[family]()


def test_times_and_frames_of_events_decide_every_answer():
    takes = {n: takes_of(n, 8) for n in WORLDS}
    clips = [take(n, k, one.times_ns) for n in WORLDS for k, one in enumerate(takes[n])]
    families = settings(1, NO_TIME, 0).questions.families
    found = asked_of(clips, BY_PICTURES).questions
    rows = [row for row in found if row["family"] in families]
    assert len(rows) >= 100
    for row in rows:
        number, k = int(row["clip_id"][5:9]), int(row["clip_id"][9:])
        text = text_of(number, takes[number][k].times_ns).about(row["question"])
        value = derived(row["family"], text, row["question"])
        distances = [abs(float(option.split()[0]) - value) for option in row["options"]]
        assert int(np.argmin(distances)) == row["answer_index"], (row, text)


def test_arms_differ_in_the_way_of_giving_times_alone():
    given = {arm: settings(300, arm, 0) for arm in TIMES}
    assert {params.student.time for params in given.values()} == set(TIMES)
    for params in given.values():
        assert {**vars(params), "student": None} == {**vars(given[NO_TIME]), "student": None}
    assert set(ARMS) == {*TIMES, ORACLE}


def test_the_interval_is_that_of_worlds_and_not_of_questions():
    values = np.repeat([0.0, 1.0, 0.0, 1.0], 50)
    few = _interval(values, np.repeat([0, 1, 2, 3], 50))
    many = _interval(values, np.arange(200))
    assert few["mean"] == many["mean"] == 0.5
    assert (few["worlds"], many["worlds"]) == (4, 200)
    width = [found["ci95"][1] - found["ci95"][0] for found in (few, many)]
    assert width[0] > 4 * width[1]


def test_an_arm_is_reported_on_unequal_spacing_and_paired_with_the_one_without_times():
    asked = pl.DataFrame(
        {
            "video_id": [f"v{k // 4}" for k in range(40)],
            "family": ["video_seconds", "starts_at"] * 20,
            "unequal": [k % 4 != 0 for k in range(40)],
        }
    )
    first_right = np.array([float(k % 4 == 1) for k in range(40)])
    right = {("tpe", 0): np.ones(40), (NO_TIME, 0): first_right}
    runs = [
        {"arm": arm, "seed": 0, "steps": 3, "commit": "abc", "cpu_s": 1.0}
        for arm in ("tpe", NO_TIME)
    ]
    found = _of_arm("tpe", asked, right, runs)
    assert found["accuracy"]["n"] == 30
    assert found["accuracy_all_spacings"]["n"] == 40
    assert found["over_none"]["mean"] == pytest.approx(2 / 3, abs=1e-4)
    none = _of_arm(NO_TIME, asked, right, runs)
    assert none["accuracy_all_spacings"]["mean"] == 0.25
    assert none["over_none"] is None
    assert set(none["by_kind"]) == {"video_seconds", "starts_at"}


def test_explained_variance_is_that_of_other_clips():
    rng = np.random.default_rng(0)
    inputs, asked = rng.normal(size=(400, 5)), rng.normal(size=(200, 5))
    weights = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert _explained(inputs, inputs @ weights, asked, asked @ weights) > 0.99
    noise = rng.normal(size=400), rng.normal(size=200)
    assert abs(_explained(inputs, noise[0], asked, noise[1])) < 0.1
