"""`python -m p4d.studies.question_examples docs`: the page on questions, with examples.

The page is made from seeds: worlds are drawn, measured and asked about by the very stages of the
pipeline. So it says what the code does; a test compares it with what is committed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table, write_bytes
from p4d.categories import CATEGORIES
from p4d.config import Params, Project
from p4d.questions.asking.compose import compose, recompute
from p4d.questions.asking.distractors import Counts, Numbers
from p4d.questions.asking.families import BY_NAME, FAMILIES, Family
from p4d.questions.facts.sentences import fact_sentence
from p4d.questions.facts.table import Fact
from p4d.questions.regions.marks import draw_marks
from p4d.questions.regions.stage import marked_regions
from p4d.standalone import run_stages
from p4d.worlds.clip_shards import write_clip_shard

SEEDS = range(8_800_000, 8_800_020)
SHARD = "0000-00000000"
SCALE = 3
# What an example should show where the seeds offer it; else any family of the category.
SHOWN = {
    "Dimensional Measurement": "distance_between",
    "Spatial Relation": "side_from_object",
    "3D Video Grounding": "object_at_place",
    "Translational": "moves_first",
    "Rotational": "rotation_seen",
    "Counting": "moving_of_three",
    "False Positives": "premise_name",
    "Speed & Acceleration": "speed_change",
    "Displacement & Path Length": "path_length",
}
FRAMES: Mapping[str, str] = {
    "camera_first": "level axes of the clip's first camera: right, ahead and up of a person who "
    "stands where the camera stands and looks the same way, whatever its pitch",
    "camera_at": "the camera at that time; x right, y down, z ahead, distances from its centre",
    "picture": "the picture: left, right, up, down on the screen",
    "world": "the world: nothing depends on who looks, or from above where the text says so",
    "object": "the object's own view: left and right of what faces the way it goes, or its extents",
}
INTRO = """\
# Questions

Made by `python -m p4d.studies.question_examples docs`; do not edit. How facts are measured and how
wrong options are chosen: [p4d/questions/README.md](../p4d/questions/README.md).

Every question names its frame of reference in the column `frame`:

| frame | what left, right, near and far mean |
|---|---|
"""


def write_page(out: Path) -> Path:
    """Write `questions.md` and `questions/*.png` under `out`; equal code, equal text.

    Returns:
        The page.
    """
    params = Project.find(Path(__file__).parent).params
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clip_shard(folder / "clips" / SHARD, SEEDS, params.clips, shard=SHARD)
        (folder / "labels" / SHARD).mkdir(parents=True)  # exact truth needs no labels
        run_stages(folder, params, ["regions", "facts"], [SHARD])
        text = page(folder, params, out / "questions")
    path = out / "questions.md"
    write_bytes(path, text.encode())
    return path


def page(folder: Path, params: Params, pictures: Path) -> str:
    """The text of the page; writes one picture per category."""
    stages = {name: folder / name / SHARD for name in ("clips", "regions", "facts")}
    clips = read_table(stages["clips"] / "clips.parquet")
    regions = read_table(stages["regions"] / "regions.parquet")
    facts = read_table(stages["facts"] / "facts.parquet")
    questions = compose(clips, regions, facts, params.questions, params.release).questions
    marks = marked_regions(regions)
    frames = Arrays(stages["clips"] / "frames.safetensors")
    masks = Arrays(stages["regions"] / "masks.safetensors")
    lines = [INTRO + "\n".join(f"| `{name}` | {text} |" for name, text in FRAMES.items()), ""]
    for category in CATEGORIES:
        row = _example(questions, category)
        clip_id = row["clip_id"]
        slug = "_".join(re.findall(r"\w+", category.lower()))
        picture = _picture(frames[f"{clip_id}.rgb_thw3"], masks[f"{clip_id}.masks_kthw"])
        write_bytes(pictures / f"{slug}.png", _png(picture))
        known = facts.filter(pl.col("fact_id").is_in(row["fact_ids"]))
        by_id = {fact["fact_id"]: Fact.from_row(fact) for fact in known.to_dicts()}
        lines += _section(category, row, by_id, marks[clip_id], f"questions/{slug}.png")
    return "\n".join(lines).rstrip() + "\n"


def _example(questions: pl.DataFrame, category: str) -> dict[str, Any]:
    """The first question by id of the family to be shown, or else of the category."""
    of_category = questions.filter(pl.col("category") == category).sort("qa_id")
    shown = of_category.filter(pl.col("family") == SHOWN[category])
    return (shown if shown.height else of_category).row(0, named=True)


def _section(
    category: str,
    row: Mapping[str, Any],
    facts: Mapping[str, Fact],
    region_ids: tuple[str, ...],
    picture: str,
) -> list[str]:
    family = BY_NAME[str(row["family"])]
    options = list(row["options"])
    derived = options[recompute(row, facts)]
    lines = [
        f"## {category}",
        "",
        f"![first frame with marks, and a later and the last frame]({picture})",
        "",
        f"> {_escaped(str(row['question']))}",
        "",
        *(f"- ({letter}) {option}" for letter, option in zip("ABCDE", options, strict=False)),
        "",
        f"Family `{family.name}`, frame `{family.frame}`. Facts:",
        "",
    ]
    for fact_id in row["fact_ids"]:
        fact = facts[fact_id]
        sigma = "exact" if fact.sigma <= 1e-6 else f"sigma {fact.sigma:.3g} {fact.unit}"
        if fact.unit == "class" and fact.sigma > 1e-6:
            sigma = f"{1 / fact.sigma:.1f} sigma from the next word"
        sentence = _escaped(fact_sentence(fact, region_ids))
        lines.append(f"- `{fact.kind}`: {sentence} ({sigma}; {fact.method})")
    lines += [
        "",
        f"From these facts: ({row['answer']}) **{derived}**, which leads the next option by "
        f"{_sigmas(row['margin_sigma'])}. The other options are the right answers of the other "
        "questions of its exchange group.",
        "",
        "| family | frame | options | asked like this |",
        "|---|---|---|---|",
        *(_family_row(one) for one in FAMILIES if one.category == category),
        "",
    ]
    return lines


def _family_row(family: Family) -> str:
    if isinstance(family.rule, Numbers):
        options = f"numbers in {family.rule.unit}, at least {family.rule.least_gap:g} apart"
    elif isinstance(family.rule, Counts):
        options = "consecutive integers"
    else:
        options = "words"
        if family.rule.always:
            options += f', always with "{family.rule.always[0]}"'
    instant = family.evidence[0].kinds[0] in _AT_INSTANTS
    phrasing = family.phrasings[0].format(
        when="At 0 sec" if instant else "From 0 sec to 1.75 sec",
        a="<obj_1>", b="<obj_2>", c="<obj_3>", name="red box", point="(0.4, 0.1, 2.3)",
    )  # fmt: skip
    return f"| `{family.name}` | `{family.frame}` | {options} | {_escaped(phrasing)} |"


_AT_INSTANTS = (
    "distance", "distance_to_camera", "side", "quadrant", "picture_side", "position_right",
    "nearest", "farthest", "who_is_there", "speed", "nearer_count", "left_count",
)  # fmt: skip


def _sigmas(margin: object) -> str:
    return "far more than any sigma" if float(str(margin)) >= 1000 else f"{margin:.1f} sigma"


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _picture(rgb_thw3: np.ndarray, masks_kthw: np.ndarray) -> np.ndarray:
    """The marked first frame, one from the middle and the last, side by side."""
    first = draw_marks(rgb_thw3[0], masks_kthw[:, 0], scale=SCALE)
    later = [
        rgb_thw3[frame].repeat(SCALE, 0).repeat(SCALE, 1) for frame in (len(rgb_thw3) // 2, -1)
    ]
    return np.concatenate([first, *later], axis=1)


def _png(rgb_hw3: np.ndarray) -> bytes:
    """A small picture: a palette is enough to see what is asked."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(rgb_hw3).quantize(160, dither=Image.Dither.NONE).save(
        buffer, format="PNG", optimize=True
    )
    return buffer.getvalue()


if __name__ == "__main__":
    write_page(Path(sys.argv[1]))
