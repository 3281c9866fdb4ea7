"""`p4d summary`: counts, label quality, accuracy, checks and the promotion of a project.

Every number comes from the published artifacts or the ledger, through the warehouse; gains come
from the file of the evaluation itself. The part of a stage that never ran is empty.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from p4d.artifacts import read_json
from p4d.project import Project
from p4d.warehouse import Warehouse

_ARMS = ("p4d", "sft", "blind")
_OVER = "p4d_over_"
_SLICES = {"Average": "overall", "Static": "static", "Dynamic": "dynamic"}


def build_summary(project: Project) -> dict[str, Any]:
    """Plain JSON values.

    Returns:
        `videos` and `clips` (counts by outcome), `rejects` (stage, name, reason), `label_quality`
        (by teacher and modality), `questions` (by category, with refused candidates; by split),
        `accuracy` (arm: overall, static, dynamic and by_category, each n, accuracy, low, high),
        `gain` (of p4d over another arm: overall, static and dynamic, each n, value, low, high: the
        difference of both on the same questions, paired by groups of videos),
        `promotion` (the last decision, or None), `checks` (counts, and those that failed on what
        is published), `wall_s` (by stage, of the last run of each artifact) and `data_versions`
        (artifact: md5).
    """
    warehouse = Warehouse(project)
    rejects = warehouse.query("rejects").filter(pl.col("stage").is_in(["videos", "clips"]))
    return {
        "videos": _outcomes(warehouse, "stg_videos"),
        "clips": _outcomes(warehouse, "stg_clips"),
        "rejects": rejects.select("stage", "name", "reason").to_dicts(),
        "label_quality": _label_quality(warehouse),
        "questions": _questions(warehouse),
        "accuracy": _accuracy(warehouse),
        "gain": _gain(project),
        "promotion": _promotion(warehouse),
        "checks": _checks(warehouse),
        "wall_s": dict(warehouse.query("cost_by_stage").select("stage", "last_wall_s").iter_rows()),
        "data_versions": dict(
            warehouse.query("current_versions").select("instance", "md5").iter_rows()
        ),
    }


def render(summary: dict[str, Any]) -> str:
    """A short table for the terminal."""
    blocks = [
        _corpus_lines(summary),
        _label_lines(summary),
        _accuracy_lines(summary),
        _verdict_lines(summary),
        _time_lines(summary),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


# --- building ---------------------------------------------------------------------------------


def _outcomes(warehouse: Warehouse, view: str) -> dict[str, int]:
    sql = f"select outcome, count(*) as n from {view} group by outcome order by outcome"
    return dict(warehouse.query(sql).iter_rows())


def _label_quality(warehouse: Warehouse) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in warehouse.query("label_quality").to_dicts():
        measured = {
            name: value
            for name, value in row.items()
            if name not in ("teacher", "modality") and value is not None
        }
        found.setdefault(row["teacher"], {})[row["modality"]] = measured
    return found


def _questions(warehouse: Warehouse) -> dict[str, Any]:
    balance = warehouse.query("question_balance")
    splits = warehouse.query(
        "select split, count(*) as n from stg_release_questions group by split order by split"
    )
    return {
        "asked": int(balance["questions"].sum()),
        "refused": int(balance["refused"].sum()),
        "by_category": {
            row["category"]: {"asked": row["questions"], "refused": row["refused"]}
            for row in balance.to_dicts()
        },
        "by_split": dict(splits.iter_rows()),
    }


def _accuracy(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {arm: {} for arm in _ARMS}
    for row in warehouse.query("scores").to_dicts():
        measured = {name: row[name] for name in ("n", "accuracy", "low", "high")}
        of_arm = found.setdefault(row["arm"], {})
        if row["category"] in _SLICES:
            of_arm[_SLICES[row["category"]]] = measured
        else:
            of_arm.setdefault("by_category", {})[row["category"]] = measured
    return found


def _gain(project: Project) -> dict[str, dict[str, dict[str, float]]]:
    path = project.data / "evaluation" / "comparisons.json"
    if not path.is_file():
        return {}
    return {
        pair.removeprefix(_OVER): {
            name: {key: found[category][key] for key in ("n", "value", "low", "high")}
            for category, name in _SLICES.items()
            if category in found
        }
        for pair, found in read_json(path).items()
        if pair.startswith(_OVER)
    }


def _promotion(warehouse: Warehouse) -> dict[str, Any] | None:
    decisions = warehouse.query("champions")
    if decisions.is_empty():
        return None
    last = decisions.row(-1, named=True)
    at = last["recorded_at"]
    return {
        "decision": last["decision"],
        "reasons": last["reasons"],
        "champion": last["champion_md5"],
        "try": last["try_number"],
        "alpha_of_try": last["alpha_of_try"],
        "recorded_at": at.isoformat(timespec="seconds") if at else None,
    }


def _checks(warehouse: Warehouse) -> dict[str, Any]:
    checked = warehouse.query("checks_in_force").drop_nulls("name")
    failed = checked.filter(~pl.col("passed"))
    return {
        "checked": len(checked),
        "failed": failed.select("instance", "name", "severity").to_dicts(),
    }


# --- rendering --------------------------------------------------------------------------------


def _corpus_lines(summary: dict[str, Any]) -> list[str]:
    questions = summary["questions"]
    splits = ", ".join(f"{count} {name}" for name, count in questions["by_split"].items())
    lines = [
        f"videos     {_counts(summary['videos'])}",
        f"clips      {_counts(summary['clips'])}",
        f"questions  {questions['asked']} asked, {questions['refused']} candidates refused"
        + (f"; released: {splits}" if splits else ""),
    ]
    lines += [
        f"  {category:<29}{counts['asked']:>5} asked, {counts['refused']:>5} refused"
        for category, counts in questions["by_category"].items()
    ]
    files = [r for r in summary["rejects"] if r["stage"] == "videos"]
    return lines + [f"  left out {r['name']}: {r['reason']}" for r in files]


def _label_lines(summary: dict[str, Any]) -> list[str]:
    shown = {
        "depth": ("depth_absrel", "depth AbsRel {:.3f}"),
        "flow": ("flow_epe_px", "flow error {:.2f} px"),
        "motion": ("motion_iou", "motion IoU {:.2f}"),
        "rays": ("ray_angle_rad", "ray angle {:.3f} rad"),
    }
    lines = []
    for teacher, modalities in summary["label_quality"].items():
        parts = [
            text.format(modalities[modality][column])
            for modality, (column, text) in shown.items()
            if column in modalities.get(modality, {})
        ]
        lines.append(f"labels     {teacher}: {', '.join(parts) or 'no truth to compare with'}")
    return lines


def _accuracy_lines(summary: dict[str, Any]) -> list[str]:
    accuracy = {arm: found for arm, found in summary["accuracy"].items() if found}
    if not accuracy:
        return []
    flat = [
        {name: of[name] for name in _SLICES.values() if name in of} | of.get("by_category", {})
        for of in accuracy.values()
    ]
    lines = [f"{'accuracy':<28}{'n':>5}  " + "".join(f"{arm:^20}" for arm in accuracy)]
    for name in dict.fromkeys(name for found in flat for name in found):
        found = [of.get(name) for of in flat]
        count = next((row["n"] for row in found if row), 0)
        cells = "".join(f"{_interval(row):^20}" for row in found)
        lines.append(f"{name:<28}{count:>5}  {cells}".rstrip())
    return [*lines, *_gain_lines(summary["gain"])]


def _gain_lines(gain: dict[str, Any]) -> list[str]:
    """P4D over each arm in points, with the interval of the difference."""
    return [
        f"{f'p4d over {arm}, points':<35}"
        + "   ".join(
            f"{name} {100 * of['value']:+.1f} [{100 * of['low']:+.1f}, {100 * of['high']:+.1f}]"
            for name, of in found.items()
        )
        for arm, found in gain.items()
    ]


def _verdict_lines(summary: dict[str, Any]) -> list[str]:
    checks, promotion = summary["checks"], summary["promotion"]
    lines = []
    if checks["checked"]:
        lines.append(f"checks     {checks['checked']} in force, {len(checks['failed'])} failed")
        lines += [
            f"  {check['severity']} {check['instance']}: {check['name']}"
            for check in checks["failed"]
        ]
    if promotion:
        champion = (promotion["champion"] or "none")[:8]
        lines.append(
            f"promotion  {promotion['decision']} ({'; '.join(promotion['reasons'])}); "
            f"champion {champion}"
        )
    return lines


def _time_lines(summary: dict[str, Any]) -> list[str]:
    wall_s = {stage: seconds for stage, seconds in summary["wall_s"].items() if seconds is not None}
    if not wall_s:
        return []
    slowest = sorted(wall_s.items(), key=lambda item: -item[1])[:5]
    shown = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in slowest)
    return [f"computing  {sum(wall_s.values()):.1f} s in all; most: {shown}"]


def _counts(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "none"


def _interval(row: dict[str, float] | None) -> str:
    return f"{row['accuracy']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" if row else "-"
