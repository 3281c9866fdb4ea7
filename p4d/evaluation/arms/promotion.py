"""The stage `champion`: whether the distilled student is promoted, with reasons.

The rule. A first challenger is promoted if its paired gain over the text-only control has a lower
bound above `first_min_gain_over_blind`, and if it is non-inferior to plain fine-tuning (the upper
bound of its gain over student_sft is at least `min_gain`). A later challenger is promoted if its
paired gain over the incumbent has a lower bound above `min_gain`. Both need at least `min_groups`
groups of videos, and both are rejected if a protected category falls by more than
`max_category_drop` or has no questions. With `max_general_drop` below 1 both are also rejected if
the mean score on held-out external rows (`general.py`) falls by more than that: below the champion
on the rows that both answered, or below the base student if the champion answered too few of them.
There may thus be no champion; a model at chance is none.

Every decision is one line of the append-only ledger in `champion_ledger.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table
from p4d.config import EvaluationParams, PromotionParams
from p4d.errors import ContractError
from p4d.evaluation.arms.champion_ledger import (
    ANSWERS,
    read_answers,
    read_general,
    read_ledger,
    write_decision,
)
from p4d.evaluation.arms.general import BASE, GENERAL_FILE, general_drop
from p4d.evaluation.scoring.statistics import AVERAGE, Bootstrap, Interval, paired_gain
from p4d.ids import content_id
from p4d.pipeline import StageInputs, StageReport

CHALLENGER, BASELINE, CONTROL = "p4d", "sft", "blind"
CHALLENGER_STAGE = "student_p4d"


def build_champion(inputs: StageInputs, out: Path) -> StageReport:
    """Decide, and append the decision to the ledger of the previous version.

    Writes `decision.json`, `champions.jsonl` and `champion_answers.parquet` (the champion's answers
    to each question it was promoted on, for the next challenger). The last one is absent while
    there is no champion. `champion_general.parquet` has its scores on held-out external rows, if
    there were any. A repeated run on the same evaluation and rule writes the same files.

    Raises:
        ContractError: the versions of the inputs are unknown, or the previous ledger is damaged.
    """
    rule: PromotionParams = inputs.params("promotion")
    statistics: EvaluationParams = inputs.params("evaluation")
    challenger = _version(inputs, CHALLENGER_STAGE)
    evaluation = _version(inputs, "evaluation")
    history = read_ledger(inputs.previous) if inputs.previous else []
    key = content_id("decision", evaluation, challenger, _rule_as_dict(rule))
    # Only the last one: the champion may have changed since an older decision.
    if inputs.previous and history and history[-1]["key"] == key:
        kept = read_answers(inputs.previous), read_general(inputs.previous)
        write_decision(out, history[-1], history, *kept)
        return _report(history[-1])

    predictions = read_table(inputs.folder("evaluation") / "predictions.parquet")
    incumbent = Incumbent.after(history, inputs.previous)
    general = GeneralScores.read(inputs.folder("evaluation"), inputs.previous)
    decision = decide(predictions, challenger, incumbent, rule, statistics, general)
    promoted = decision["decision"] == "promoted"
    record = {
        **decision,
        "key": key,
        "order": len(history) + 1,
        "evaluation": evaluation,
        "champion": challenger if promoted else (incumbent.version if incumbent else None),
    }
    own = predictions.filter(pl.col("arm") == CHALLENGER)
    answers = _kept_answers(own) if promoted else (incumbent.answers if incumbent else None)
    scores = general.own if promoted else (general.incumbent if incumbent else None)
    write_decision(out, record, [*history, record], answers, scores)
    return _report(record)


@dataclass(frozen=True)
class Incumbent:
    """The current champion.

    Attributes:
        version: data version of its checkpoint.
        answers: its answers at its promotion: `qa_id`, `category`, `group`, `answer_index` (the
            correct option at that time), `correct`.
    """

    version: str
    answers: pl.DataFrame

    @classmethod
    def after(cls, history: list[dict[str, Any]], folder: Path | None) -> Incumbent | None:
        """Return the champion at the end of a ledger, or None.

        Raises:
            ContractError: there is a champion, but its answers are missing.
        """
        version = history[-1]["champion"] if history else None
        if version is None or folder is None:
            return None
        answers = read_answers(folder)
        if answers is None:
            raise ContractError(f"{folder / ANSWERS} is missing, but {version} is champion")
        return cls(version, answers)


@dataclass(frozen=True)
class GeneralScores:
    """Scores on the held-out external rows: `row_id`, `group`, `score`; None: there are none.

    Attributes:
        own: of the challenger.
        base: of the student before training.
        incumbent: of the champion at its promotion.
    """

    own: pl.DataFrame | None = None
    base: pl.DataFrame | None = None
    incumbent: pl.DataFrame | None = None

    @classmethod
    def read(cls, evaluation: Path, previous: Path | None) -> GeneralScores:
        """The scores of an evaluation, and those of the previous champion."""
        incumbent = read_general(previous) if previous else None
        if not (evaluation / GENERAL_FILE).is_file():
            return cls(incumbent=incumbent)
        table = read_table(evaluation / GENERAL_FILE)

        def of(arm: str) -> pl.DataFrame:
            return table.filter(pl.col("arm") == arm).drop("arm").sort("row_id")

        return cls(own=of(CHALLENGER), base=of(BASE), incumbent=incumbent)


@dataclass(frozen=True)
class Comparison:
    """The paired gains of the challenger, per slice.

    Attributes:
        over_baseline: over student_sft.
        over_control: over student_blind, the text-only control.
        over_decisive: over what the challenger is compared with.
        compared_with: `incumbent`, or `student_sft` if too few questions are shared with it.
        shared: share of the questions that the incumbent answered, with an unchanged answer.
        changed: number of its questions whose correct answer has changed.
    """

    over_baseline: Mapping[str, Interval]
    over_control: Mapping[str, Interval]
    over_decisive: Mapping[str, Interval]
    compared_with: str
    shared: float
    changed: int

    @classmethod
    def of(
        cls,
        predictions: pl.DataFrame,
        incumbent: Incumbent | None,
        statistics: EvaluationParams,
        min_share: float,
    ) -> Comparison:
        """Compare the challenger's answers with the other arms and the incumbent."""
        bootstrap = Bootstrap(statistics.bootstrap_samples, statistics.confidence)
        arm = pl.col("arm")
        own = predictions.filter(arm == CHALLENGER)
        over_baseline = paired_gain(own, predictions.filter(arm == BASELINE), bootstrap)
        over_control = paired_gain(own, predictions.filter(arm == CONTROL), bootstrap)
        shared, changed = 0.0, 0
        decisive, compared_with = over_baseline, "student_sft"
        if incumbent:
            equal = incumbent.answers.join(own, on=["qa_id", "answer_index"], how="semi")
            changed = len(incumbent.answers.join(own, on="qa_id", how="semi")) - len(equal)
            shared = len(equal) / len(own)
            if shared >= min_share:
                decisive, compared_with = paired_gain(own, equal, bootstrap), "incumbent"
        return cls(over_baseline, over_control, decisive, compared_with, shared, changed)


