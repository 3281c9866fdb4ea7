"""Runs a suite with Great Expectations and turns its silent passes into failures.

Behaviour of GX 1.24, as measured, that this module corrects:

- NaN passes range checks on pandas columns. Here a NaN in a checked column fails.
- An empty table passes expectations over rows and fails aggregates. Here a check without rows
  passes, unless it counts rows.
- An error inside an expectation (such as a missing column) is a result without an exception. Here
  it fails with its message.
- Results hold numpy scalars. Here they are plain values.
"""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from p4d.errors import GateError
from p4d.quality.late_imports import late
from p4d.quality.results import SAMPLE_ROWS, CheckResult
from p4d.quality.suites import Expectation, Suite

_ROW_COUNT = "ExpectTableRowCountToBeBetween"
_RANGE = "ExpectColumnValuesToBeBetween"
_OF_OTHER_EXPECTATIONS = ("altair", "boto3", "jsonschema", "scipy.stats")
"""What Great Expectations imports for expectations that no suite here has, about a quarter of the
time that its own import takes."""
_NAME = "p4d name"
"""Key under which an expectation carries its name through Great Expectations."""


def validate(suite: Suite, frame: pl.DataFrame) -> list[CheckResult]:
    """Check `frame` by every expectation of `suite`, in the suite's order.

    Args:
        suite: the expectations.
        frame: the table that `suite.query` returns.

    Raises:
        GateError: Great Expectations returned no result for an expectation.
    """
    table = _Rows(frame)
    known: dict[str, CheckResult] = {}
    open_: list[_Asked] = []
    for expectation in suite.expectations:
        columns = _columns(expectation)
        if (early := _early_result(expectation, columns, suite.key, table)) is not None:
            known[expectation.name] = early
        else:
            open_.append(_Asked(expectation, columns, _rows_of(expectation, columns, table)))
    found = _great_expectations(open_)
    for asked in open_:
        known[asked.expectation.name] = _result_of(asked, found[asked.expectation.name], suite.key)
    return [known[expectation.name] for expectation in suite.expectations]


@dataclass(frozen=True)
class _Asked:
    """An expectation that Great Expectations has to decide, its columns and its rows."""

    expectation: Expectation
    columns: list[str]
    rows: pl.DataFrame


