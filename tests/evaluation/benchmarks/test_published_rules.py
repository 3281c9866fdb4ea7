from pathlib import Path

import pytest

from benchmarks.scores.golden import comparisons
from p4d.evaluation.benchmarks import dsr_bench, r4d_bench, sti_bench, vlm4d, vsi_bench
from p4d.evaluation.benchmarks.item import BenchmarkItem, ScoredItem
from p4d.evaluation.benchmarks.published_rules import drawn_option
from p4d.evaluation.benchmarks.registry import READERS


def choice(index: int = 0, options: int = 4, **fields) -> BenchmarkItem:
    return BenchmarkItem(
        **{
            "item_id": "1",
            "category": "c",
            "dynamic": True,
            "kind": "mcq",
            "question": "Which way?",
            "options": ("left", "right", "up", "down", "back")[:options],
            "answer_index": index,
            "video": Path("v.mp4"),
            "group": "v",
            **fields,
        }
    )


COMPARED = dict(comparisons())


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_scores_and_figures_equal_the_benchmarks_own_script_on_the_same_predictions(name):
    found = COMPARED[name]
    assert found.items >= 75
    assert (found.equal, found.equal_figures) == (found.items, found.figures)


def test_every_published_benchmark_is_compared():
    assert set(COMPARED) == set(READERS) - {"r4d-world", "r4d-world-time"}


@pytest.mark.parametrize("name", sorted(READERS))
def test_prompts_name_question_and_options(name):
    text = READERS[name].RULES.prompt(choice())
    assert "Which way?" in text
    assert all(option in text for option in ("left", "right", "up", "down"))


@pytest.mark.parametrize(
    ("text", "index"),
    [("The answer is (C).", 2), ("B", 1), ("left, so B", 1), ("Answer: D", 3), ("none", None)],
)
def test_r4d_bench_takes_the_first_letter(text, index):
    assert r4d_bench.first_letter(text, 4) == index


def test_r4d_bench_draws_for_a_reply_without_a_letter():
    items = [choice(item_id=str(number)) for number in range(400)]
    assert {drawn_option(item) for item in items} == {0, 1, 2, 3}
    scores = [r4d_bench.score(item, "none") for item in items]
    assert scores == [float(drawn_option(item) == 0) for item in items]
    assert 60 < sum(scores) < 140


def test_an_empty_reply_is_wrong_where_the_script_would_stop():
    assert sti_bench.score(choice(), "") == 0.0


def test_dsr_bench_reads_a_capital_inside_a_word():
    assert dsr_bench.score(choice(1), "Based on the frames, left") == 1.0
    assert dsr_bench.score(choice(0), "left") == 0.0


def test_vlm4d_scores_the_final_answer_of_a_reply_with_reasoning():
    reply = "Option A looks right at first. Therefore, the final answer is: B"
    assert vlm4d.score(choice(1), reply) == 1.0
    assert vlm4d.score(choice(1), "<think>It is B") == 0.0
    assert vlm4d.score(choice(1), "right") == 1.0


def test_vsi_bench_reports_the_debiased_part_beside_the_whole():
    rows = [
        ScoredItem(choice(category="object_rel_distance", subset="debiased"), 0.0),
        ScoredItem(choice(category="object_rel_distance", subset="pruned"), 1.0),
        ScoredItem(choice(category="object_counting", subset="debiased"), 0.5),
    ]
    assert vsi_bench.overall(rows) == {
        "overall": 0.5,
        "debiased": 0.25,
        "object_counting": 0.5,
        "object_rel_distance": 0.5,
    }