@dataclass
class Reasons:
    """Reasons for and against a promotion; a challenger with any against it is rejected."""

    supporting: list[str]
    against: list[str]


def decide(
    predictions: pl.DataFrame,
    challenger: str,
    incumbent: Incumbent | None,
    rule: PromotionParams,
    statistics: EvaluationParams,
    general: GeneralScores | None = None,
) -> dict[str, Any]:
    """Apply the rule.

    Args:
        predictions: rows of all arms of the evaluation.
        challenger: data version of the distilled student.
        incumbent: the current champion, or None.
        rule: thresholds.
        statistics: settings of the bootstrap.
        general: scores on held-out external rows, for a rule with `max_general_drop`.

    Returns:
        `decision` (promoted or refused), `reasons`, `challenger`, `incumbent`, `compared_with`,
        `rule` and `evidence`.
    """
    found = Comparison.of(predictions, incumbent, statistics, rule.min_shared_questions)
    own = predictions.filter(pl.col("arm") == CHALLENGER)
    if incumbent is None:
        reasons = first(found, rule)
    else:
        reasons = later(found, rule, is_champion=incumbent.version == challenger)
    clusters = found.over_decisive[AVERAGE].clusters
    if clusters < rule.min_groups:
        reasons.against.append(
            f"the compared questions are of {clusters} groups of videos; a new champion needs "
            f"{rule.min_groups}"
        )
    reasons.against += categories(found.over_decisive, set(own["category"]), rule)
    forgotten = None
    if rule.max_general_drop < 1:
        forgotten, finding = forgetting(general or GeneralScores(), rule, statistics)
        reasons.against += [finding] if finding else []
    return {
        "decision": "refused" if reasons.against else "promoted",
        "reasons": [*reasons.supporting, *reasons.against, *_notes(found, incumbent)],
        "challenger": challenger,
        "incumbent": incumbent.version if incumbent else None,
        "compared_with": found.compared_with,
        "rule": _rule_as_dict(rule),
        "evidence": {
            "questions": len(own),
            "accuracy": round(own["correct"].sum() / len(own), 6),
            "shared_with_incumbent": round(found.shared, 6),
            "changed_since_incumbent": found.changed,
            "over_compared": {name: gain.as_dict() for name, gain in found.over_decisive.items()},
            "over_student_sft": found.over_baseline[AVERAGE].as_dict(),
            "over_student_blind": found.over_control[AVERAGE].as_dict(),
            **({"general_drop": forgotten} if forgotten else {}),
        },
    }


