"""Exchange groups are formed again from tables that do not hold them."""

import numpy as np

from p4d.exports.harness.groups import exchange_group_ids

OPTIONS = ["a", "b", "c", "d"]


def question(number, letters, answer, **more):
    return {"qa_id": f"qa_{number:03d}", "shard": "s", "family": "f",
            "options": letters, "answer_text": answer, **more}  # fmt: skip


def members(questions):
    found = {}
    for row in questions:
        group = exchange_group_ids(questions).get(row["qa_id"])
        if group is not None:
            found.setdefault(group, []).append(row)
    return found


def test_every_option_and_every_letter_is_right_once_in_a_group():
    rng = np.random.default_rng(0)
    questions = []
    for _ in range(6):  # as they are asked: letters are dealt within each group
        for letter, answer in enumerate(rng.permutation(OPTIONS).tolist()):
            others = [o for o in OPTIONS if o != answer]
            questions.append(
                question(len(questions), [*others[:letter], answer, *others[letter:]], answer)
            )
    groups = members([questions[k] for k in rng.permutation(len(questions))])
    assert len(groups) == 6
    for rows in groups.values():
        assert {row["answer_text"] for row in rows} == set(OPTIONS)
        assert {row["options"].index(row["answer_text"]) for row in rows} == {0, 1, 2, 3}


def test_without_even_letters_the_options_still_exchange():
    questions = [question(k, [a, *(o for o in OPTIONS if o != a)], a)
                 for k, a in enumerate(OPTIONS)]  # fmt: skip
    assert len(members(questions)) == 1  # always the first letter


def test_an_incomplete_group_and_a_border_are_respected():
    questions = [question(k, OPTIONS, a) for k, a in enumerate(OPTIONS)]
    assert not exchange_group_ids(questions[:3])
    split = [{**row, "within": k // 2} for k, row in enumerate(questions)]
    assert not exchange_group_ids(split)
