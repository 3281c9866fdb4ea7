"""The chart of the report: accuracy by category of the main arms."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.distillation.table import TITLES, means_by_arm

COLOURS = {"text_only": "#b0b0b0", "sft": "#4c78a8", "p4d": "#e45756", "p4d_exact": "#f2a900"}
_GROUP_WIDTH = 0.84


def accuracy_chart(report: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """Return grouped bars per category for text only, SFT, P4D and P4D with exact truth.

    Error bars are the interval of the difference from SFT, drawn around the bar.
    """
    means = means_by_arm(report, names)
    over_sft = {
        "p4d": report["gain"]["equal_steps"],
        "p4d_exact": report["gain"]["exact_teacher"],
    }
    shown = [arm for arm in COLOURS if arm in means]
    groups = np.arange(len(names) + 1)
    width = _GROUP_WIDTH / max(len(shown), 1)
    figure = Figure(figsize=(10.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    for number, arm in enumerate(shown):
        x = groups + (number - (len(shown) - 1) / 2) * width
        axes.bar(x, means[arm], 0.94 * width, color=COLOURS[arm], label=TITLES[arm], zorder=2)
        if gain := over_sft.get(arm):
            gains = [*(gain["per_category"][name] for name in names), gain]
            below, above = zip(
                *((g["mean"] - g["ci95"][0], g["ci95"][1] - g["mean"]) for g in gains), strict=True
            )
            axes.errorbar(
                x, means[arm], (below, above), fmt="none", ecolor="#333333", elinewidth=1, zorder=3
            )
    axes.set(xlim=(-0.5, len(names) + 0.5), ylim=(0, 1), ylabel="accuracy")
    axes.set_xticks(groups, [textwrap.fill(name, 16) for name in (*names, "mean")])
    axes.tick_params(axis="both", length=0, labelsize=8)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    title = "error bars: 95 % interval of the difference from SFT"
    figure.legend(
        loc="outside lower center",
        ncols=len(shown),
        frameon=False,
        fontsize=8.5,
        title=title if any(over_sft.values()) else None,
        title_fontsize=8,
    )
    return figure


def write_svg(figure: Figure, path: Path) -> None:
    """Write the chart as SVG; equal charts give equal bytes."""
    with mpl.rc_context(
        {"svg.hashsalt": "p4d", "svg.fonttype": "none", "font.family": "sans-serif"}
    ):
        figure.savefig(path, format="svg", metadata={"Date": None})
