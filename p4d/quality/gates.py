"""The gates of each stage, and the function that checks a stage by them.

A gate has a kind: `gx` validates a small table with Great Expectations, `sql` is a file in
sql/gates that returns offending rows, `code` recomputes what no query can
(p4d/quality/code_gates.py). If a critical gate fails, descendants are blocked; a warning is shown.
Its name and description state what holds when it passes; names are unique per stage.

Listing the gates imports neither a database nor Great Expectations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from p4d.errors import ContractError, P4DError
from p4d.pipeline import stage_named
from p4d.quality import suites
from p4d.quality.results import SAMPLE_ROWS, CheckResult, Severity
from p4d.quality.suites import Suite
from p4d.sql_files import SqlFile, sql_files, stages_read

if TYPE_CHECKING:
    import polars as pl

    from p4d.project import Project
    from p4d.warehouse import Folder, Warehouse

Kind = Literal["gx", "sql", "code"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One check of one stage.

    Attributes:
        name: what holds when it passes; an sql gate is the file `sql/gates/STAGE/NAME.sql`.
        description: the same as a sentence.
        needs: upstream stages whose folders it reads beside the stage's own.
    """

    name: str
    stage: str
    kind: Kind
    severity: Severity
    description: str
    needs: frozenset[str] = frozenset()

    @property
    def blocking(self) -> bool:
        """Whether a failure blocks descendants."""
        return self.severity == "critical"


_SUITES: Mapping[str, Suite] = {
    "labels": suites.LABELS,
    "facts": suites.FACTS,
    "questions": suites.QUESTIONS,
}

_SQL_GATES: Mapping[str, Mapping[str, Severity]] = {
    "videos": {
        "ids_follow_content": "critical",
        "frame_times_increase": "critical",
        "every_file_is_accounted_for": "critical",
        "videos_are_usable": "warning",
    },
    "clips": {
        "every_candidate_is_accounted_for": "critical",
        "inside_their_video": "critical",
        "intervals_are_disjoint": "critical",
        "some_clip_is_usable": "critical",
        "clips_are_usable": "warning",
    },
    "labels": {
        "every_clip_is_labelled": "critical",
        "most_labels_are_good": "critical",
        "no_label_failed": "warning",
    },
    "regions": {
        "clips_are_accepted": "critical",
        "marks_count_up": "critical",
        "most_clips_succeeded": "critical",
    },
    "facts": {
        "every_clip_has_facts": "critical",
        "values_are_measurements": "critical",
        "regions_are_known": "critical",
        "units_match_kinds": "critical",
        "metres_need_metric_scale": "critical",
        "up_and_times_are_known": "critical",
    },
    "questions": {
        "clips_are_accepted": "critical",
        "answers_match_options": "critical",
        "facts_exist": "critical",
        "regions_exist": "critical",
        "metres_need_metric_scale": "critical",
        "letters_are_balanced": "warning",
        "texts_are_unique": "warning",
    },
    "release": {
        "no_leakage": "critical",
        "no_copies_across_splits": "critical",
        "no_near_duplicates_across_splits": "critical",
        "questions_are_in_their_split": "critical",
        "questions_are_unchanged": "critical",
        "splits_are_filled": "critical",
    },
    "external": {
        "media_are_held": "critical",
        "reasons_are_given": "critical",
        "rows_are_usable": "warning",
    },
    "mixture": {
        "every_row_is_placed": "critical",
        "no_row_shows_a_held_out_clip": "critical",
        "media_stay_in_one_split": "critical",
    },
    "evaluation": {
        "every_question_is_answered": "critical",
        "scores_follow_from_answers": "critical",
    },
}

_STUDENTS = ("student_sft", "student_p4d", "student_blind")

_CODE_GATES: Mapping[str, Mapping[str, Severity]] = {
    "clips": {
        "truth_flow_covers_the_picture": "critical",
        "truth_explains_the_pictures": "critical",
    },
    "expert": {
        "weights_are_finite": "critical",
        "unseen_looks_hold": "critical",
        "unseen_looks_are_measured": "warning",
        "newest_look_held": "warning",
        "loss_fell": "warning",
    },
    "questions": {"answers_follow_from_facts": "critical"},
    "release": {"counts_match": "critical"},
    "base_student": {"weights_are_finite": "critical"},
    **{name: {"weights_are_finite": "critical", "loss_fell": "warning"} for name in _STUDENTS},
}


def _sql(stage: str, name: str) -> SqlFile:
    found = sql_files("gates")[f"{stage}/{name}"]
    if not found.holds:
        raise ContractError(f"{found.path}: the header of a gate needs a line `holds:`")
    return found


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
            description=_sql(stage, name).holds or "",
            needs=stages_read(_sql(stage, name).body) - {stage},
        )
        for name, severity in _SQL_GATES.get(stage, {}).items()
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
        for name, severity in _CODE_GATES.get(stage, {}).items()
    ]
    return (*from_suite, *from_sql, *from_code)


