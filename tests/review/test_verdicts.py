import dataclasses
import json

import polars as pl
import pytest

from p4d.errors import ContractError
from p4d.review.verdicts import (
    Verdict,
    add_verdicts,
    apply_verdicts,
    read_verdicts,
    resolve,
)


def verdict(qa_id="qa_1", decision="accept", annotator="ann", day=1, **rest):
    reason = "" if decision == "accept" else f"{annotator}'s reason"
    return Verdict(
        **{
            "batch": "review_00000000000000aa", "qa_id": qa_id,
            "decision": decision, "reason": reason,
            "annotator": annotator, "at": f"2026-01-{day:02d}T00:00:00+00:00", **rest,
        }
    )  # fmt: skip


def questions(*ids):
    return pl.DataFrame(
        [
            {
                "qa_id": qa_id, "clip_id": "clip_a", "shard": "0000-a", "category": "Counting",
                "family": "moving_count", "question": "How many?", "options": ["1", "2", "3", "4"],
                "answer_index": 1, "answer": "B", "answer_text": "2",
            }
            for qa_id in ids
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("decisions", "wins"),
    [
        (["accept", "drop"], "drop"),
        (["drop", "accept"], "drop"),
        (["accept", "fix"], "fix"),
        (["fix", "drop", "accept"], "drop"),
        (["accept", "accept"], "accept"),
    ],
)
def test_whoever_saw_a_fault_is_believed(decisions, wins):
    rows = [
        verdict(decision=d, annotator=f"ann{n}", answer="C" if d == "fix" else None)
        for n, d in enumerate(decisions)
    ]
    found = resolve(rows)["qa_1"]
    assert found.decision == wins
    assert found.conflict == (len(set(decisions)) > 1)
    assert len(found.annotators) == len(decisions)


def test_of_one_annotator_the_latest_counts():
    rows = [verdict(decision="drop", day=1), verdict(decision="accept", day=2)]
    assert resolve(rows[::-1])["qa_1"].decision == "accept"


def test_fixes_that_differ_withhold_the_question():
    rows = [
        verdict(decision="fix", annotator="a", answer="C"),
        verdict(decision="fix", annotator="b", answer="D"),
    ]
    found = resolve(rows)["qa_1"]
    assert found.decision == "drop"
    assert found.reason.startswith("fixes differ: a's reason; b's reason")


def test_dropped_fixed_accepted_and_unjudged_questions():
    rows = [
        verdict("qa_1", "drop"),
        verdict("qa_2", "fix", answer="D", question="How many move?"),
        verdict("qa_3"),
        verdict("qa_gone", "drop"),
    ]
    done = apply_verdicts(questions("qa_1", "qa_2", "qa_3", "qa_4"), resolve(rows))
    assert done.not_applicable == ("qa_gone",)
    (rejected,) = done.rejected.to_dicts()
    assert (rejected["qa_id"], rejected["reason"]) == ("qa_1", "ann's reason")
    by_origin = {r["fixed_from"] or r["qa_id"]: r for r in done.questions.to_dicts()}
    assert set(by_origin) == {"qa_2", "qa_3", "qa_4"}
    fixed = by_origin["qa_2"]
    assert fixed["qa_id"] != "qa_2"
    assert (fixed["question"], fixed["answer"], fixed["answer_index"], fixed["answer_text"]) == (
        "How many move?", "D", 3, "4",
    )  # fmt: skip
    assert [by_origin[k]["review"] for k in ("qa_2", "qa_3", "qa_4")] == ["fix", "accept", None]
    assert by_origin["qa_4"]["answer_text"] == "2"


def test_a_fixed_question_can_be_judged_again_under_its_new_id():
    fix = verdict("qa_1", "fix", answer="D")
    once = apply_verdicts(questions("qa_1"), resolve([fix])).questions["qa_id"][0]
    again = apply_verdicts(questions("qa_1"), resolve([fix, verdict(once, "drop")]))
    assert again.questions.is_empty()
    assert again.rejected["qa_id"].to_list() == [once]
    accepted = apply_verdicts(questions("qa_1"), resolve([fix, verdict(once)])).questions
    assert accepted["fixed_from"].to_list() == ["qa_1"]


def test_a_fix_to_an_option_that_does_not_exist_is_refused():
    with pytest.raises(ContractError, match="options are ABCD"):
        apply_verdicts(questions("qa_1"), resolve([verdict(decision="fix", answer="E")]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decision": "drop", "reason": ""}, "needs a reason"),
        ({"decision": "fix", "reason": "why"}, "new question text or a new answer"),
        ({"decision": "perhaps"}, "is none of accept, fix, drop"),
        ({"at": "yesterday"}, "no ISO 8601"),
        ({"at": "2026-01-01T00:00:00"}, "no time zone"),
        ({"verdict_id": "verdict_0000000000000000"}, "was edited"),
    ],
)
def test_rows_that_say_too_little_are_refused(change, message):
    row = dataclasses.asdict(verdict()) | {"verdict_id": ""} | change
    with pytest.raises(ContractError, match=message):
        Verdict(**row)


@pytest.mark.attack("M4")
@pytest.mark.parametrize("value", ["\ud800", 5, ["x"], {"a": 1}, True])
@pytest.mark.parametrize("field", ["qa_id", "reason", "annotator", "at", "question"])
def test_what_no_table_can_hold_is_no_text_of_a_verdict(field, value):
    row = dataclasses.asdict(verdict(decision="drop")) | {"verdict_id": "", field: value}
    with pytest.raises(ContractError, match="is no text"):
        Verdict(**row)


@pytest.mark.attack("M4")
@pytest.mark.parametrize("line", [b"\xff", b"[" * 100_000, b"7", b'{"batch": 1}'])
def test_a_row_that_is_none_is_named(tmp_path, line):
    (tmp_path / "review_00000000000000aa.jsonl").write_bytes(line + b"\n")
    with pytest.raises(ContractError, match=r"review_00000000000000aa\.jsonl, line 1"):
        read_verdicts(tmp_path)


def test_rows_come_back_as_written_and_edits_are_seen(tmp_path):
    rows = [verdict(f"qa_{n}", annotator=who) for n in range(3) for who in ("a", "b")]
    add_verdicts(tmp_path, rows)
    assert set(read_verdicts(tmp_path)) == set(rows)
    path = tmp_path / "review_00000000000000aa.jsonl"
    text = path.read_text()
    path.write_text(text.replace('"annotator":"b"', '"annotator":"c"', 1))
    with pytest.raises(ContractError, match="was edited"):
        read_verdicts(tmp_path)
    path.write_text(text + "{}\n")
    with pytest.raises(ContractError, match=r"aa\.jsonl, line 7: needs the keys"):
        read_verdicts(tmp_path)


def test_the_order_of_imports_does_not_show(tmp_path):
    rows = [verdict(f"qa_{n}") for n in range(5)]
    add_verdicts(tmp_path / "one", rows)
    for row in reversed(rows):
        add_verdicts(tmp_path / "two", [row])
    one, two = (tmp_path / name / "review_00000000000000aa.jsonl" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert json.loads(one.read_text().splitlines()[0])["qa_id"] == "qa_0"
