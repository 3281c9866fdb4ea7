"""Facts as text: the control that is given what the video would have to show."""

import numpy as np

from p4d.questions.facts.table import Fact
from p4d.students.data.fact_text import POSITION, fact_text, with_facts
from p4d.studies.stills import MarkedObject, still_questions
from tests.students.model.test_prompt_settings import ASKED

MARKS = {"reg_a": 1, "reg_b": 2}


def fact(kind, value, *regions, word=None, unit="m", start_s=0.0, end_s=1.75):
    return Fact(
        fact_id=f"{kind}{regions}", clip_id="c", kind=kind, region_ids=regions,
        start_ns=round(start_s * 1e9), end_ns=round(end_s * 1e9), value=value, value_text=word,
        unit=unit, sigma=0.1, frame="world", method="truth", scale_kind="metric",
        teacher="exact", teacher_digest="d",
    )  # fmt: skip


def test_each_interval_is_stated_once_before_its_facts():
    facts = [
        fact("mean_speed", 0.412, "reg_b", unit="m/s"),
        fact("direction", 1.0, "reg_a", word="left", unit="class"),
        fact("distance", 1.5, "reg_a", "reg_b", start_s=1.75),
        fact("moving_count", 2.0, unit="count"),
    ]
    assert fact_text(facts, MARKS) == (
        "0 to 1.75: <obj_2> mean speed: 0.41 m/s. <obj_1> direction: left. moving count: 2. "
        "1.75: <obj_1> <obj_2> distance: 1.50 m. "
    )


def test_relations_are_said_as_one_where_a_question_asks_for_both():
    pair = [
        fact(kind, 1.0, "reg_b", "reg_a", word=word, unit="class")
        for kind, word in (("side", "left"), ("depth_order", "nearer"))
    ]
    assert fact_text(pair, MARKS, decimals=2) == (
        "0 to 1.75: <obj_2> <obj_1> relation: left and nearer. "
    )
    assert fact_text(pair, MARKS) == (
        "0 to 1.75: <obj_2> <obj_1> side: left. <obj_2> <obj_1> depth order: nearer. "
    )
    assert fact_text(pair[:1], MARKS, decimals=2) == "0 to 1.75: <obj_2> <obj_1> side: left. "


def test_numbers_have_the_precision_that_is_asked_for_and_positions_stay_together():
    where = [fact(k, v, "reg_b") for k, v in zip(POSITION, (0.61, -0.04, 2.26), strict=True)]
    facts = [*where, fact("displacement", 0.412, "reg_a"), fact(POSITION[2], 1.0, "reg_a")]
    assert fact_text(facts, MARKS, decimals=1) == (
        "0 to 1.75: <obj_2> position: (0.6, 0.0, 2.3) m. <obj_1> displacement: 0.4 m. "
        "<obj_1> position ahead: 1.0 m. "
    )


def test_facts_stand_before_the_question():
    assert with_facts(ASKED, "0: x. ").question == f"0: x. \n{ASKED.question}"


THINGS = [
    MarkedObject("red", "box", 0.2, 0.3, 0.05),
    MarkedObject("blue", "ball", 0.8, 0.7, 0.02),
    MarkedObject("green", "egg", 0.5, 0.5, 0.09),
]


def test_stills_are_asked_about_what_they_show_and_answers_are_right():
    asked = still_questions("c", THINGS, np.random.default_rng(0), 60)
    said = {q.question: q.options[q.answer_index] for q in asked}
    assert said["What colour is <obj_2>?"] == "blue"
    assert said["Which mark has the green egg?"] == "<obj_3>"
    assert said["In the picture, is <obj_1> above or below <obj_2>?"] == "above"
    assert said["Which object looks biggest in the picture?"] == "<obj_3>"
    assert all(len(set(q.options)) == len(q.options) for q in asked)


def test_kinds_can_be_restricted():
    asked = still_questions("c", THINGS, np.random.default_rng(0), 8, only=("colour",))
    assert {q.question.split()[1] for q in asked} == {"colour"}
    assert still_questions("c", THINGS[:1], np.random.default_rng(0), 8, only=("name",)) == ()
