"""The table of the report in Markdown, and the titles of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SIGNIFICANT = 0.05

TITLES = {
    "text_only": "text only",
    "text_and_time": "text and time",
    "regions_only": "regions in the first frame, no motion",
    "first_frame": "SFT on the first frame alone",
    "perfect_facts": "perfect facts as text, those that answer",
    "all_facts": "perfect facts as text, of all regions",
    "teacher_features": "the teacher's features in the place of the encoder's",
    "labels_as_text": "SFT on the teacher's labels as text",
    "teacher_cues": "SFT that is given the teacher's local flow",
    "frame_differences": "distilling frame differences, no teacher",
    "other_clips": "distilling the labels of other clips",
    "sft": "SFT",
    "sft_longer": "SFT, 20 % more steps",
    "p4d": "P4D",
    "sft_few": "SFT, untrained encoder, questions about a tenth of the videos",
    "sft_few_trained": "SFT, trained encoder, questions about a tenth of the videos",
    "p4d_few": "P4D, untrained encoder, the same questions, distilled from all videos",
    "p4d_equal_time": "P4D, equal time",
    "p4d_exact": "P4D, exact truth as teacher",
    "latents_and_maps": "P4D, latents and maps of tokens in place of regions",
    "regions_and_maps": "P4D, regions, latents and maps",
    "explicit_only": "P4D, maps alone",
    "latent_only": "P4D, latents of tokens alone",
    "until_questions": "P4D, distilling before the first question only",
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
    lines += ["", *headline(report)]
    if report.get("left_out"):
        lines.append(f"\nLeft out for lack of time: {', '.join(report['left_out'])}.")
    return "\n".join(lines) + "\n"


def headline(report: Mapping[str, Any]) -> list[str]:
    """Return the gains that belong together, a line each: no number stands without the others."""
    gains, frozen = report["gain"], report["r4d_world"] or {}
    shown = {
        "trained families, each arm at its chosen setting": gains.get("equal_steps"),
        "trained families, equal processor time": gains.get("equal_time"),
        "questions about a tenth of the videos, all videos distilled": gains.get("few_questions"),
        "the same, SFT from a trained encoder": gains.get("few_questions_trained_encoder"),
        "trained families, looks that nothing was trained on (R4D-World)": gains.get("unseen_looks")
        or frozen.get("trained_families", {}).get("gain"),
        "all families (R4D-World)": gains.get("all_families") or frozen.get("all", {}).get("gain"),
        "trained families, SFT with 20 % more steps": gains.get("over_longer_sft"),
    }
    lines = [f"- {label}: {_points(gain)}" for label, gain in shown.items() if gain]
    below = [
        f"{name} {_points(each)}"
        for name, each in ((gains.get("equal_steps") or {}).get("per_category") or {}).items()
        if each["mean"] < 0 and each.get("p_holm", 1.0) < SIGNIFICANT
    ]
    if lines:
        lines.insert(0, "P4D over SFT, points (95 % interval over videos and seeds):\n")
    if below:
        lines.append(f"- below SFT, corrected for all categories: {', '.join(below)}")
    return lines


def _points(gain: Mapping[str, Any]) -> str:
    low, high = gain["ci95"]
    text = f"{100 * gain['mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    if over_seeds := gain.get("ci95_seeds"):
        low, high = over_seeds
        text += f", over {gain['seeds']} seeds alone {100 * low:+.1f} to {100 * high:+.1f}"
    if ratio := gain.get("processor_s_over_sft"):
        text += f", at {ratio:.3f} of SFT's processor seconds"
    return text
