"""Pictures of clips and their questions to look at: one PNG per clip that is asked about."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from p4d.artifacts import Arrays, read_table
from p4d.questions.regions.marks import draw_marks_at
from p4d.video.source_frames import SourceFrames, SourceSize

SIDE_PX = 480
SHOWN = (0, 2, 4, 5, 7)
"""Frames of a clip that a sheet shows: those that questions name."""
LINE_PX, COLUMNS = 13, 150


def write_sheets(root: Path, out: Path) -> None:
    """Write the sheets of the one shard of a project.

    Args:
        root: holds the folders of the stages.
        out: where the PNG files go; each is named after its clip.
    """
    out.mkdir(parents=True, exist_ok=True)
    (shard,) = (folder.name for folder in (root / "clips").iterdir())
    questions = read_table(root / "questions" / shard / "questions.parquet")
    regions = read_table(root / "regions" / shard / "regions.parquet").filter(outcome="ok")
    masks = Arrays(root / "regions" / shard / "masks.safetensors")
    clips = read_table(root / "clips" / shard / "clips.parquet").filter(
        pl.col("outcome") == "ok", pl.col("clip_id").is_in(questions["clip_id"].to_list())
    )
    names = dict(
        read_table(root / "videos" / shard / "videos.parquet").select("video_id", "name").rows()
    )
    rows = {row["clip_id"]: row for row in clips.to_dicts()}
    for read in SourceFrames(root / "videos" / shard, clips, SourceSize(SIDE_PX)):
        if read.rgb_thw3 is None:
            continue
        row = rows[read.clip_id]
        pictures = [
            draw_marks_at(read.rgb_thw3[t], masks[f"{read.clip_id}.masks_kthw"][:, t])
            for t in SHOWN
        ]
        lines = [f"{names[row['video_id']]} at {row['start_ns'] / 1e9:.2f} s, {read.clip_id}"]
        for mark, region in (
            regions.filter(clip_id=read.clip_id).sort("mark").select("mark", "region_id").rows()
        ):
            lines.append(f"<obj_{mark}> is {region}")
        for asked in questions.filter(clip_id=read.clip_id).sort("family", "qa_id").to_dicts():
            options = "; ".join(asked["options"])
            text = f"{asked['qa_id']} {asked['question']}  [{options}]  -> {asked['answer_text']}"
            lines += textwrap.wrap(text, COLUMNS, subsequent_indent="      ")
        _page(pictures, lines).save(out / f"{names[row['video_id']]}_{read.clip_id}.png")


def _page(pictures: list[np.ndarray], lines: list[str]) -> Image.Image:
    """Three pictures, two below, and the lines under them."""
    height, width = pictures[0].shape[:2]
    page = Image.new("RGB", (3 * width, 2 * height + LINE_PX * (len(lines) + 1)), "white")
    for i, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture), (width * (i % 3), height * (i // 3)))
    draw = ImageDraw.Draw(page)
    for i, line in enumerate(lines):
        draw.text((4, 2 * height + LINE_PX * i + 2), line, fill="black")
    return page