class _Rows:
    """The rows of a table by the values that expectations ask for; several ask for the same."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """All rows."""
        self.columns = frame.columns
        self._frame = frame
        self._known: dict[tuple[tuple[str, str | int], ...], pl.DataFrame] = {}

    def where(self, values: Mapping[str, str | int]) -> pl.DataFrame:
        """The rows with these values."""
        asked = tuple(values.items())
        if asked not in self._known:
            self._known[asked] = self._frame.filter(*(pl.col(n) == value for n, value in asked))
        return self._known[asked]


def _early_result(
    expectation: Expectation, columns: list[str], key: tuple[str, ...], table: _Rows
) -> CheckResult | None:
    """The result, if a column, a value or all rows are missing; else None."""
    asked = [*expectation.where, *columns]
    if missing := [name for name in asked if name not in table.columns]:
        return _result(expectation, False, {"error": f"no column named {', '.join(missing)}"})
    rows = _rows_of(expectation, columns, table)
    if any(_is_absent(rows[name]).any() for name in columns):
        absent = rows.filter(pl.any_horizontal([_is_absent(rows[name]) for name in columns]))
        shown = _sample(absent, [*key, *columns])
        counted = {"rows": len(rows), "absent": len(absent), **expectation.limits}
        return _result(expectation, False, counted, shown)
    if rows.is_empty() and expectation.kind != _ROW_COUNT:
        return _result(expectation, True, {"rows": 0, **expectation.limits})
    return None


def _rows_of(expectation: Expectation, columns: list[str], table: _Rows) -> pl.DataFrame:
    rows = table.where(expectation.where)
    if expectation.optional and any(rows[name].null_count() for name in columns):
        return rows.drop_nulls(columns)
    return rows


def _result_of(asked: _Asked, found: Mapping[str, Any], key: tuple[str, ...]) -> CheckResult:
    """What Great Expectations found, with the rows at fault."""
    expectation, columns, rows = asked.expectation, asked.columns, asked.rows
    metrics: dict[str, float | int | str] = {"rows": len(rows), **expectation.limits}
    if error := _hidden_error(found.get("exception_info") or {}):
        return _result(expectation, False, {**metrics, "error": error})
    values = found.get("result") or {}
    observed = values.get("observed_value")
    if isinstance(observed, int | float | str):
        metrics["observed"] = observed
    elif expectation.kind == _RANGE and (column := rows[columns[0]]).dtype.is_numeric():
        metrics |= {"lowest": _plain(column.min()), "highest": _plain(column.max())}
    unexpected = values.get("unexpected_count")
    sample: tuple[Mapping[str, object], ...] = ()
    if unexpected:
        metrics["unexpected"] = int(unexpected)
        if len(columns) == 1:
            bad = rows.filter(pl.col(columns[0]).is_in(values.get("partial_unexpected_list", [])))
            sample = _sample(bad, [*key, *columns])
    return _result(expectation, bool(found["success"]), metrics, sample)


def _great_expectations(asked: Sequence[_Asked]) -> dict[str, dict[str, Any]]:
    """Plain results by the name of their expectation.

    A validation costs as much as its expectations. So those with equally many rows share one, of a
    table in which each has columns of its own.
    """
    by_length: dict[int, list[_Asked]] = {}
    for each in asked:
        by_length.setdefault(len(each.rows), []).append(each)
    found: dict[str, dict[str, Any]] = {}
    for group in by_length.values():
        found |= _validated(group)
    if missing := [each.expectation.name for each in asked if each.expectation.name not in found]:
        raise GateError(f"Great Expectations returned no result for {', '.join(missing)}")
    return found


def _validated(group: Sequence[_Asked]) -> dict[str, dict[str, Any]]:
    """Plain results of one validation, of expectations with equally many rows."""
    from great_expectations import ExpectationSuite, expectations

    columns: dict[str, pl.Series] = {}
    built = []
    for number, each in enumerate(group):
        names = {name: f"{number} {name}" for name in each.columns}
        picked = each.columns or each.rows.columns[:1]  # rows are counted by some column
        columns |= {names.get(name, f"{number}"): each.rows[name] for name in picked}
        kind = getattr(expectations, each.expectation.kind)
        arguments = _renamed(each.expectation.arguments, names)
        built.append(kind(**arguments, meta={_NAME: each.expectation.name}))
    batch = _batches().get_batch({"dataframe": pl.DataFrame(columns).to_pandas()})
    found = batch.validate(ExpectationSuite("gates", expectations=built), result_format="BASIC")
    return {
        each.expectation_config.meta[_NAME]: _plain(
            {
                "success": each.success,
                "result": each.result,
                "exception_info": each.exception_info,
            }
        )
        for each in found.results
    }


def _renamed(arguments: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """The arguments of an expectation, with its columns under other names."""
    given = dict(arguments)
    if isinstance(column := given.get("column"), str):
        given["column"] = names[column]
    if isinstance(listed := given.get("column_list"), list):
        given["column_list"] = [names[name] for name in listed]
    return given


@functools.cache
def _batches() -> Any:  # noqa: ANN401 - a type of a library that is imported late
    """Makes a batch of a table; its context costs more than most expectations."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with late(*_OF_OTHER_EXPECTATIONS):
        import great_expectations as gx  # takes seconds: only if a suite runs
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frame").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("frame")


def prepare() -> None:
    """Import Great Expectations and make its context, which takes seconds."""
    _batches()
    from great_expectations import expectations  # noqa: F401


def _is_absent(values: pl.Series) -> pl.Series:
    """Whether a value is null or NaN."""
    return values.is_null() | values.is_nan() if values.dtype.is_float() else values.is_null()


def _columns(expectation: Expectation) -> list[str]:
    arguments = expectation.arguments
    listed = arguments.get("column_list", [])
    assert isinstance(listed, list)
    return [name for name in [arguments.get("column"), *listed] if isinstance(name, str)]


def _hidden_error(info: Mapping[str, Any]) -> str:
    """The message of an exception that GX kept; it reports one, or one per metric."""
    if "raised_exception" in info:
        return str(info.get("exception_message") or "unknown") if info["raised_exception"] else ""
    return "; ".join(filter(None, (_hidden_error(inner) for inner in info.values())))


def _sample(rows: pl.DataFrame, columns: Iterable[str]) -> tuple[Mapping[str, object], ...]:
    picked = rows.select([name for name in dict.fromkeys(columns) if name in rows.columns])
    sample: list[dict[str, object]] = _plain(picked.head(SAMPLE_ROWS).to_dicts())
    return tuple(sample)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Nested values with numpy scalars and arrays made plain, and NaN made text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _result(
    expectation: Expectation,
    passed: bool,
    metrics: Mapping[str, float | int | str],
    sample: tuple[Mapping[str, object], ...] = (),
) -> CheckResult:
    return CheckResult(
        name=expectation.name,
        passed=passed,
        severity=expectation.severity,
        description=expectation.description,
        metrics=metrics,
        sample=sample,
    )
