"""The rule of promotions, applied to the answers of one evaluation; see `promotion.py`.

Decisions rest on the t-intervals of `cluster_t.py` at the error rate of the try. The intervals that
are recorded beside them, `over_...`, are bootstraps at `evaluation.confidence`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from p4d.config import EvaluationParams, PromotionParams
from p4d.errors import ContractError
from p4d.evaluation.arms.error_spending import ErrorSpending
from p4d.evaluation.arms.incumbent import Incumbent
from p4d.evaluation.arms.names import ARMS, BASELINE, BLIND, CHALLENGER, FIRST_FRAME
from p4d.evaluation.scoring.cluster_t import ClusterT
from p4d.evaluation.scoring.statistics import (
    AVERAGE,
    Bootstrap,
    Interval,
    IntervalMethod,
    paired_gain,
)

_CONTROLS = {BLIND: ARMS[BLIND], FIRST_FRAME: "student_p4d that is shown its first frame alone"}


@dataclass(frozen=True)
class Comparison:
    """The paired gains of the challenger, per slice.

    Attributes:
        over_baseline: over student_sft.
        over_blind: over student_blind, the text-only control.
        over_first_frame: over the challenger itself when it is shown nothing but the first frame.
        over_decisive: over what the challenger is compared with.
        compared_with: `incumbent`, or `student_sft` while there is none.
        shared: share of the questions that the incumbent answered, with an unchanged answer.
        changed: number of its questions whose correct answer has changed.
    """

    over_baseline: Mapping[str, Interval]
    over_blind: Mapping[str, Interval]
    over_first_frame: Mapping[str, Interval]
    over_decisive: Mapping[str, Interval]
    compared_with: str
    shared: float
    changed: int


@dataclass(frozen=True)
class Evidence:
    """The answers of the arms and of the champion, to compare with any kind of interval.

    Attributes:
        own: of the challenger.
        arms: of the other arms, by name.
        incumbent: the champion, or None.
        least_share: `promotion.min_shared_questions`.
    """

    own: pl.DataFrame
    arms: Mapping[str, pl.DataFrame]
    incumbent: Incumbent | None
    least_share: float

    @classmethod
    def of(
        cls, predictions: pl.DataFrame, incumbent: Incumbent | None, rule: PromotionParams
    ) -> Evidence:
        """Split the predictions of an evaluation by arm.

        Raises:
            ContractError: an arm did not answer every question of the challenger.
        """
        arms = {arm: predictions.filter(arm=arm) for arm in (BASELINE, *_CONTROLS)}
        own = predictions.filter(arm=CHALLENGER)
        for arm, rows in arms.items():
            if set(rows["qa_id"]) != set(own["qa_id"]):
                raise ContractError(
                    f"the evaluation has {len(rows)} answers of {arm} to {len(own)} questions; "
                    "make the stage evaluation again"
                )
        return cls(own, arms, incumbent, rule.min_shared_questions)

    @property
    def unchanged(self) -> pl.DataFrame | None:
        """The champion's answers to questions of today whose correct answer is the same."""
        if self.incumbent is None:
            return None
        asked = ["qa_id", "answer_index"]
        return self.incumbent.answers.join(self.own, on=asked, how="semi")

    @property
    def comparable(self) -> bool:
        """Whether the champion answered enough of today's questions."""
        unchanged = self.unchanged
        return unchanged is not None and len(unchanged) >= self.least_share * len(self.own)

    def compare(self, method: IntervalMethod) -> Comparison:
        """All gains of the challenger with intervals of one kind."""
        over = {arm: paired_gain(self.own, rows, method) for arm, rows in self.arms.items()}
        decisive, compared_with, shared, changed = over[BASELINE], "student_sft", 0.0, 0
        if (unchanged := self.unchanged) is not None and self.incumbent is not None:
            answered = self.incumbent.answers.join(self.own, on="qa_id", how="semi")
            shared, changed = len(unchanged) / len(self.own), len(answered) - len(unchanged)
            if self.comparable:
                decisive, compared_with = paired_gain(self.own, unchanged, method), "incumbent"
        return Comparison(
            over_baseline=over[BASELINE],
            over_blind=over[BLIND],
            over_first_frame=over[FIRST_FRAME],
            over_decisive=decisive,
            compared_with=compared_with,
            shared=shared,
            changed=changed,
        )


