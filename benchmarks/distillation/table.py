"""The table of the report in Markdown, and the titles of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

TITLES = {
    "text_only": "text only",
    "text_and_time": "text and time",
    "regions_only": "regions in the first frame, no motion",
    "perfect_facts": "perfect facts as text, those that answer",
    "all_facts": "perfect facts as text, of all regions",
    "teacher_features": "the teacher's features in the place of the encoder's",
    "sft": "SFT",
    "p4d": "P4D",
    "p4d_equal_time": "P4D, equal time",
    "p4d_exact": "P4D, exact truth as teacher",
    "to_the_end": "P4D, distilling to the end",
}


def means_by_arm(report: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[float]]:
    """Return accuracy per category and their mean, averaged over seeds, by arm."""
    rows: dict[str, list[Mapping[str, float]]] = {}
    for entry in (*report["controls"], *report["arms"], *report["ablations"]):
        rows.setdefault(entry["name"], []).append(entry["accuracy"])
    return {
        arm: [float(np.mean([r[name] for r in found])) for name in (*names, "mean")]
        for arm, found in rows.items()
    }


def table_of(report: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return Markdown with a row per arm and a column per category."""
    means = means_by_arm(report, names)
    lines = [
        f"| | {' | '.join(names)} | mean | P4D over it, points |",
        "|---|" + "---|" * (len(names) + 2),
        "| chance | "
        + " | ".join(f"{report['questions']['chance'][n]:.2f}" for n in names)
        + f" | {np.mean(list(report['questions']['chance'].values())):.2f} | |",
    ]
    order = [*(arm for arm in TITLES if arm in means), *sorted(set(means) - set(TITLES))]
    for arm in order:
        values = " | ".join(f"{value:.3f}" for value in means[arm])
        over = _points(report["p4d_over"][arm]) if arm in report["p4d_over"] else ""
        lines.append(f"| {TITLES.get(arm, arm.replace('_', ' '))} | {values} | {over} |")
    frozen = report["r4d_world"] or {}
    gains = {
        "equal steps": report["gain"].get("equal_steps"),
        "equal time": report["gain"].get("equal_time"),
        **{
            f"equal steps on R4D-World, {part.replace('_', ' ')}": found["gain"]
            for part, found in frozen.items()
        },
    }
    for label, found in gains.items():
        if found:
            lines.append(f"\nP4D over SFT at {label}, points (95 % interval): {_points(found)}.")
    return "\n".join(lines) + "\n"


def _points(gain: Mapping[str, Any]) -> str:
    low, high = gain["ci95"]
    return f"{100 * gain['mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
