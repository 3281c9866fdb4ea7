"""Great Expectations suites as plain data.

Each expectation names a class of `great_expectations.expectations` and its arguments;
`p4d.quality.great_expectations` builds them, so that declaring checks imports nothing. A suite
checks the small table that its query returns over the stage's files.

Thresholds are sanity limits of data that is fit for training. They never change an artifact, so
they are not parameters. A description takes its limits from the arguments: `{low}`, `{high}`.
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
        name: name of the check: what holds when it passes.
        kind: class in `great_expectations.expectations`.
        arguments: its arguments.
        where: keep rows with these values only; without such a row the check passes.
        optional: leave out nulls, which mean "not measured" (no truth, no valid pixel); otherwise
            a null fails.
    """

    name: str
    kind: str
    description: str
    arguments: Mapping[str, object]
    severity: Severity = "critical"
    where: Mapping[str, str | int] = field(default_factory=dict)
    optional: bool = False

    @property
    def limits(self) -> Mapping[str, float | int | str]:
        """What is allowed, by name: `at_least`, `above`, `at_most`, `one_of`."""
        given = self.arguments
        lower = "above" if given.get("strict_min") else "at_least"
        named = {
            lower: given.get("min_value"),
            "at_most": given.get("max_value", given.get("threshold")),
        }
        found: dict[str, float | int | str] = {
            name: value for name, value in named.items() if isinstance(value, int | float)
        }
        if isinstance(values := given.get("value_set"), list):
            found["one_of"] = ", ".join(map(str, values))
        return found


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
    # A shard of rejected videos alone is empty and legitimate, so this warns only.
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
        description=description.format(low=low, high=high),
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
        description=description.format(low=low, high=high),
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
            greatest(abs(s.min), abs(s.max)) / l.map_px as largest_per_side,
            -- Depth and flow that came with a dataset may be sparse and of any unit.
            case when s.teacher = 'exact' and p.clip_id is not null then 1 else 0 end as in_parts
        from stg_label_stats as s
        left join stg_labels as l using (clip_id, teacher)
        left join stg_truth_parts as p using (clip_id)
        order by s.clip_id, s.teacher, s.modality
    """,
    key=("clip_id", "teacher", "modality"),
    expectations=(
        _rows("has_rows", "label statistics"),
        Expectation(
            name="rows_are_unique",
            kind="ExpectCompoundColumnsToBeUnique",
            description="There is one row of statistics per clip, teacher and modality.",
            arguments={"column_list": ["clip_id", "teacher", "modality"]},
        ),
        _in_set(
            "modalities_are_known",
            "modality",
            ("depth", "flow", "motion", "rays", "latents"),
            "Every modality is known.",
        ),
        # NaN and infinity are counted at the source: engines disagree on whether NaN is a null.
        _between("no_nan", "n_nan", "No label holds a NaN.", low=0, high=0, optional=False),
        _between(
            "no_infinity",
            "n_inf",
            "No label holds an infinity.",
            low=0,
            high=0,
            optional=False,
        ),
        _between(
            "coverage_is_a_share",
            "coverage",
            "Coverage is a share, from {low} to {high}.",
            low=0,
            high=1,
            optional=False,
        ),
        _mean(
            "depth_is_mostly_valid",
            "coverage",
            "Depth is valid on at least {low:.0%} of the pixels, on average.",
            low=0.5,
            severity="critical",
            where={"modality": "depth", "in_parts": 0},
        ),
        _mean(
            "flow_is_valid_on_a_quarter",
            "coverage",
            "Flow is valid on at least {low:.0%} of the pixels, on average.",
            low=0.25,
            where={"modality": "flow", "in_parts": 0},
        ),
        _between(
            "depth_is_positive",
            "min",
            "Every depth is positive.",
            low=0,
            strict_low=True,
            where={"modality": "depth"},
        ),
        _between(
            "depth_is_below_a_kilometre",
            "max",
            "Every depth is at most {high} m.",
            high=1000,
            where={"modality": "depth", "in_parts": 0},
        ),
        _between(
            "flow_is_within_two_map_sides",
            "largest_per_side",
            "No flow is longer than {high} sides of the map.",
            high=2,
            where={"modality": "flow"},
        ),
        _between(
            "motion_is_not_below_0",
            "min",
            "No motion probability is below {low}.",
            low=0,
            where={"modality": "motion"},
        ),
        _between(
            "motion_is_not_above_1",
            "max",
            "No motion probability is above {high}.",
            high=1,
            where={"modality": "motion"},
        ),
        # The exact teacher may lose only what its storage rounds: f16 depth, flow in 1/64 px.
        _between(
            "exact_depth_is_exact",
            "depth_absrel",
            "Exact depth is within {high:.0%} of the truth.",
            high=0.01,
            where=_EXACT,
        ),
        _between(
            "exact_flow_is_exact",
            "flow_epe_px",
            "Exact flow is within {high} px of the truth.",
            high=0.05,
            where=_EXACT,
        ),
        _between(
            "exact_motion_is_exact",
            "motion_iou",
            "Exact motion has an IoU with the truth of at least {low}.",
            low=0.99,
            where=_EXACT,
        ),
        _between(
            "exact_rays_are_exact",
            "ray_angle_rad",
            "Exact rays are within {high} rad of the truth.",
            high=0.01,
            where=_EXACT,
        ),
        _mean(
            "expert_depth_is_useful",
            "depth_absrel",
            "The expert's depth is within {high:.0%} of the truth on average.",
            high=0.35,
            where=_EXPERT,
        ),
        _mean(
            "expert_flow_beats_zero",
            "flow_gain_px",
            "The expert's flow is nearer to the truth than zero flow, on average.",
            low=0,
            where=_EXPERT,
        ),
        _mean(
            "expert_motion_is_useful",
            "motion_iou",
            "The expert's motion has an IoU with the truth of at least {low} on average.",
            low=0.2,
            where=_EXPERT,
        ),
    ),
)

FACTS = Suite(
    name="facts",
    # No label stands behind exact facts, which are measured on truth, nor behind facts of regions
    # of source `flow`, which are measured on the frames of the video.
    query="""
        select
            f.* exclude (shard),
            len(list_filter(
                string_split(coalesce(f.teacher, '?'), '+'),
                lambda x: x not in ('exact', 'flow_dis') and not list_contains(t.names, x)
            )) as unknown_teachers
        from stg_facts as f
        cross join (
            select coalesce(list(distinct teacher), []) as names
            from stg_labels where outcome = 'ok'
        ) as t
        order by f.fact_id
    """,
    key=("fact_id",),
    expectations=(
        _rows("has_rows", "facts"),
        _in_set(
            "frames_are_known",
            "frame",
            ("camera_first", "camera_at", "picture", "world", "object"),
            "Each fact names the frame it is measured in.",
        ),
        _between(
            "teachers_are_known",
            "unknown_teachers",
            "Each fact names the teachers it is measured on.",
            low=0,
            high=0,
            optional=False,
        ),
        _between(
            "sigma_is_not_negative",
            "sigma",
            "No standard deviation is negative.",
            low=0,
            optional=False,
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
        _rows("has_rows", "questions"),
        Expectation(
            name="qa_ids_are_unique",
            kind="ExpectColumnValuesToBeUnique",
            description="Question ids are unique.",
            arguments={"column": "qa_id"},
        ),
        _in_set(
            "letters_are_a_to_e", "answer", tuple("ABCDE"), "Every answer is a letter from A to E."
        ),
        _in_set(
            "categories_are_known", "category", CATEGORIES, "Every category is one of the nine."
        ),
        _between(
            "margin_is_at_least_one_sigma",
            "margin_sigma",
            "The nearest wrong answer is at least {low} standard deviation away.",
            low=1,
            optional=False,
        ),
    ),
)
