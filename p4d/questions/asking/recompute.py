"""Derives the answer of a stored question again, from its facts alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from p4d.errors import ContractError
from p4d.questions.asking.families import BY_NAME
from p4d.questions.asking.option_rules import margin
from p4d.questions.facts.table import Fact


def recompute(question_row: Mapping[str, Any], facts: Iterable[Fact] | Mapping[str, Fact]) -> int:
    """Return the index of the right option, derived from the question's facts alone.

    Args:
        question_row: a row of `questions.parquet`; its stored answer is not used.
        facts: facts that include those of the question, or a mapping by `fact_id`.

    Raises:
        ContractError: a fact or the family is missing, or no single option is nearest.

    """
    by_id = facts if isinstance(facts, Mapping) else {fact.fact_id: fact for fact in facts}
    name = question_row["qa_id"]
    missing = [fact_id for fact_id in question_row["fact_ids"] if fact_id not in by_id]
    if missing:
        raise ContractError(f"{name}: facts {missing} are missing; rebuild facts and questions")
    if question_row["family"] not in BY_NAME:
        raise ContractError(f"{name}: unknown family {question_row['family']!r}")
    family = BY_NAME[question_row["family"]]
    answer = family.answer([by_id[fact_id] for fact_id in question_row["fact_ids"]])
    options = list(question_row["options"])
    if not margin(family.rule, answer, 1.0, options) > 0:
        raise ContractError(f"{name}: {answer!r} fits no single one of the options {options}")
    distances = family.rule.distances(answer, options)
    return distances.index(min(distances))
