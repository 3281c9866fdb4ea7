"""Pictures and tables for people: PNG bytes and Markdown, for the asset pages and the notebooks.

Sheets and curves take the folders of a stage and of its inputs by stage name, the stage's own last.
Nothing here is an artifact, and no stage reads it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageFont

from p4d.artifacts import Arrays, read_table
from p4d.errors import ContractError

Folders = Mapping[str, Path]

_TILE_PX = 128
_CAPTION_PX = 18
_GAP_PX = 4
_BACKGROUND = (255, 255, 255)
_INK = (40, 40, 40)
_INVALID = (200, 200, 200)
_ARM_COLOURS = {"p4d": "#0072b2", "sft": "#e69f00", "blind": "#999999"}  # safe for the colour blind


# --- colours ----------------------------------------------------------------------------------


def depth_rgb(
    depth_hw: np.ndarray,
    valid_hw: np.ndarray | None = None,
    *,
    near: float | None = None,
    far: float | None = None,
) -> np.ndarray:
    """Depth as colours, near red and far blue, on a logarithmic scale; invalid pixels are grey.

    Args:
        depth_hw: planar depth, any unit.
        valid_hw: pixels to show; default: those that are finite and positive.
        near: depth of the first colour; default: the 2nd percentile.
        far: depth of the last colour; default: the 98th percentile.

    Returns:
        u8 [H, W, 3].
    """
    import matplotlib  # loads slowly: only where a picture is made

    shown = np.isfinite(depth_hw) & (depth_hw > 0)
    shown &= True if valid_hw is None else valid_hw.astype(bool)
    if not shown.any():
        return np.full((*depth_hw.shape, 3), _INVALID, np.uint8)
    low, high = np.percentile(depth_hw[shown], [2, 98])
    low, high = near or float(low), far or float(high)
    logs = np.log(np.where(shown, depth_hw, low).astype(np.float64))
    share = (logs - np.log(low)) / max(np.log(high) - np.log(low), 1e-6)
    colours = matplotlib.colormaps["turbo"](1 - np.clip(share, 0, 1))[..., :3]
    return np.where(shown[..., None], np.rint(colours * 255), _INVALID).astype(np.uint8)


def flow_rgb(
    flow_px_hw2: np.ndarray,
    valid_hw: np.ndarray | None = None,
    *,
    longest_px: float | None = None,
) -> np.ndarray:
    """Flow on a colour wheel: hue is direction, saturation is length; no flow is white.

    Args:
        flow_px_hw2: (dx, dy) in pixels.
        valid_hw: pixels to show; the others are grey.
        longest_px: length of full saturation; default: the longest shown.

    Returns:
        u8 [H, W, 3].
    """
    finite = np.isfinite(flow_px_hw2).all(-1)
    shown = finite if valid_hw is None else finite & valid_hw.astype(bool)
    flow = np.where(shown[..., None], flow_px_hw2, 0).astype(np.float64)
    length = np.linalg.norm(flow, axis=-1)
    longest = longest_px or float(length.max()) or 1.0
    hue = np.mod(np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi), 1.0)
    hsv = np.stack([hue * 255, np.clip(length / longest, 0, 1) * 255, np.full_like(hue, 255)], -1)
    wheel = np.asarray(Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB"))
    return np.where(shown[..., None], wheel, _INVALID).astype(np.uint8)


def motion_rgb(probability_hw: np.ndarray, rgb_hw3: np.ndarray | None = None) -> np.ndarray:
    """Probability of motion in orange, over the dimmed frame where one is given; u8 [H, W, 3]."""
    share = np.clip(np.nan_to_num(probability_hw), 0, 1)[..., None].astype(np.float64)
    if rgb_hw3 is None:
        under = np.zeros((*probability_hw.shape, 3))
    else:
        height, width = probability_hw.shape
        under = np.asarray(Image.fromarray(rgb_hw3).resize((width, height), Image.Resampling.BOX))
    return np.rint(under * 0.4 * (1 - share) + np.array([255, 140, 0]) * share).astype(np.uint8)


def regions_rgb(rgb_hw3: np.ndarray, masks_khw: np.ndarray) -> np.ndarray:
    """A frame with its regions outlined in the colours of their marks; u8 [H, W, 3]."""
    from p4d.questions.marks import COLOURS_RGB

    out = rgb_hw3.copy()
    for k, mask in enumerate(masks_khw.astype(bool)):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        out[mask & ~inner] = COLOURS_RGB[k % len(COLOURS_RGB)]
    return out


# --- sheets -----------------------------------------------------------------------------------


def png(rgb_hw3: np.ndarray) -> bytes:
    """PNG bytes of a u8 [H, W, 3] picture."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb_hw3)).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def sheet(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    captions: Sequence[str] = (),
    titles: Sequence[str] = (),
    tile_px: int = _TILE_PX,
) -> np.ndarray:
    """Tiles in rows, each row under its caption; titles head the columns.

    Args:
        rows: u8 [H, W, 3] pictures; small ones are enlarged without smoothing.
        captions: one text per row.
        titles: one text per column.
        tile_px: side of a tile.

    Returns:
        u8 [H, W, 3].
    """
    columns = max((len(row) for row in rows), default=1)
    head = _CAPTION_PX if titles else 0
    caption_px = _CAPTION_PX if captions else 0
    row_px = caption_px + tile_px + _GAP_PX
    size = (columns * (tile_px + _GAP_PX) + _GAP_PX, head + len(rows) * row_px + _GAP_PX)
    canvas = Image.new("RGB", size, _BACKGROUND)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=12)
    for column, title in enumerate(titles):
        draw.text((_GAP_PX + column * (tile_px + _GAP_PX), 2), title, _INK, font=font)
    for number, row in enumerate(rows):
        top = head + number * row_px + _GAP_PX
        if number < len(captions):
            draw.text((_GAP_PX, top), captions[number], _INK, font=font)
        for column, picture in enumerate(row):
            tile = Image.fromarray(np.ascontiguousarray(picture))
            tile = tile.resize((tile_px, tile_px), Image.Resampling.NEAREST)
            canvas.paste(tile, (_GAP_PX + column * (tile_px + _GAP_PX), top + caption_px))
    return np.asarray(canvas)