_CODE_DESCRIPTIONS: Mapping[str, str] = {
    "answers_follow_from_facts": "Each answer is what its facts give when it is derived again.",
    "truth_explains_the_pictures": "No other reading of the truth of a video predicts its pictures "
    "better: depth along the ray, inverse poses, other axes or unit, late maps, no motion.",
    "truth_flow_covers_the_picture": "The flow that follows from depth and cameras of a video "
    "lands on the same surface for most pixels.",
    "loss_fell": "Of the steps that ask questions, the mean loss of the last fifth is below that "
    "of the first fifth.",
    "counts_match": "The manifest counts what the tables hold.",
    "unseen_looks_are_measured": "At least two looks that the expert was not trained on are "
    "recorded.",
    "newest_look_held": "On the look that was opened last, at its first run, at least 60 questions "
    "were judged and at most 3 % of them are untrue.",
    "unseen_looks_hold": "On each recorded look that the expert was not trained on, at least 60 "
    "questions were judged and at most 3 % of them are untrue.",
    "weights_are_finite": "No weight is NaN or infinite.",
}

_CHECKED = tuple(dict.fromkeys([*_SQL_GATES, *_SUITES, *_CODE_GATES]))

GATES: Mapping[str, tuple[Gate, ...]] = {stage: _gates_of(stage) for stage in _CHECKED}
"""The gates of every stage that has any."""


def needed_upstreams(stage_name: str) -> tuple[str, ...]:
    """Upstream stages whose folders `check_folders` needs beside the stage's, in input order."""
    wanted = {need for gate in GATES.get(stage_name, ()) for need in gate.needs}
    return tuple(name for name in stage_named(stage_name).inputs if name in wanted)


def check_folders(stage_name: str, folders: Mapping[str, Folder]) -> list[CheckResult]:
    """Run the gates of a stage on its files.

    Args:
        stage_name: the stage whose files are checked.
        folders: its folder (published or not), and those of `needed_upstreams(stage_name)`: of the
            same shard, or of every shard (by shard, or the one that holds them all) if the stage
            reads all of them.

    Returns:
        One result per gate of `GATES[stage_name]`, in that order. A gate that cannot run fails,
        with the reason in its metrics.

    Raises:
        ContractError: a needed folder is missing, so that gates would pass for lack of rows.
    """
    gates = GATES.get(stage_name, ())
    wanted = (stage_name, *needed_upstreams(stage_name)) if gates else ()
    if missing := [name for name in wanted if not folders.get(name)]:
        raise ContractError(f"gates of {stage_name} also need the folders of: {', '.join(missing)}")
    if not gates:
        return []
    from p4d.warehouse import Warehouse

    warehouse = Warehouse.over({name: folders[name] for name in wanted})
    by_name = {result.name: result for result in _run_suite(stage_name, gates, warehouse)}
    for gate in gates:
        if gate.kind == "sql":
            by_name[gate.name] = _run_sql(gate, warehouse)
        elif gate.kind == "code":
            by_name[gate.name] = _run_code(gate, folders)
    return [by_name[gate.name] for gate in gates]


def check_artifact(
    project: Project, stage_name: str, shard: str | None = None
) -> list[CheckResult]:
    """Run the gates of a stage on its published files; see `check_folders`."""
    folders: dict[str, Folder] = {}
    for name in (stage_name, *needed_upstreams(stage_name)):
        folder = project.data / name
        folders[name] = folder / shard if stage_named(name).per_shard and shard else folder
    return check_folders(stage_name, folders)


def prepare(stage_name: str) -> None:
    """Import what the gates of a stage need when they run, which takes seconds."""
    kinds = {gate.kind for gate in GATES.get(stage_name, ())}
    if "gx" in kinds:
        from p4d.quality import great_expectations

        great_expectations.prepare()
    if kinds & {"gx", "sql"}:
        import p4d.warehouse
    if "code" in kinds:
        import p4d.quality.code_gates  # noqa: F401


def blocking_gates() -> Mapping[str, tuple[str, ...]]:
    """By stage, the names of the gates that a version must have passed before it is read."""
    return {
        stage: tuple(gate.name for gate in gates if gate.blocking) for stage, gates in GATES.items()
    }


def _run_suite(stage_name: str, gates: Sequence[Gate], warehouse: Warehouse) -> list[CheckResult]:
    if stage_name not in _SUITES:
        return []
    from p4d.quality.great_expectations import validate

    suite = _SUITES[stage_name]
    try:
        return validate(suite, warehouse.query(suite.query))
    except P4DError as error:
        return [_cannot_run(gate, error) for gate in gates if gate.kind == "gx"]


def _run_sql(gate: Gate, warehouse: Warehouse) -> CheckResult:
    try:
        return _result(gate, warehouse.gate(f"{gate.stage}/{gate.name}"))
    except P4DError as error:
        return _cannot_run(gate, error)


def _run_code(gate: Gate, folders: Mapping[str, Folder]) -> CheckResult:
    from p4d.quality.code_gates import CODE_GATES

    try:
        metrics, offenders = CODE_GATES[gate.name](gate.stage, folders)
    except (P4DError, OSError, KeyError, ValueError) as error:
        return _cannot_run(gate, error)
    return _result(gate, offenders, metrics)


def _result(
    gate: Gate, offenders: pl.DataFrame, metrics: Mapping[str, float | int | str] | None = None
) -> CheckResult:
    # Through JSON: lists, times and decimals become plain values for any report.
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
