"""The ledger of promotion decisions: an append-only file of one decision per line.

It records order and data versions but no time: the project's ledger records when a version was
published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.errors import ContractError

LEDGER, ANSWERS, DECISION = "champions.jsonl", "champion_answers.parquet", "decision.json"
GENERAL = "champion_general.parquet"


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """Return the decisions in order; an absent ledger is empty.

    Raises:
        ContractError: a line is not a decision, or the order has a gap.
    """
    path = folder / LEDGER
    if not path.is_file():
        return []
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ContractError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(record, dict) or record.get("order") != number or "key" not in record:
            raise ContractError(f"{path}, line {number}: expected decision number {number}")
        records.append(record)
    return records


def read_answers(folder: Path) -> pl.DataFrame | None:
    """Return the champion's recorded answers; None if there is no champion."""
    path = folder / ANSWERS
    return read_table(path) if path.is_file() else None


def read_general(folder: Path) -> pl.DataFrame | None:
    """Return the champion's scores on the general set; None if it had none at its promotion."""
    path = folder / GENERAL
    return read_table(path) if path.is_file() else None


def write_decision(
    out: Path,
    record: Mapping[str, Any],
    ledger: list[dict[str, Any]],
    answers: pl.DataFrame | None,
    general: pl.DataFrame | None = None,
) -> None:
    """Write the decision, the whole ledger, the champion's answers and its general scores."""
    lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in ledger)
    write_bytes(out / LEDGER, lines.encode())
    write_json(out / DECISION, record)
    if answers is not None:
        write_table(out / ANSWERS, answers, sort_by=["qa_id"])
    if general is not None:
        write_table(out / GENERAL, general, sort_by=["row_id"])
