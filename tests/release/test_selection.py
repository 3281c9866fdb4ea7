import polars as pl

from p4d.release.selection import drop_incomplete_groups, select_questions


def _group(clips, *, split="train", options=("left", "right", "up", "down")):
    """An exchange group: one question per option, each about a clip of its own."""
    return [
        {
            "qa_id": f"qa_{clip}", "clip_id": clip, "shard": "0000-a", "family": "direction",
            "question": f"Which way does <obj_1> move in {clip}?", "options": list(options),
            "answer_text": answer, "split": split,
        }
        for clip, answer in zip(clips, options, strict=True)
    ]  # fmt: skip


def test_complete_groups_stay_and_the_rest_of_an_incomplete_group_goes():
    whole, broken = _group(["a", "b", "c", "d"]), _group(["e", "f", "g", "h"])[:3]
    kept, dropped = drop_incomplete_groups(pl.DataFrame(whole + broken))
    assert dropped == 3
    rights = kept.group_by("answer_text").len()["len"].to_list()
    assert rights == [1, 1, 1, 1]


def test_a_group_that_crosses_a_split_is_incomplete_in_both():
    here, there = _group(["a", "b", "c", "d"])[:2], _group(["e", "f", "g", "h"], split="test")[2:]
    assert drop_incomplete_groups(pl.DataFrame(here + there))[1] == 4


def test_each_reason_to_leave_a_question_out_is_counted_once():
    rows = [{k: v for k, v in row.items() if k != "split"} for row in _group(["a", "b", "c", "d"])]
    rows += [{**rows[0], "qa_id": "qa_twin"}]
    clips = pl.DataFrame({"clip_id": ["a", "b", "c"], "split": ["train"] * 3})
    found = select_questions(pl.DataFrame(rows), clips)
    assert (found.repeated, found.of_left_out_videos, found.of_incomplete_groups) == (1, 1, 3)
    assert found.table.height == 0
    assert found.left_out == len(rows)
