"""Draws curves and bars as PNG bytes, for the asset pages in Dagster and for notebooks.

Each function takes `{stage name: folder}` for a stage and its inputs; the stage itself is the last
entry.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from p4d.artifacts import Arrays, read_csv, read_json
from p4d.display.colour_keys import depth_key, flow_key, motion_key, rays_key, with_keys
from p4d.drawing import png
from p4d.errors import ContractError

Folders = Mapping[str, Path]

# Safe for the colour blind.
ARM_COLOURS = {
    "p4d": "#0072b2",
    "p4d_first_frame": "#9ac8e0",
    "sft": "#e69f00",
    "blind": "#999999",
}
_AVERAGES = ("Average", "Static", "Dynamic")


def training_curve(folders: Folders) -> bytes:
    """Loss terms over the steps, from `curve.csv` of the last folder, as PNG.

    Raises:
        ContractError: the curve has no column `step`.
    """
    name, folder = list(folders.items())[-1]
    curve = read_csv(folder / "curve.csv")
    if "step" not in curve.columns:
        raise ContractError(f"{folder / 'curve.csv'}: no column step")
    # Validation losses have a value every few steps only.
    terms = [term for term in curve.columns if term != "step" and curve[term].dtype.is_numeric()]
    figure, axes = _figure(7.6, 4.4)
    for term in terms:
        line = curve.select("step", term).drop_nulls()
        values = line[term].to_numpy()
        positive = np.where(values > 0, values, np.nan)
        axes.plot(line["step"].to_numpy(), positive, label=term, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_xlabel("training step")
    axes.set_ylabel("loss (logarithmic)")
    axes.set_title(name)
    axes.grid(True, alpha=0.25)
    if terms:
        axes.legend(fontsize=8, ncol=2)
    return _drawn(figure)


def student_probes(folders: Folders, clips: int = 3) -> bytes:
    """The student's probes beside its teacher's maps, then its losses; as PNG.

    The first and the last of the steps that were kept. The losses alone for an arm that stored no
    probes.
    """
    from p4d.students.distillation.probes import (  # torch loads slowly
        probed_steps,
        probes_file,
        probes_picture,
    )

    name, folder = list(folders.items())[-1]
    curve = training_curve({name: folder})
    path = probes_file(folder)
    if path is None:
        return curve
    steps = probed_steps(Arrays(path))
    keys = [
        depth_key("on the scale of the teacher"),
        flow_key("the longest of the teacher"),
        motion_key(),
        rays_key(),
    ]
    probes = probes_picture(folder, clips=clips, steps=sorted({steps[0], steps[-1]}))
    beside = with_keys(np.asarray(Image.open(io.BytesIO(curve)).convert("RGB")), keys)
    height = max(probes.shape[0], beside.shape[0])
    both = [
        np.pad(part, ((0, height - part.shape[0]), (0, 12), (0, 0)), constant_values=255)
        for part in (probes, beside)
    ]
    return png(np.concatenate(both, axis=1))


def accuracy_by_category(folders: Folders) -> bytes:
    """Accuracy of each arm by category with its interval, as PNG.

    Lines show chance, and what the champion had when it was promoted: the one of
    `champion/champions.jsonl` beside the folder of the evaluation, if there is one.
    """
    folder = folders["evaluation"]
    table = read_csv(folder / "by_category.csv")
    arms = [arm for arm in ARM_COLOURS if arm in table["arm"].unique()]
    found = set(table["category"])
    categories = [name for name in _AVERAGES if name in found]
    categories += sorted(found - set(_AVERAGES))
    figure, axes = _figure(9.6, 1.2 + 0.46 * max(len(categories), 1))
    height = 0.8 / max(len(arms), 1)
    for number, arm in enumerate(arms):
        rows = {r["category"]: r for r in table.filter(pl.col("arm") == arm).iter_rows(named=True)}
        shown = [(y, rows[name]) for y, name in enumerate(categories) if name in rows]
        places = [y + (number - (len(arms) - 1) / 2) * height for y, _ in shown]
        values = [row["accuracy"] for _, row in shown]
        below = [max(row["accuracy"] - row["low"], 0) for _, row in shown]
        above = [max(row["high"] - row["accuracy"], 0) for _, row in shown]
        axes.barh(places, values, height, color=ARM_COLOURS[arm], label=arm)
        axes.errorbar(
            values, places, xerr=[below, above], fmt="none", ecolor="#333333", elinewidth=0.8
        )
    _reference_lines(axes, folder)
    counts = dict(table.select("category", "n").iter_rows())
    labels = [f"{name} ({counts[name]})" for name in categories]
    axes.set_yticks(range(len(categories)), labels, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy, with interval over videos; in brackets: questions")
    axes.set_title("Accuracy on held-out questions")
    axes.grid(True, axis="x", alpha=0.25)
    if arms:
        axes.legend(fontsize=9, loc="lower right")
    return _drawn(figure)


def _reference_lines(axes, evaluation: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    metrics = evaluation / "metrics.json"
    if metrics.is_file() and (chance := read_json(metrics).get("chance")) is not None:
        axes.axvline(chance, color="#aa0000", linestyle="--", linewidth=1.2, label="chance")
    if (accuracy := _champion_accuracy(evaluation.parent / "champion")) is not None:
        axes.axvline(
            accuracy, color="#007744", linestyle=":", linewidth=1.6, label="champion when promoted"
        )


def _champion_accuracy(champion: Path) -> float | None:
    path = champion / "champions.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    promoted = [each for each in map(json.loads, lines) if each["decision"] == "promoted"]
    return float(promoted[-1]["evidence"]["accuracy"]) if promoted else None


def _figure(width_in: float, height_in: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    # The object interface: pyplot would keep global state and may want a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _drawn(figure) -> bytes:  # type: ignore[no-untyped-def]  # noqa: ANN001
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
