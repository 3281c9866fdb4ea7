"""Promotion: does the distilled student become champion, and why.

The rule: a first challenger is promoted only when it sees: its paired gain over the control without
video has a lower bound above `first_min_gain_over_blind`, and it is not clearly worse than plain
fine-tuning (the upper bound of its gain over student_sft is at least `min_gain`). A later one is
promoted only when its paired gain over the incumbent has a lower bound above `min_gain`. Both need
enough groups of videos to know, and are refused when a protected category falls by more than
`max_category_drop` or is not asked about. So there may be no champion; a model at chance is none.

Every decision is one line of an append-only ledger, which carries order and data versions but no
clock: when a version was published is in the project's ledger.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.config import EvaluationParams, PromotionParams
from p4d.errors import ContractError
from p4d.evaluation.scoring.metrics import AVERAGE, Bootstrap, Interval, paired_gain
from p4d.ids import content_id
from p4d.pipeline import StageInputs, StageReport

CHALLENGER, BASELINE, CONTROL = "p4d", "sft", "blind"
CHALLENGER_STAGE = "student_p4d"
LEDGER, ANSWERS, DECISION = "champions.jsonl", "champion_answers.parquet", "decision.json"

COMPARABLE_SHARE = 0.5
"""Share of the present questions an incumbent must have answered to be compared on them."""

LEAST_GROUPS = 5
"""Groups of videos below which an interval is too unsure of itself to make a champion."""


def build_champion(inputs: StageInputs, out: Path) -> StageReport:
    """Decide, and append the decision to the ledger of the previous run.

    Writes `decision.json`, `champions.jsonl` and `champion_answers.parquet` (what the champion
    answered to each question it was judged on, for the next challenger); the last one is absent as
    long as there is no champion. A second run in a row on the same evaluation and rule writes the
    same files again.

    Raises:
        ContractError: the versions of the inputs are not known, or the previous ledger is damaged.
    """
    rule: PromotionParams = inputs.params("promotion")
    statistics: EvaluationParams = inputs.params("evaluation")
    challenger = _version(inputs, CHALLENGER_STAGE)
    evaluation = _version(inputs, "evaluation")
    history = read_ledger(inputs.previous) if inputs.previous else []
    key = content_id("decision", evaluation, challenger, _rule_as_dict(rule))
    # Only the last one: between an older decision and now the champion may have changed.
    if inputs.previous and history and history[-1]["key"] == key:
        _write(out, history[-1], history, _answers(inputs.previous))
        return _report(history[-1])

    predictions = read_table(inputs.folder("evaluation") / "predictions.parquet")
    incumbent = Incumbent.after(history, inputs.previous)
    decision = decide(predictions, challenger, incumbent, rule, statistics)
    promoted = decision["decision"] == "promoted"
    record = {
        **decision,
        "key": key,
        "order": len(history) + 1,
        "evaluation": evaluation,
        "champion": challenger if promoted else (incumbent.version if incumbent else None),
    }
    own = predictions.filter(pl.col("arm") == CHALLENGER)
    answers = _rows_kept(own) if promoted else (incumbent.answers if incumbent else None)
    _write(out, record, [*history, record], answers)
    return _report(record)


@dataclass(frozen=True)
class Incumbent:
    """The champion so far.

    Attributes:
        version: data version of its checkpoint.
        answers: what it answered when it was judged: `qa_id`, `category`, `group`, `answer_index`
            (the right option at that time), `correct`.
    """

    version: str
    answers: pl.DataFrame

    @classmethod
    def after(cls, history: list[dict[str, Any]], folder: Path | None) -> Incumbent | None:
        """The champion at the end of a ledger, or None."""
        version = history[-1]["champion"] if history else None
        if version is None or folder is None:
            return None
        answers = _answers(folder)
        if answers is None:
            raise ContractError(f"{folder / ANSWERS} is missing, but {version} is champion")
        return cls(version, answers)


def decide(
    predictions: pl.DataFrame,
    challenger: str,
    incumbent: Incumbent | None,
    rule: PromotionParams,
    statistics: EvaluationParams,
) -> dict[str, Any]:
    """Apply the rule.

    Args:
        predictions: rows of all arms of the evaluation.
        challenger: data version of the distilled student.
        incumbent: the champion so far, or None.
        rule: thresholds.
        statistics: of the bootstrap.

    Returns:
        `decision` (promoted or refused), `reasons`, `challenger`, `incumbent`, `compared_with`,
        `rule` and `evidence`.
    """

    def gains(over: pl.DataFrame) -> dict[str, Interval]:
        return paired_gain(
            own, over, Bootstrap(statistics.bootstrap_samples, statistics.confidence)
        )

    arm = pl.col("arm")
    own = predictions.filter(arm == CHALLENGER)
    over_baseline = gains(predictions.filter(arm == BASELINE))
    over_control = gains(predictions.filter(arm == CONTROL))
    shared, changed = 0.0, 0
    decisive, compared_with = over_baseline, "student_sft"
    if incumbent:
        equal = incumbent.answers.join(own, on=["qa_id", "answer_index"], how="semi")
        changed = len(incumbent.answers.join(own, on="qa_id", how="semi")) - len(equal)
        shared = len(equal) / len(own)
        if shared >= COMPARABLE_SHARE:
            decisive, compared_with = gains(equal), "incumbent"

    reasons: list[str] = []
    if incumbent is None:
        reasons.append("no champion yet")
        against = _against_a_first(over_baseline[AVERAGE], over_control[AVERAGE], rule)
    elif incumbent.version == challenger:
        against = ["this version is champion already"]
    else:
        if compared_with != "incumbent":
            reasons.append(
                f"the champion answered {shared:.0%} of these questions, too few to compare"
            )
        gain = decisive[AVERAGE]
        enough = gain.low > rule.min_gain
        verdict = (
            f"gain over {compared_with} {_text(gain)}: lower bound is "
            f"{'above' if enough else 'not above'} {rule.min_gain:g}"
        )
        against = [] if enough else [verdict]
        reasons += [verdict] if enough else []
    if decisive[AVERAGE].clusters < LEAST_GROUPS:
        against.append(
            f"the compared questions are of {decisive[AVERAGE].clusters} groups of videos; a new "
            f"champion needs {LEAST_GROUPS}"
        )
    against += _against_by_category(decisive, set(own["category"]), rule)
    reasons += against
    if changed:
        reasons.append(
            f"note: {changed} questions have another answer than when the champion was judged; "
            "they are left out"
        )
    if incumbent and over_control[AVERAGE].low <= 0:
        reasons.append(
            f"note: not clearly better than the blind control ({_text(over_control[AVERAGE])})"
        )
    return {
        "decision": "refused" if against else "promoted",
        "reasons": reasons,
        "challenger": challenger,
        "incumbent": incumbent.version if incumbent else None,
        "compared_with": compared_with,
        "rule": _rule_as_dict(rule),
        "evidence": {
            "questions": len(own),
            "accuracy": round(own["correct"].sum() / len(own), 6),
            "shared_with_incumbent": round(shared, 6),
            "changed_since_incumbent": changed,
            "over_compared": {name: found.as_dict() for name, found in decisive.items()},
            "over_student_sft": over_baseline[AVERAGE].as_dict(),
            "over_student_blind": over_control[AVERAGE].as_dict(),
        },
    }


def _against_a_first(
    over_baseline: Interval, over_control: Interval, rule: PromotionParams
) -> list[str]:
    """Why a challenger without an incumbent is refused: it does not see, or learned less."""
    against = []
    least = rule.first_min_gain_over_blind
    if over_control.low <= least:
        against.append(
            f"gain over student_blind {_text(over_control)}: lower bound is not above {least:g}, "
            "so nothing shows that it looks at the video"
        )
    if over_baseline.high < rule.min_gain:
        against.append(
            f"gain over student_sft {_text(over_baseline)}: upper bound is below {rule.min_gain:g}"
        )
    return against


def _against_by_category(
    gains: Mapping[str, Interval], asked: Collection[str], rule: PromotionParams
) -> list[str]:
    """Protected categories that fell, or of which nothing is known."""
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


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """Decisions in order; an absent ledger is empty.

    Raises:
        ContractError: a line is not a decision, or the order has a gap.
    """
    path = folder / LEDGER
    if not path.is_file():
        return []
    records = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ContractError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(record, dict) or record.get("order") != number or "key" not in record:
            raise ContractError(f"{path}, line {number}: expected decision number {number}")
        records.append(record)
    return records


def _write(
    out: Path,
    record: Mapping[str, Any],
    ledger: list[dict[str, Any]],
    answers: pl.DataFrame | None,
) -> None:
    lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in ledger)
    write_bytes(out / LEDGER, lines.encode())
    write_json(out / DECISION, record)
    if answers is not None:
        write_table(out / ANSWERS, answers, sort_by=["qa_id"])


def _answers(folder: Path) -> pl.DataFrame | None:
    path = folder / ANSWERS
    return read_table(path) if path.is_file() else None


def _rows_kept(predictions: pl.DataFrame) -> pl.DataFrame:
    return predictions.select("qa_id", "clip_id", "category", "group", "answer_index", "correct")


def _rule_as_dict(rule: PromotionParams) -> dict[str, Any]:
    return {
        "min_gain": rule.min_gain,
        "first_min_gain_over_blind": rule.first_min_gain_over_blind,
        "max_category_drop": rule.max_category_drop,
        "protected_categories": list(rule.protected_categories),
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
