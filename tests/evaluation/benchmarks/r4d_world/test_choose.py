from collections import Counter

import polars as pl

from p4d.evaluation.benchmarks.r4d_world.choose import choose, exchange_groups


def question(number, family, answer, options, clip=None, shown=4):
    return {
        "qa_id": f"qa_{number:03d}", "clip_id": clip or f"clip_{number:03d}", "shard": "s",
        "family": family, "category": "Counting", "question": f"q{number}",
        "options": sorted(options), "answer_text": answer, "marks_shown": shown,
    }  # fmt: skip


def test_groups_are_chosen_whole_and_incomplete_ones_left_out():
    options = ["0", "1", "2", "3"]
    rows = [question(n, "count", options[n % 4], options) for n in range(40)]
    rows += [question(100 + n, "incomplete", "0", options) for n in range(3)]
    table = pl.DataFrame(rows)
    assert len(exchange_groups(table)) == 10
    chosen = choose(table, {"Counting": 10})
    assert chosen["family"].unique().to_list() == ["count"]
    assert len(chosen) == 12  # whole groups, so a little more than asked for
    assert set(Counter(chosen["answer_text"].to_list()).values()) == {3}


def test_clips_of_a_counting_group_show_equally_many_marks():
    options = ["1", "2", "3", "4"]
    # The count is the number of marks, so a group of mixed clips would give it away.
    rows = [question(n, "a", str(n), options, shown=n) for n in range(1, 5)]
    assert exchange_groups(pl.DataFrame(rows)) == []
    rows = [question(n, "a", str(n), options) for n in range(1, 5)]
    assert len(exchange_groups(pl.DataFrame(rows))) == 1


def test_families_of_a_category_get_equal_shares():
    options = ["0", "1"]
    rows = [question(n, "often", options[n % 2], options) for n in range(40)]
    rows += [question(100 + n, "seldom", options[n % 2], options) for n in range(6)]
    chosen = Counter(choose(pl.DataFrame(rows), {"Counting": 12})["family"].to_list())
    assert chosen == {"often": 6, "seldom": 6}


def test_clips_with_fewest_questions_are_asked_first():
    options = ["0", "1"]
    rows = [question(n, "a", options[n % 2], options, clip="busy") for n in range(20)]
    rows += [question(100 + n, "b", options[n % 2], options) for n in range(4)]
    chosen = choose(pl.DataFrame(rows), {"Counting": 6})
    assert Counter(chosen["family"].to_list())["b"] == 4
