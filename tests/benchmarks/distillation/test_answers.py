import polars as pl
import pytest

from benchmarks.distillation.answers import as_digits, from_digits
from p4d.errors import ContractError


def test_answers_are_kept_as_digits_in_the_order_of_ids():
    answers = {"qa_02": 3, "qa_00": 1, "qa_01": 0}
    table = pl.DataFrame({"qa_id": ["qa_01", "qa_02", "qa_00"]})
    assert as_digits(answers) == "103"
    assert from_digits("103", table) == answers
    with pytest.raises(ContractError, match="4 answers to 3 questions"):
        from_digits("1030", table)
