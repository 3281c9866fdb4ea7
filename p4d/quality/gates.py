"""The gates of each stage, and the one function that runs them.

Three kinds: `gx` judges a small table with Great Expectations, `sql` is a file in sql/gates that
returns offending rows, `code` recomputes what no query can (p4d/quality/code_gates.py). A critical
gate blocks descendants, a warning is only shown. Listing the gates imports neither a database nor
Great Expectations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from p4d.errors import ContractError, P4DError
from p4d.pipeline import stage_named
from p4d.quality import suites
from p4d.quality.results import SAMPLE_ROWS, CheckResult, Severity
from p4d.quality.suites import Suite
from p4d.sql_files import sql_files, stages_read

if TYPE_CHECKING:
    import polars as pl

    from p4d.project import Project
    from p4d.warehouse import Folder, Warehouse

Kind = Literal["gx", "sql", "code"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One check of one stage.

    Attributes:
        name: name of the check; of an sql gate also of its file.
        needs: upstream stages whose folders it reads beside the judged one.
    """

    name: str
    stage: str
    kind: Kind
    severity: Severity
    description: str
    needs: frozenset[str] = frozenset()

    @property
    def blocking(self) -> bool:
        """Whether a failure stops descendants."""
        return self.severity == "critical"


_SUITES: Mapping[str, Suite] = {
    "labels": suites.LABELS,
    "facts": suites.FACTS,
    "questions": suites.QUESTIONS,
}

_SQL: Mapping[str, Mapping[str, Severity]] = {
    "videos": {
        "video_ids_follow_content": "critical",
        "video_frame_times_increase": "critical",
        "videos_accounted_for": "critical",
        "videos_not_usable": "warning",
    },
    "clips": {
        "clips_accounted_for": "critical",
        "clips_inside_their_video": "critical",
        "clips_disjoint": "critical",
        "clips_not_usable": "warning",
    },
    "labels": {
        "labels_complete": "critical",
        "labels_mostly_good": "critical",
        "labels_failed": "warning",
    },
    "regions": {
        "regions_of_accepted_clips": "critical",
        "region_marks_count_up": "critical",
        "regions_mostly_good": "critical",
    },
    "facts": {
        "facts_complete": "critical",
        "facts_are_measurements": "critical",
        "facts_of_known_regions": "critical",
        "facts_units_match_kinds": "critical",
        "facts_metres_need_metric_scale": "critical",
    },
    "questions": {
        "questions_of_accepted_clips": "critical",
        "question_answers_match_options": "critical",
        "question_facts_exist": "critical",
        "question_regions_exist": "critical",
        "question_metres_need_metric_scale": "critical",
        "question_texts_repeat": "warning",
    },
    "release": {
        "release_no_leakage": "critical",
        "release_no_near_duplicates": "critical",
        "release_questions_in_their_split": "critical",
        "release_questions_unchanged": "critical",
        "release_splits_filled": "critical",
    },
    "evaluation": {
        "evaluation_answers_everything": "critical",
        "evaluation_marks_right": "critical",
    },
}

_STUDENTS = ("student_sft", "student_p4d", "student_blind")

_CODE: Mapping[str, Mapping[str, Severity]] = {
    "expert": {"weights_finite": "critical", "loss_fell": "warning"},
    "questions": {"answers_follow_from_facts": "critical"},
    "release": {"release_counts_match": "critical"},
    "base_student": {"weights_finite": "critical"},
    **{name: {"weights_finite": "critical", "loss_fell": "warning"} for name in _STUDENTS},
}


def _gates_of(stage: str) -> tuple[Gate, ...]:
    from_suite = [
        Gate(
            name=expectation.name,
            stage=stage,
            kind="gx",
            severity=expectation.severity,
            description=expectation.description,
            needs=stages_read(_SUITES[stage].query) - {stage},
        )
        for expectation in (_SUITES[stage].expectations if stage in _SUITES else ())
    ]
    from_sql = [
        Gate(
            name=name,
            stage=stage,
            kind="sql",
            severity=severity,
            description=f"None: {sql_files('gates')[name].summary}",
            needs=stages_read(sql_files("gates")[name].body) - {stage},
        )
        for name, severity in _SQL.get(stage, {}).items()
    ]
    from_code = [
        Gate(
            name=name,
            stage=stage,
            kind="code",
            severity=severity,
            description=_CODE_DESCRIPTIONS[name],
            needs=frozenset({"facts", "regions", "clips"}) if stage == "questions" else frozenset(),
        )
        for name, severity in _CODE.get(stage, {}).items()
    ]
    return (*from_suite, *from_sql, *from_code)


