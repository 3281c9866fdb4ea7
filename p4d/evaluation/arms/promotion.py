"""The stage `champion`: whether the distilled student is promoted, with reasons.

The rule (`promotion_rule.py`). A first challenger is promoted if its paired gains over both
controls have lower bounds above `first_min_gain_over_blind` and `first_min_gain_over_first_frame`,
and if it is not clearly worse than plain fine-tuning (the upper bound of its gain over student_sft
is at least `min_gain`); a first champion may thus be a little below student_sft. A later challenger
is promoted if its paired gain over the incumbent has a lower bound above `min_gain`. Lower bounds
are those of the error rate that the try may spend (`error_spending.py`): however many challengers
come, one that is no better is promoted with a probability of at most `alpha`. The incumbent answers
again if the questions have changed (`incumbent.py`). A promotion needs at least `min_groups` groups
of videos. A category must not fall by more than `max_category_drop`; the intervals that show it are
corrected for the number of categories. With `max_general_drop` below 1 a challenger is also
refused if the mean score on held-out external rows falls by more than that (`forgetting.py`). There
may thus be no champion; a model at chance is none.

Every decision is one line of the append-only ledger in `champion_ledger.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p4d.artifacts import read_table
from p4d.config import EvaluationParams, PromotionParams
from p4d.errors import ContractError
from p4d.evaluation.arms.champion_ledger import (
    read_answers,
    read_general,
    read_ledger,
    write_decision,
)
from p4d.evaluation.arms.error_spending import ErrorSpending
from p4d.evaluation.arms.forgetting import GeneralScores, forgetting
from p4d.evaluation.arms.incumbent import Incumbent, kept_answers
from p4d.evaluation.arms.names import ARMS, CHALLENGER
from p4d.evaluation.arms.promotion_rule import decide, rule_as_dict
from p4d.ids import content_id
from p4d.pipeline import StageInputs, StageReport


def build_champion(inputs: StageInputs, out: Path) -> StageReport:
    """Decide, and append the decision to the ledger of the previous version.

    Writes `decision.json`, `champions.jsonl` and `champion_answers.parquet` (the champion's answers
    to each question it was last compared on, for the next challenger). The last one is absent while
    there is no champion. `champion_general.parquet` has its scores on held-out external rows, if
    there were any. A repeated run on the same evaluation and rule writes the same files.

    Raises:
        ContractError: the versions of the inputs are unknown, an arm of the evaluation is missing,
            or the previous ledger is damaged.
    """
    rule: PromotionParams = inputs.params("promotion")
    statistics: EvaluationParams = inputs.params("evaluation")
    challenger = _version(inputs, ARMS[CHALLENGER])
    evaluation = _version(inputs, "evaluation")
    previous = inputs.previous
    history = read_ledger(previous) if previous else []
    key = content_id("decision", evaluation, challenger, rule_as_dict(rule))
    # Only the last one: the champion may have changed since an older decision.
    if previous and history and history[-1]["key"] == key:
        kept = read_answers(previous), read_general(previous)
        write_decision(out, history[-1], history, *kept)
        return _report(history[-1])

    predictions = read_table(inputs.folder("evaluation") / "predictions.parquet")
    own = predictions.filter(arm=CHALLENGER)
    incumbent = Incumbent.after(history, previous, inputs.reopened)
    if incumbent:
        incumbent = incumbent.on(own, inputs)
    spending = ErrorSpending.of_next_try(
        history, incumbent.version if incumbent else None, rule.alpha
    )
    general = GeneralScores.read(inputs.folder("evaluation"), previous)
    decision = decide(predictions, challenger, incumbent, rule, statistics, spending)
    if rule.max_general_drop < 1:
        decision = _with_general(decision, general, rule, statistics)
    promoted = decision["decision"] == "promoted"
    record = {
        **decision,
        "key": key,
        "order": len(history) + 1,
        "evaluation": evaluation,
        "champion": challenger if promoted else (incumbent.version if incumbent else None),
    }
    answers = kept_answers(own) if promoted else (incumbent.answers if incumbent else None)
    scores = general.own if promoted else (general.incumbent if incumbent else None)
    write_decision(out, record, [*history, record], answers, scores)
    return _report(record)


def _with_general(
    decision: Mapping[str, Any],
    general: GeneralScores,
    rule: PromotionParams,
    statistics: EvaluationParams,
) -> dict[str, Any]:
    """The decision with what the challenger forgot of the held-out external rows."""
    forgotten, finding = forgetting(general, rule, statistics)
    reasons = [*decision["reasons"], *([finding] if finding else [])]
    evidence = {**decision["evidence"], **({"general_drop": forgotten} if forgotten else {})}
    refused = {"decision": "refused"} if finding else {}
    return {**decision, **refused, "reasons": reasons, "evidence": evidence}


def _version(inputs: StageInputs, stage: str) -> str:
    if stage not in inputs.versions:
        raise ContractError(f"stage champion needs the data version of {stage}; none was given")
    return inputs.versions[stage]


def _report(record: Mapping[str, Any]) -> StageReport:
    metrics = {"decision": record["decision"], "why": "; ".join(record["reasons"])}
    if spending := record.get("error_rate"):
        metrics |= {name: spending[name] for name in ("alpha", "alpha_of_try", "try")}
    return StageReport(rows={"ok": 1}, metrics=metrics)
