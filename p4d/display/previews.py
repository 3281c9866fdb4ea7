"""Draws the pictures of stages as PNG bytes, for the asset pages in Dagster and for notebooks.

Each function takes `{stage name: folder}` for a stage and its inputs; the stage itself is the last
entry. Nothing here is an artifact, and no stage reads it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from p4d.artifacts import Arrays, read_csv, read_table
from p4d.drawing import TILE_PX, depth_rgb, flow_rgb, motion_rgb, notice, png, sheet
from p4d.errors import ContractError

Folders = Mapping[str, Path]

_ARM_COLOURS = {"p4d": "#0072b2", "sft": "#e69f00", "blind": "#999999"}  # safe for the colour blind


# --- colours ----------------------------------------------------------------------------------


def regions_rgb(rgb_hw3: np.ndarray, masks_khw: np.ndarray) -> np.ndarray:
    """A frame with its regions outlined in the colours of their marks; u8 [H, W, 3]."""
    from p4d.questions.regions.marks import COLOURS_RGB

    out = rgb_hw3.copy()
    for k, mask in enumerate(masks_khw.astype(bool)):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        out[mask & ~inner] = COLOURS_RGB[k % len(COLOURS_RGB)]
    return out


# --- sheets -----------------------------------------------------------------------------------


def frames_strip(rgb_thw3: np.ndarray, *, tile_px: int = TILE_PX) -> bytes:
    """The sampled frames of one clip side by side, as PNG."""
    return png(sheet([list(rgb_thw3)], tile_px=tile_px))


def clips_sheet(folders: Folders, clips: int = 6) -> bytes:
    """Frames of some clips of a shard, one clip per row, as PNG."""
    folder = folders["clips"]
    table = read_table(folder / "clips.parquet")
    chosen = _spread(table.filter(pl.col("outcome") == "ok").sort("clip_id"), clips)
    if chosen.is_empty():
        return notice("no accepted clip in this shard")
    frames = Arrays(folder / "frames.safetensors")
    rows = [list(frames[f"{clip_id}.rgb_thw3"]) for clip_id in chosen["clip_id"]]
    captions = [
        f"{row['clip_id']}  {row['start_ns'] / 1e9:.2f}-{row['end_ns'] / 1e9:.2f} s  "
        f"{row['scale_kind']}"
        for row in chosen.iter_rows(named=True)
    ]
    return png(sheet(rows, captions=captions, tile_px=96))


def labels_sheet(folders: Folders, clips: int = 4) -> bytes:
    """Depth, flow and motion of some clips of a shard, each teacher in its own row, as PNG."""
    index = read_table(folders["labels"] / "index.parquet")
    labelled = index.filter(pl.col("outcome") == "ok").sort("clip_id", "teacher")
    chosen = _spread(labelled.select("clip_id").unique().sort("clip_id"), clips)
    if chosen.is_empty():
        return notice("no label in this shard")
    frames = Arrays(folders["clips"] / "frames.safetensors")
    rows, captions = [], []
    for clip_id in chosen["clip_id"]:
        teachers = labelled.filter(pl.col("clip_id") == clip_id)["teacher"].to_list()
        for teacher, row in label_rows(
            folders["labels"], clip_id, teachers, frames[f"{clip_id}.rgb_thw3"]
        ).items():
            rows.append(row)
            captions.append(f"{clip_id}  {teacher}")
    titles = ("frame", "depth", "backward flow", "motion")
    return png(sheet(rows, captions=captions, titles=titles))


def label_rows(
    labels: Path, clip_id: str, teachers: Sequence[str], rgb_thw3: np.ndarray, frame: int = -1
) -> dict[str, list[np.ndarray]]:
    """Frame, depth, flow and motion of one instant by teacher, on shared colour scales.

    Args:
        labels: folder of a shard's labels.
        clip_id: the clip.
        teachers: whose labels to show.
        rgb_thw3: its frames.
        frame: which one; the default is the last, as the first has no flow.

    Returns:
        u8 pictures by teacher.
    """
    from p4d.teachers.labelling.store import LabelStore

    store = LabelStore(labels)
    found = {teacher: store.get_all(clip_id, teacher) for teacher in teachers}
    # Teachers may label at their own resolution, so lengths are compared as shares of the side.
    shares = [
        float(np.linalg.norm(flow, axis=-1)[valid].max()) / flow.shape[1]
        for flow, valid in (
            (of["flow_px_thw2"][frame], of["flow_valid_thw"][frame])
            for of in found.values()
            if "flow_px_thw2" in of
        )
        if valid.any()
    ]
    longest = max(shares, default=0.0)
    rows: dict[str, list[np.ndarray]] = {}
    for teacher, of in found.items():
        row = [rgb_thw3[frame]]
        if "depth_thw" in of:
            row.append(depth_rgb(of["depth_thw"][frame], of["valid_thw"][frame]))
        if "flow_px_thw2" in of:
            flow, shown = of["flow_px_thw2"][frame], of["flow_valid_thw"][frame]
            row.append(flow_rgb(flow, shown, longest_px=longest * flow.shape[1]))
        if "motion_thw" in of:
            row.append(motion_rgb(of["motion_thw"][frame], rgb_thw3[frame]))
        rows[teacher] = row
    return rows


def regions_sheet(folders: Folders, clips: int = 4) -> bytes:
    """The marked first frame and the tracked masks of some clips of a shard, as PNG."""
    folder = folders["regions"]
    regions = read_table(folder / "regions.parquet").filter(pl.col("outcome") == "ok")
    chosen = _spread(regions.select("clip_id").unique().sort("clip_id"), clips)
    if chosen.is_empty():
        return notice("no region in this shard")
    frames = Arrays(folders["clips"] / "frames.safetensors")
    masks, marks = Arrays(folder / "masks.safetensors"), Arrays(folder / "marks.safetensors")
    rows, captions = [], []
    for clip_id in chosen["clip_id"]:
        rgb_thw3, masks_kthw = frames[f"{clip_id}.rgb_thw3"], masks[f"{clip_id}.masks_kthw"]
        shown = np.linspace(0, len(rgb_thw3) - 1, 4).round().astype(int)
        outlined = [regions_rgb(rgb_thw3[t], masks_kthw[:, t]) for t in shown]
        rows.append([marks[f"{clip_id}.marks_hw3"], *outlined])
        own = regions.filter(pl.col("clip_id") == clip_id).sort("mark")
        named = [f"{r['mark']} {r['name'] or r['source']}" for r in own.iter_rows(named=True)]
        captions.append(f"{clip_id}  {', '.join(named)}")
    return png(sheet(rows, captions=captions))


# --- plots ------------------------------------------------------------------------------------


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
    figure, axes = _figure(7.0, 3.6)
    for term in terms:
        line = curve.select("step", term).drop_nulls()
        values = line[term].to_numpy()
        positive = np.where(values > 0, values, np.nan)
        axes.plot(line["step"].to_numpy(), positive, label=term, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("loss term")
    axes.set_title(name)
    axes.grid(True, alpha=0.25)
    if terms:
        axes.legend(fontsize=8, ncol=2)
    return _drawn(figure)


def student_probes(folders: Folders, clips: int = 3) -> bytes:
    """The student's probes beside its teacher's maps, then its losses; as PNG.

    The losses alone for an arm that stored no probes.
    """
    from p4d.students.distillation.probes import (  # torch loads slowly
        probes_file,
        probes_picture,
    )

    name, folder = list(folders.items())[-1]
    curve = training_curve({name: folder})
    if probes_file(folder) is None:
        return curve
    below = np.asarray(Image.open(io.BytesIO(curve)).convert("RGB"))
    probes = probes_picture(folder, clips=clips)
    width = max(probes.shape[1], below.shape[1])
    both = [
        np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255)
        for part in (probes, below)
    ]
    return png(np.concatenate(both))


def accuracy_by_category(folders: Folders) -> bytes:
    """Accuracy of each arm by category with its interval, from `by_category.csv`, as PNG."""
    table = read_csv(folders["evaluation"] / "by_category.csv")
    arms = [arm for arm in _ARM_COLOURS if arm in table["arm"].unique()]
    # Averages first, then categories by name.
    averages = ["Average", "Static", "Dynamic"]
    rest = sorted(set(table["category"]) - set(averages))
    categories = [name for name in averages if name in set(table["category"])] + rest
    figure, axes = _figure(8.0, 0.5 + 0.5 * max(len(categories), 1))
    height = 0.8 / max(len(arms), 1)
    for number, arm in enumerate(arms):
        rows = {r["category"]: r for r in table.filter(pl.col("arm") == arm).iter_rows(named=True)}
        shown = [(y, rows[name]) for y, name in enumerate(categories) if name in rows]
        places = [y + (number - (len(arms) - 1) / 2) * height for y, _ in shown]
        values = [row["accuracy"] for _, row in shown]
        below = [max(row["accuracy"] - row["low"], 0) for _, row in shown]
        above = [max(row["high"] - row["accuracy"], 0) for _, row in shown]
        axes.barh(places, values, height, color=_ARM_COLOURS[arm], label=arm)
        axes.errorbar(
            values, places, xerr=[below, above], fmt="none", ecolor="#333333", elinewidth=0.8
        )
    counts = dict(table.select("category", "n").iter_rows())
    labels = [f"{name} ({counts[name]})" for name in categories]
    axes.set_yticks(range(len(categories)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy, with interval")
    axes.grid(True, axis="x", alpha=0.25)
    if arms:
        axes.legend(fontsize=8, loc="lower right")
    return _drawn(figure)


def _spread(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """`count` evenly spaced rows, so that a sheet shows more than one video."""
    if len(table) <= count:
        return table
    return table[np.linspace(0, len(table) - 1, count).round().astype(int).tolist()]


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
