import pytest

from p4d.review.agreement import cohen_kappa, fleiss_kappa, review_report, wilson
from tests.review.test_verdicts import questions, verdict


def test_cohen_against_a_worked_example():
    # 50 cases: both yes 20, both no 15, a yes b no 5, a no b yes 10 -> kappa 0.4.
    pairs = [("y", "y")] * 20 + [("n", "n")] * 15 + [("y", "n")] * 5 + [("n", "y")] * 10
    assert cohen_kappa(pairs) == pytest.approx(0.4)


def test_fleiss_against_the_example_of_his_paper():
    # Fleiss 1971 as reprinted everywhere: 10 subjects, 14 raters, 5 categories, kappa 0.210.
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    ratings = [[k for k, n in enumerate(row) for _ in range(n)] for row in table]
    assert fleiss_kappa([list(map(str, r)) for r in ratings]) == pytest.approx(0.210, abs=5e-4)


def test_perfect_and_opposite_agreement():
    assert cohen_kappa([("a", "a"), ("b", "b")]) == pytest.approx(1)
    assert cohen_kappa([("a", "b"), ("b", "a")]) == pytest.approx(-1)
    assert fleiss_kappa([["a", "a"], ["b", "b"]]) == pytest.approx(1)


def test_agreement_without_disagreement_to_expect_is_undefined():
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")] * 5) is None
    assert fleiss_kappa([["a", "a"]] * 5) is None
    assert fleiss_kappa([["a"], ["b"]]) is None


def test_wilson_interval():
    low, high = wilson(1, 10)
    assert (low, high) == (pytest.approx(0.0179, abs=1e-4), pytest.approx(0.4042, abs=1e-4))
    assert wilson(0, 0) == (0, 1)
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == 1


def test_the_report_counts_each_question_once_and_names_nobody():
    rows = [
        verdict("qa_1", "drop", "ann@example.org"),
        verdict("qa_1", "accept", "bob@example.org"),
        verdict("qa_2", "accept", "ann@example.org"),
        verdict("qa_2", "accept", "bob@example.org"),
        verdict("qa_3", "accept", "ann@example.org"),
        verdict("qa_old", "drop", "ann@example.org"),
    ]
    found = review_report(rows, questions("qa_1", "qa_2", "qa_3", "qa_4"), ["qa_old"])
    assert found["questions_reviewed"] == 3
    assert found["questions_with_two_or_more"] == 2
    assert (found["conflicts"], found["not_applicable"]) == (1, 1)
    assert found["decisions"] == {"accept": 2, "fix": 0, "drop": 1}
    (family,) = found["by_family"]
    assert (family["reviewed"], family["dropped"]) == (3, 1)
    assert family["low"] < family["drop_rate"] < family["high"]
    assert family["drop_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["cohen_kappa"] == [{"pair": [1, 2], "questions": 2, "agree": 1, "kappa": 0.0}]
    assert "example" not in str(found)
