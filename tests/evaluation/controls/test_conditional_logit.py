import numpy as np
import polars as pl
import pytest

from p4d.errors import ContractError
from p4d.evaluation.controls.conditional_logit import answer_across_folds, answer_after_learning
from p4d.evaluation.controls.features import MarkOutlines
from p4d.evaluation.scoring.chance import chance_report

DIRECTIONS = ["left", "right", "up", "down"]
OBJECTS = ["<obj_1>", "<obj_2>", "<obj_3>", "<obj_4>"]


def question_row(
    family, texts, right, rng, *, question="At 0 sec, which way does <obj_1> go?", clip="c"
):
    order = rng.permutation(len(texts))
    options = [texts[k] for k in order]
    return {
        "clip_id": clip, "family": family, "category": "Translational", "question": question,
        "options": options, "answer_index": options.index(texts[right]),
    }  # fmt: skip


def even(family, rng):
    return question_row(family, DIRECTIONS, int(rng.integers(4)), rng)


def favourite_word(family, rng):
    return question_row(family, DIRECTIONS, int(rng.choice(4, p=[0.61, 0.13, 0.13, 0.13])), rng)


def largest_number(family, rng):
    texts = [f"{value:.1f} m" for value in np.sort(rng.uniform(0, 5, 4))]
    return question_row(family, texts, 3 if rng.random() < 0.6 else int(rng.integers(3)), rng)


def mark_decides(family, rng):
    mark = int(rng.integers(1, 5))
    question = f"At 0 sec, which way does <obj_{mark}> go?"
    right = mark - 1 if rng.random() < 0.7 else int(rng.integers(4))
    return question_row(family, DIRECTIONS, right, rng, question=question)


def table(makers, count, seed):
    rng = np.random.default_rng(seed)
    rows = [make(family, rng) for family, make in makers.items() for _ in range(count)]
    return pl.DataFrame(rows).with_columns(shard=pl.lit(f"s{seed}"))


LEAKS = {"a_word": favourite_word, "b_number": largest_number, "c_mark": mark_decides}
NOISE = {f"even_{k}": even for k in range(8)}


def test_every_planted_leak_is_named_and_nothing_else():
    train, chosen, test = (
        table({**LEAKS, **NOISE}, n, seed) for seed, n in enumerate((250, 60, 150))
    )
    report = chance_report(answer_after_learning(train, chosen, test, None))
    assert report["named"] == sorted(LEAKS)
    assert all(report["families"][name]["accuracy"] > 0.45 for name in LEAKS)


def test_folds_answer_every_question_once_and_are_at_chance_on_noise():
    known = pl.concat([table(NOISE, 50, seed) for seed in range(4)])
    answered = answer_across_folds(known, [[f"s{k}"] for k in range(4)], None)
    assert answered.height == known.height
    report = chance_report(answered)
    assert report["named"] == []
    assert set(report["categories"]) == {"Translational"}


def outlined(rng):
    areas = rng.uniform(0.005, 0.1, 4)
    places = rng.uniform(0.1, 0.9, (3, 4))
    sides = np.sqrt(areas)
    return MarkOutlines(*(tuple(map(float, v)) for v in (*places, sides, sides, areas)))


def test_only_the_reader_of_marks_finds_what_outlines_tell():
    rng = np.random.default_rng(7)
    tables, marks = [], {}
    for part, count in enumerate((300, 80, 150)):
        rows = []
        for number in range(count):
            clip = f"clip_{part}_{number}"
            marks[clip] = outlined(rng)
            rows.append(
                question_row("nearest", OBJECTS, int(np.argmax(marks[clip].area)), rng, clip=clip)
            )
        tables.append(pl.DataFrame(rows))
    seeing = chance_report(answer_after_learning(*tables, marks))
    blind = chance_report(answer_after_learning(*tables, None))
    assert seeing["accuracy"] > 0.8
    assert blind["inside"]


def test_marks_are_measured_in_pictures():
    mask = np.zeros((2, 10, 20), np.uint8)
    mask[0, 2:4, 5:15] = 1
    marks = MarkOutlines.of(mask)
    assert len(marks) == 2
    assert (marks.x[0], marks.y[0], marks.foot[0]) == (0.5, 0.3, 0.4)
    assert (marks.width[0], marks.height[0], marks.area[0]) == (0.5, 0.2, 0.1)
    assert marks.area[1] == 1 / 200  # an empty mask: one pixel, so that ratios exist


def test_what_cannot_be_learned_from_is_refused():
    some = table(NOISE, 2, 0)
    with pytest.raises(ContractError, match="learn from"):
        answer_after_learning(some.clear(), some, some, None)
    with pytest.raises(ContractError, match="2 folds"):
        answer_across_folds(some, [["s0"], ["s1"]], None)