_CODE_DESCRIPTIONS: Mapping[str, str] = {
    "answers_follow_from_facts": "Each answer is what its facts give when it is derived again.",
    "loss_fell": "The mean loss of the last fifth of the steps is below that of the first fifth.",
    "release_counts_match": "The manifest counts what the tables hold.",
    "weights_finite": "No weight is NaN or infinite.",
}

_JUDGED = tuple(dict.fromkeys([*_SQL, *_SUITES, *_CODE]))

GATES: Mapping[str, tuple[Gate, ...]] = {stage: _gates_of(stage) for stage in _JUDGED}
"""The gates of every stage that has some."""


def needed_upstreams(stage_name: str) -> tuple[str, ...]:
    """Upstream stages whose folders `run_gates` wants beside the stage's own, in input order."""
    wanted = {need for gate in GATES.get(stage_name, ()) for need in gate.needs}
    return tuple(name for name in stage_named(stage_name).inputs if name in wanted)


def run_gates(stage_name: str, folders: Mapping[str, Folder]) -> list[CheckResult]:
    """Judge one instance of a stage.

    Args:
        stage_name: the stage whose files are judged.
        folders: its folder (published or not yet), and those of `needed_upstreams(stage_name)`: of
            the same shard, or one per shard (or the one that holds them all) where the stage reads
            all of them.

    Returns:
        One result per gate of `GATES[stage_name]`, in that order. A gate that cannot run fails,
        with the reason in its metrics.

    Raises:
        ContractError: a needed folder is not given, so gates would pass for lack of rows.
    """
    gates = GATES.get(stage_name, ())
    wanted = (stage_name, *needed_upstreams(stage_name)) if gates else ()
    if missing := [name for name in wanted if not folders.get(name)]:
        raise ContractError(f"gates of {stage_name} also need the folders of: {', '.join(missing)}")
    if not gates:
        return []
    from p4d.warehouse import Warehouse

    warehouse = Warehouse.over({name: folders[name] for name in wanted})
    by_name = {result.name: result for result in _run_suite(stage_name, warehouse)}
    for gate in gates:
        if gate.kind == "sql":
            by_name[gate.name] = _run_sql(gate, warehouse)
        elif gate.kind == "code":
            by_name[gate.name] = _run_code(gate, folders)
    return [by_name[gate.name] for gate in gates]


def judge(project: Project, stage_name: str, shard: str | None = None) -> list[CheckResult]:
    """Judge the published files of one instance; see `run_gates`."""
    folders: dict[str, Folder] = {}
    for name in (stage_name, *needed_upstreams(stage_name)):
        folder = project.data / name
        folders[name] = folder / shard if stage_named(name).per_shard and shard else folder
    return run_gates(stage_name, folders)


def blocking_gates() -> Mapping[str, tuple[str, ...]]:
    """Names of the gates of each stage that a version must have passed before it is read."""
    return {
        stage: tuple(gate.name for gate in gates if gate.blocking) for stage, gates in GATES.items()
    }


def _run_suite(stage_name: str, warehouse: Warehouse) -> list[CheckResult]:
    suite = _SUITES.get(stage_name)
    if suite is None:
        return []
    from p4d.quality.great_expectations import validate

    try:
        return validate(suite, warehouse.query(suite.query))
    except P4DError as error:
        gates = [gate for gate in GATES[stage_name] if gate.kind == "gx"]
        return [_cannot_run(gate, error) for gate in gates]


def _run_sql(gate: Gate, warehouse: Warehouse) -> CheckResult:
    try:
        return _judged(gate, warehouse.gate(gate.name))
    except P4DError as error:
        return _cannot_run(gate, error)


def _run_code(gate: Gate, folders: Mapping[str, Folder]) -> CheckResult:
    from p4d.quality import code_gates as recheck

    try:
        metrics, offenders = recheck.RECHECKS[gate.name](gate.stage, folders)
    except (P4DError, OSError, KeyError, ValueError) as error:
        return _cannot_run(gate, error)
    return _judged(gate, offenders, metrics)


def _judged(
    gate: Gate, offenders: pl.DataFrame, metrics: Mapping[str, float | int | str] | None = None
) -> CheckResult:
    # JSON there and back: lists, times and decimals become plain values for any report.
    sample = json.loads(json.dumps(offenders.head(SAMPLE_ROWS).to_dicts(), default=str))
    return CheckResult(
        name=gate.name,
        passed=offenders.is_empty(),
        severity=gate.severity,
        description=gate.description,
        metrics={"offenders": len(offenders), **(metrics or {})},
        sample=tuple(sample),
    )


def _cannot_run(gate: Gate, error: Exception) -> CheckResult:
    return CheckResult(
        name=gate.name,
        passed=False,
        severity=gate.severity,
        description=gate.description,
        metrics={"error": f"{type(error).__name__}: {error}"},
    )