@dataclass
class Reasons:
    """Reasons for and against a promotion; a challenger with any against it is refused."""

    supporting: list[str]
    against: list[str]


def decide(
    predictions: pl.DataFrame,
    challenger: str,
    incumbent: Incumbent | None,
    rule: PromotionParams,
    statistics: EvaluationParams,
    spending: ErrorSpending,
) -> dict[str, Any]:
    """Apply the rule.

    Args:
        predictions: rows of all arms of the evaluation.
        challenger: data version of the distilled student.
        incumbent: the current champion, with its answers to today's questions, or None.
        rule: thresholds.
        statistics: settings of the bootstrap.
        spending: which try it is, and its error rate.

    Returns:
        `decision` (promoted or refused), `reasons`, `challenger`, `incumbent`, `compared_with`,
        `rule`, `error_rate` and `evidence`.
    """
    evidence = Evidence.of(predictions, incumbent, rule)
    found = evidence.compare(Bootstrap(statistics.bootstrap_samples, statistics.confidence))
    tested = evidence.compare(ClusterT(spending.of_try))
    is_champion = incumbent is not None and incumbent.version == challenger
    if incumbent is None:
        reasons = first(tested, found, rule)
    elif is_champion:
        reasons = Reasons([], ["this version is champion already"])
    else:
        reasons = later(tested, rule)
    spent = not is_champion and tested.over_decisive[AVERAGE].clusters >= rule.min_groups
    spent = spent and (incumbent is None or evidence.comparable)
    reasons.against += too_few_groups(tested, rule)
    names = [name for name in found.over_decisive if name in set(evidence.own["category"])]
    of_categories = evidence.compare(
        ClusterT((1 - statistics.confidence) / max(len(names), 1))
    ).over_decisive
    falls = {name: of_categories[name] for name in names}
    reasons.against += categories(falls, set(evidence.own["category"]), rule)
    return {
        "decision": "refused" if reasons.against else "promoted",
        "reasons": [
            *reasons.supporting, *reasons.against, *_notes(tested, found, incumbent, spending)
        ],
        "challenger": challenger,
        "incumbent": incumbent.version if incumbent else None,
        "compared_with": found.compared_with,
        "rule": rule_as_dict(rule),
        "error_rate": spending.as_dict(spent=spent),
        "evidence": _as_evidence(evidence, found, tested, falls),
    }  # fmt: skip


def first(tested: Comparison, found: Comparison, rule: PromotionParams) -> Reasons:
    """A challenger without incumbent: it must use the video, and more of it than one frame.

    It also must not be clearly worse than plain fine-tuning.
    """
    against = []
    required = {
        BLIND: (tested.over_blind, rule.first_min_gain_over_blind, "the video"),
        FIRST_FRAME: (
            tested.over_first_frame,
            rule.first_min_gain_over_first_frame,
            "anything but the first frame",
        ),
    }
    for arm, (over, least, used) in required.items():
        gain = over[AVERAGE]
        if least > -1 and gain.low <= least:
            against.append(
                f"gain over {_CONTROLS[arm]} {_text(gain)}: lower bound is not above {least:g}, "
                f"so nothing shows that it uses {used}"
            )
    over_baseline = found.over_baseline[AVERAGE]
    if over_baseline.high < rule.min_gain:
        against.append(
            f"gain over student_sft {_text(over_baseline)}: upper bound is below {rule.min_gain:g}"
        )
    return Reasons(["no champion yet"], against)


def later(tested: Comparison, rule: PromotionParams) -> Reasons:
    """A challenger against the incumbent, on questions that both answered."""
    if tested.compared_with != "incumbent":
        return Reasons(
            [],
            [
                f"the champion answered {tested.shared:.0%} of these questions, too few to "
                "compare, and the cache no longer has its weights; `dvc fetch` them, "
                "or evaluate once on the questions of its promotion (`p4d why champion`)"
            ],
        )
    gain = tested.over_decisive[AVERAGE]
    enough = gain.low > rule.min_gain
    finding = (
        f"gain over {tested.compared_with} {_text(gain)}: lower bound is "
        f"{'above' if enough else 'not above'} {rule.min_gain:g}"
    )
    return Reasons([finding], []) if enough else Reasons([], [finding])


