"""What a check found, in one line."""

import polars as pl
import pytest

from p4d.quality.finding import finding
from p4d.quality.great_expectations import validate
from p4d.quality.suites import LABELS, Expectation, Suite

KEY = ("clip_id",)


def found(expectation, **columns):
    suite = Suite(name="s", query="", key=KEY, expectations=(expectation,))
    (result,) = validate(suite, pl.DataFrame({"clip_id": ["c0", "c1", "c2"], **columns}))
    return finding(result.details)


def named(name):
    return next(each for each in LABELS.expectations if each.name == name)


def test_a_range_gives_rows_values_limits_and_an_example():
    columns = {"teacher": ["exact"] * 3, "flow_epe_px": [0.01, 0.25, 0.5]}
    assert found(named("exact_flow_is_exact"), **columns) == (
        "2 of 3 rows beyond the limit; lowest 0.01; highest 0.5; allowed: at most 0.05; "
        "for example clip_id c1, flow_epe_px 0.25"
    )


def test_a_passed_range_gives_its_values_and_limits_too():
    columns = {"teacher": ["exact"] * 3, "flow_epe_px": [0.01, 0.02, 0.03]}
    assert found(named("exact_flow_is_exact"), **columns) == (
        "3 rows; lowest 0.01; highest 0.03; allowed: at most 0.05"
    )


def test_a_mean_gives_what_it_observed():
    columns = {"teacher": ["expert4d"] * 3, "depth_absrel": [0.25, 0.5, 0.75]}
    assert found(named("expert_depth_is_useful"), **columns) == (
        "3 rows; observed 0.5; allowed: at most 0.35"
    )


def test_the_text_of_a_check_follows_its_limit():
    assert named("exact_flow_is_exact").description == "Exact flow is within 0.05 px of the truth."
    assert named("depth_is_mostly_valid").description.startswith(
        "Depth is valid on at least 50% of"
    )


def test_values_of_a_set_are_the_limit():
    expectation = Expectation(
        name="known",
        kind="ExpectColumnValuesToBeInSet",
        description="d",
        arguments={"column": "kind", "value_set": ["a", "b"]},
    )
    text = found(expectation, kind=["a", "b", "z"])
    assert text.startswith("1 of 3 rows beyond the limit; allowed: one of a, b; for example")


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (
            {"offenders": 1, "offending_rows": [{"split": "test"}]},
            "1 offending row; for example split test",
        ),
        ({"offenders": 0, "steps": 5, "last": 0.25}, "steps 5; last 0.25"),
        (
            {"error": "no column named x\n\x1b[31m"},
            "the check could not run: no column named x\\n\\x1b[31m",
        ),
        ({"description": "Nothing."}, ""),
    ],
)
def test_other_checks(details, text):
    assert finding(details) == text