def first(found: Comparison, rule: PromotionParams) -> Reasons:
    """Check a challenger without incumbent: it must use the video and be non-inferior to SFT."""
    against = []
    over_control, over_baseline = found.over_control[AVERAGE], found.over_baseline[AVERAGE]
    least = rule.first_min_gain_over_blind
    if over_control.low <= least:
        against.append(
            f"gain over student_blind {_text(over_control)}: lower bound is not above {least:g}, "
            "so nothing shows that it uses the video"
        )
    if over_baseline.high < rule.min_gain:
        against.append(
            f"gain over student_sft {_text(over_baseline)}: upper bound is below {rule.min_gain:g}"
        )
    return Reasons(["no champion yet"], against)


def later(found: Comparison, rule: PromotionParams, *, is_champion: bool) -> Reasons:
    """Check a challenger against the incumbent, or against SFT if too few questions are shared."""
    if is_champion:
        return Reasons([], ["this version is champion already"])
    supporting = []
    if found.compared_with != "incumbent":
        supporting.append(
            f"the champion answered {found.shared:.0%} of these questions, too few to compare"
        )
    gain = found.over_decisive[AVERAGE]
    enough = gain.low > rule.min_gain
    finding = (
        f"gain over {found.compared_with} {_text(gain)}: lower bound is "
        f"{'above' if enough else 'not above'} {rule.min_gain:g}"
    )
    return Reasons([*supporting, finding], []) if enough else Reasons(supporting, [finding])


def categories(
    gains: Mapping[str, Interval], asked: Collection[str], rule: PromotionParams
) -> list[str]:
    """Return a reason for each protected category that fell or cannot be compared."""
    against = []
    for name in rule.protected_categories:
        if name not in asked:
            against.append(f"protected category {name} has no question in the test split")
        elif name not in gains:
            against.append(f"protected category {name} has no question that can be compared")
        elif gains[name].value < -rule.max_category_drop:
            against.append(
                f"protected category {name} fell by {-gains[name].value:.3f}, "
                f"more than {rule.max_category_drop:g}"
            )
    return against


def forgetting(
    general: GeneralScores, rule: PromotionParams, statistics: EvaluationParams
) -> tuple[dict[str, Any] | None, str]:
    """The fall on held-out external rows as evidence, and the reason against a promotion if any."""
    if general.own is None or general.base is None:
        return None, (
            "no external row is held out (external.heldout_fraction), so nothing shows what the "
            "challenger forgot"
        )
    bootstrap = Bootstrap(statistics.bootstrap_samples, statistics.confidence)
    reference, compared_with = general.base, "base_student"
    if general.incumbent is not None:
        shared = len(general.own.join(general.incumbent, on="row_id", how="semi"))
        if shared >= rule.min_shared_questions * len(general.own):
            reference, compared_with = general.incumbent, "incumbent"
    fall = general_drop(general.own, reference, bootstrap)
    assert fall is not None, "the base student answers every row, and the champion enough of them"
    evidence = {"compared_with": compared_with, **fall.as_dict()}
    if fall.value <= rule.max_general_drop:
        return evidence, ""
    return evidence, (
        f"on {fall.n} held-out external rows the score fell by {fall.value:.3f} against "
        f"{compared_with}, more than {rule.max_general_drop:g}"
    )


def _notes(found: Comparison, incumbent: Incumbent | None) -> list[str]:
    notes = []
    if found.changed:
        notes.append(
            f"note: {found.changed} questions have another answer than at the champion's "
            "promotion; they are left out"
        )
    over_control = found.over_control[AVERAGE]
    if incumbent and over_control.low <= 0:
        notes.append(f"note: not clearly better than the blind control ({_text(over_control)})")
    return notes


def _kept_answers(predictions: pl.DataFrame) -> pl.DataFrame:
    return predictions.select("qa_id", "clip_id", "category", "group", "answer_index", "correct")


def _rule_as_dict(rule: PromotionParams) -> dict[str, Any]:
    return {
        "min_gain": rule.min_gain,
        "first_min_gain_over_blind": rule.first_min_gain_over_blind,
        "max_category_drop": rule.max_category_drop,
        "protected_categories": list(rule.protected_categories),
        # Only if it is asked for: the key of a decision stays that of an earlier version.
        **({"max_general_drop": rule.max_general_drop} if rule.max_general_drop < 1 else {}),
    }


def _version(inputs: StageInputs, stage: str) -> str:
    if stage not in inputs.versions:
        raise ContractError(f"stage champion needs the data version of {stage}; none was given")
    return inputs.versions[stage]


def _text(gain: Interval) -> str:
    return f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _report(record: Mapping[str, Any]) -> StageReport:
    return StageReport(
        rows={"ok": 1},
        metrics={"decision": record["decision"], "why": "; ".join(record["reasons"])},
    )