def too_few_groups(tested: Comparison, rule: PromotionParams) -> list[str]:
    """A reason against a decision on too few groups of videos."""
    clusters = tested.over_decisive[AVERAGE].clusters
    if clusters >= rule.min_groups:
        return []
    return [
        f"the compared questions are of {clusters} groups of videos; a new champion needs "
        f"{rule.min_groups}"
    ]


def categories(
    gains: Mapping[str, Interval], asked: Collection[str], rule: PromotionParams
) -> list[str]:
    """Return a reason for each category that fell, and each protected one that may have fallen.

    Args:
        gains: of each category that can be compared, with simultaneous intervals.
        asked: the categories of the test split.
        rule: a category may fall by `max_category_drop`. A protected one must be shown not to fall
            further; any other must not be shown to.
    """
    against = []
    for name in sorted({*rule.protected_categories, *gains}):
        protected = name in rule.protected_categories
        if name not in asked:
            against.append(f"protected category {name} has no question in the test split")
        elif name not in gains:
            against.append(f"protected category {name} has no question that can be compared")
        elif gains[name].high < -rule.max_category_drop:
            against.append(
                f"category {name} fell, {_text(gains[name])} corrected for {len(gains)} looks: "
                f"more than {rule.max_category_drop:g}"
            )
        elif protected and gains[name].low < -rule.max_category_drop:
            against.append(
                f"protected category {name} may have fallen, {_text(gains[name])} corrected for "
                f"{len(gains)} looks: {gains[name].n} questions do not exclude a fall of more than "
                f"{rule.max_category_drop:g}"
            )
    return against


def rule_as_dict(rule: PromotionParams) -> dict[str, Any]:
    """The thresholds as a decision records them."""
    return {
        "alpha": rule.alpha,
        "min_gain": rule.min_gain,
        "first_min_gain_over_blind": rule.first_min_gain_over_blind,
        "first_min_gain_over_first_frame": rule.first_min_gain_over_first_frame,
        "max_category_drop": rule.max_category_drop,
        "protected_categories": list(rule.protected_categories),
        # Only if it is asked for: the key of a decision stays that of an earlier version.
        **({"max_general_drop": rule.max_general_drop} if rule.max_general_drop < 1 else {}),
    }


def _notes(
    tested: Comparison,
    found: Comparison,
    incumbent: Incumbent | None,
    spending: ErrorSpending,
) -> list[str]:
    against = "this champion" if incumbent else "the controls"
    notes = [
        f"note: try {spending.number} against {against}, tested at {spending.of_try:.2g} of the "
        f"error rate {spending.alpha:g}"
    ]
    if incumbent and incumbent.answered == "again":
        notes.append("note: the questions have changed; the champion answered them again")
    if tested.changed:
        notes.append(
            f"note: {tested.changed} questions have another answer than at the champion's "
            "promotion; they are left out"
        )
    for name, over in (
        ("the blind control", found.over_blind),
        ("its own answers to the first frame alone", found.over_first_frame),
    ):
        if incumbent and over[AVERAGE].low <= 0:
            notes.append(f"note: not clearly better than {name} ({_text(over[AVERAGE])})")
    return notes


def _as_evidence(
    evidence: Evidence,
    found: Comparison,
    tested: Comparison,
    falls: Mapping[str, Interval],
) -> dict[str, Any]:
    own, incumbent = evidence.own, evidence.incumbent
    decisive = {
        f"over_{found.compared_with}": tested.over_decisive[AVERAGE],
        "over_student_blind": tested.over_blind[AVERAGE],
        "over_first_frame": tested.over_first_frame[AVERAGE],
    }
    return {
        "questions": len(own),
        "accuracy": round(own["correct"].sum() / len(own), 6),
        "shared_with_incumbent": round(found.shared, 6),
        "changed_since_incumbent": found.changed,
        **({"incumbent_answered": incumbent.answered} if incumbent else {}),
        "over_compared": {name: gain.as_dict() for name, gain in found.over_decisive.items()},
        "over_student_sft": found.over_baseline[AVERAGE].as_dict(),
        "over_student_blind": found.over_blind[AVERAGE].as_dict(),
        "over_student_p4d_first_frame": found.over_first_frame[AVERAGE].as_dict(),
        "at_error_rate_of_try": {name: gain.as_dict() for name, gain in decisive.items()},
        "categories_simultaneous": {name: gain.as_dict() for name, gain in falls.items()},
    }


def _text(gain: Interval) -> str:
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
