"""Great Expectations suites as plain data.

Each expectation names a class of `great_expectations.expectations` and its arguments; the runner
builds them, so declaring checks costs no import. A suite judges the small table that its query
makes of the stage's files.

Thresholds are sanity limits of data that training can use, not results: they never change an
artifact, so they are no parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from p4d.categories import CATEGORIES
from p4d.quality.results import Severity


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One expectation.

    Attributes:
        name: name of the check.
        kind: class in `great_expectations.expectations`.
        arguments: its arguments.
        where: keep rows with these values only; no such row means nothing to judge.
        optional: a null means "not measured" (no truth, no valid pixel) and is left out; otherwise
            a null fails.
    """

    name: str
    kind: str
    description: str
    arguments: Mapping[str, object]
    severity: Severity = "critical"
    where: Mapping[str, str | int] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Expectations of one table.

    Attributes:
        query: SQL over the warehouse's views that makes the table.
        key: columns that name an offending row.
    """

    name: str
    query: str
    key: tuple[str, ...]
    expectations: tuple[Expectation, ...]


def _rows(name: str, what: str) -> Expectation:
    # A shard of rejected videos alone is empty and legitimate, so this warns and does not block.
    return Expectation(
        name=name,
        kind="ExpectTableRowCountToBeBetween",
        description=f"There are {what}.",
        arguments={"min_value": 1},
        severity="warning",
    )


def _between(
    name: str,
    column: str,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    strict_low: bool = False,
    severity: Severity = "critical",
    where: Mapping[str, str | int] | None = None,
    optional: bool = True,
) -> Expectation:
    return Expectation(
        name=name,
        kind="ExpectColumnValuesToBeBetween",
        description=description,
        arguments={
            "column": column,
            "min_value": low,
            "max_value": high,
            "strict_min": strict_low,
        },
        severity=severity,
        where=where or {},
        optional=optional,
    )


def _mean(
    name: str,
    column: str,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    severity: Severity = "warning",
    where: Mapping[str, str | int] | None = None,
    optional: bool = True,
) -> Expectation:
    return Expectation(
        name=name,
        kind="ExpectColumnMeanToBeBetween",
        description=description,
        arguments={"column": column, "min_value": low, "max_value": high},
        severity=severity,
        where=where or {},
        optional=optional,
    )


def _in_set(name: str, column: str, values: tuple[str, ...], description: str) -> Expectation:
    return Expectation(
        name=name,
        kind="ExpectColumnValuesToBeInSet",
        description=description,
        arguments={"column": column, "value_set": list(values)},
    )


_EXPERT = {"teacher": "expert4d"}
_EXACT = {"teacher": "exact"}

LABELS = Suite(
    name="labels",
    query="""
        select
            s.* exclude (shard),
            s.flow_zero_epe_px - s.flow_epe_px as flow_gain_px,
            greatest(abs(s.min), abs(s.max)) / l.map_px as largest_per_side
        from stg_label_stats as s
        left join stg_labels as l using (clip_id, teacher)
        order by s.clip_id, s.teacher, s.modality
    """,
    key=("clip_id", "teacher", "modality"),
    expectations=(
        _rows("label_rows", "label statistics"),
        Expectation(
            name="label_rows_unique",
            kind="ExpectCompoundColumnsToBeUnique",
            description="One row of statistics per clip, teacher and modality.",
            arguments={"column_list": ["clip_id", "teacher", "modality"]},
        ),
        _in_set(
            "label_modalities_known",
            "modality",
            ("depth", "flow", "motion", "rays"),
            "Only known modalities.",
        ),
        # NaN and infinity are counted at the source: engines disagree on whether NaN is a null.
        _between("label_no_nan", "n_nan", "No label holds a NaN.", low=0, high=0, optional=False),
        _between(
            "label_no_infinity",
            "n_inf",
            "No label holds an infinity.",
            low=0,
            high=0,
            optional=False,
        ),
        _between(
            "label_coverage", "coverage", "Coverage is a share.", low=0, high=1, optional=False
        ),
        _mean(
            "label_depth_coverage",
            "coverage",
            "Depth is valid on at least half of the pixels.",
            low=0.5,
            severity="critical",
            where={"modality": "depth"},
        ),
        _mean(
            "label_flow_coverage",
            "coverage",
            "Flow is valid on at least a quarter of the pixels.",
            low=0.25,
            where={"modality": "flow"},
        ),
        _between(
            "label_depth_positive",
            "min",
            "Depth is positive.",
            low=0,
            strict_low=True,
            where={"modality": "depth"},
        ),
        _between(
            "label_depth_limited",
            "max",
            "Depth is below a kilometre.",
            high=1000,
            where={"modality": "depth"},
        ),
        _between(
            "label_flow_limited",
            "largest_per_side",
            "Flow is at most twice the side of the map.",
            high=2,
            where={"modality": "flow"},
        ),
        _between(
            "label_motion_low",
            "min",
            "Motion is a probability: not below 0.",
            low=0,
            where={"modality": "motion"},
        ),
        _between(
            "label_motion_high",
            "max",
            "Motion is a probability: not above 1.",
            high=1,
            where={"modality": "motion"},
        ),
        # The exact teacher may lose only what its storage rounds: f16 depth, flow in 1/64 px.
        _between(
            "exact_depth_is_exact",
            "depth_absrel",
            "Exact depth is within 1 % of the truth.",
            high=0.01,
            where=_EXACT,
        ),
        _between(
            "exact_flow_is_exact",
            "flow_epe_px",
            "Exact flow is within 0.05 px of the truth.",
            high=0.05,
            where=_EXACT,
        ),
        _between(
            "exact_motion_is_exact",
            "motion_iou",
            "Exact motion overlaps the truth to 99 %.",
            low=0.99,
            where=_EXACT,
        ),
        _between(
            "exact_rays_are_exact",
            "ray_angle_rad",
            "Exact rays are within 0.01 rad of the truth.",
            high=0.01,
            where=_EXACT,
        ),
        _mean(
            "expert_depth_useful",
            "depth_absrel",
            "The expert's depth is within 35 % on average.",
            high=0.35,
            where=_EXPERT,
        ),
        _mean(
            "expert_flow_beats_zero",
            "flow_gain_px",
            "The expert's flow is better than predicting none.",
            low=0,
            where=_EXPERT,
        ),
        _mean(
            "expert_motion_useful",
            "motion_iou",
            "The expert's motion overlaps the truth to a fifth.",
            low=0.2,
            where=_EXPERT,
        ),
    ),
)

FACTS = Suite(
    name="facts",
    query="select * exclude (shard) from stg_facts order by fact_id",
    key=("fact_id",),
    expectations=(
        _rows("fact_rows", "facts"),
        _in_set(
            "fact_frames_known",
            "frame",
            ("camera_first", "camera_at", "picture", "world", "object"),
            "Each fact names the frame it is measured in.",
        ),
        _in_set(
            "fact_teachers_known",
            "teacher",
            ("exact", "expert4d"),
            "Each fact names the teacher it is measured on.",
        ),
        _between(
            "fact_sigma", "sigma", "Standard deviations are not negative.", low=0, optional=False
        ),
    ),
)

QUESTIONS = Suite(
    name="questions",
    query="""
        select * exclude (shard), len(options) as n_options
        from stg_questions
        order by qa_id
    """,
    key=("qa_id",),
    expectations=(
        _rows("question_rows", "questions"),
        Expectation(
            name="question_qa_id_unique",
            kind="ExpectColumnValuesToBeUnique",
            description="Question ids are unique.",
            arguments={"column": "qa_id"},
        ),
        _in_set("question_letters", "answer", tuple("ABCDE"), "Answers are letters A to E."),
        _in_set("question_categories", "category", CATEGORIES, "Only the nine categories."),
        _between(
            "question_margin",
            "margin_sigma",
            "The nearest wrong answer is at least one standard deviation away.",
            low=1,
            optional=False,
        ),
        Expectation(
            name="question_letters_balanced",
            kind="ExpectColumnKLDivergenceToBeLessThan",
            description="Among questions with four options, answer letters are balanced.",
            arguments={
                "column": "answer",
                "partition_object": {"values": list("ABCD"), "weights": [0.25] * 4},
                "threshold": 0.05,
                # Without it, one unseen letter makes the divergence infinite.
                "tail_weight_holdout": 0.001,
            },
            severity="warning",
            where={"n_options": 4},
        ),
    ),
)