def notice(text: str) -> bytes:
    """A picture that only says something, for stages with nothing to show."""
    canvas = Image.new("RGB", (8 * len(text) + 20, 36), _BACKGROUND)
    ImageDraw.Draw(canvas).text((10, 10), text, _INK, font=ImageFont.load_default(size=13))
    return png(np.asarray(canvas))


def frames_strip(rgb_thw3: np.ndarray, *, tile_px: int = _TILE_PX) -> bytes:
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
    from p4d.teachers.store import LabelStore

    store = LabelStore(labels)
    found = {teacher: store.get_all(clip_id, teacher) for teacher in teachers}
    # Teachers may label at their own resolution: lengths are compared as shares of the side.
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
    curve = pl.read_csv(folder / "curve.csv")
    if "step" not in curve.columns:
        raise ContractError(f"{folder / 'curve.csv'}: no column step")
    # Losses of worlds that were not trained on are written now and then only.
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


def student_looks(folders: Folders, clips: int = 3) -> bytes:
    """How the student came to see, beside its teacher, then its losses; as PNG.

    The losses alone for an arm that kept no looks.
    """
    from p4d.students.looking import LOOKS_FILE, looks_picture  # it draws with this module

    name, folder = list(folders.items())[-1]
    curve = training_curve({name: folder})
    if not (folder / LOOKS_FILE).is_file():
        return curve
    below = np.asarray(Image.open(io.BytesIO(curve)).convert("RGB"))
    looks = looks_picture(folder, clips=clips)
    width = max(looks.shape[1], below.shape[1])
    both = [
        np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255)
        for part in (looks, below)
    ]
    return png(np.concatenate(both))


def accuracy_by_category(folders: Folders) -> bytes:
    """Accuracy of each arm by category with its interval, from `by_category.csv`, as PNG."""
    table = pl.read_csv(folders["evaluation"] / "by_category.csv")
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


PREVIEWS: Mapping[str, Callable[[Folders], bytes]] = {
    "clips": clips_sheet,
    "labels": labels_sheet,
    "regions": regions_sheet,
    "expert": training_curve,
    "student_sft": training_curve,
    "student_p4d": student_looks,
    "student_blind": training_curve,
    "evaluation": accuracy_by_category,
}
"""The picture of each stage that has one."""


def shard_preview(stage_name: str, folders: Folders) -> bytes:
    """The picture of one stage instance, as PNG.

    Args:
        stage_name: a key of `PREVIEWS`.
        folders: folders of the stage and its inputs; of one shard where they have shards.

    Raises:
        ContractError: the stage has no picture.
    """
    if stage_name not in PREVIEWS:
        raise ContractError(f"no picture of {stage_name!r}; stages: {', '.join(PREVIEWS)}")
    own_last = {name: folder for name, folder in folders.items() if name != stage_name}
    return PREVIEWS[stage_name]({**own_last, stage_name: folders[stage_name]})


def markdown_table(frame: pl.DataFrame, rows: int = 20) -> str:
    """The first rows as a Markdown table; says how many are left out."""
    lines = [_markdown_line(frame.columns), _markdown_line("---" for _ in frame.columns)]
    lines += [_markdown_line(map(_cell, row)) for row in frame.head(rows).iter_rows()]
    if len(frame) > rows:
        lines.append(f"\n{len(frame) - rows} more rows")
    return "\n".join(lines)


def _spread(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """`count` rows spread evenly, so that a sheet shows more than one video."""
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


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    # Marks such as <obj_1> would be taken for HTML and vanish.
    return text.replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
