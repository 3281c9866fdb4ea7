"""The recipe of docs/students.md runs as it is printed, on a tiny checkpoint and a CPU."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from p4d.artifacts import read_json, read_table, write_arrays, write_table
from p4d.config import Params, replace_params
from p4d.students import load
from p4d.students.training.base_student import build_base_student
from p4d.students.training.stages import build_p4d
from p4d.teachers.expert4d import embedded
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import ClipInput
from tests.students import tiny
from tests.students.model.published.checkpoints import TEMPLATES, write_checkpoint

REPOSITORY = Path(__file__).parents[3]


def printed() -> dict[str, dict]:
    """The sections under `# params.yaml` in the recipe."""
    text = (REPOSITORY / "docs" / "students.md").read_text()
    (block,) = re.findall(r"# params\.yaml\n(.*?)```", text, re.DOTALL)
    return yaml.safe_load(block)


def test_the_recipe_of_a_qwen3_vl_at_448_px_runs(tmp_path):
    recipe = printed()
    assert recipe["clips"] == {"size_px": 448}
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for section, values in recipe.items():
        raw[section].update(values)
    folder = write_checkpoint(tmp_path / recipe["student"]["checkpoint"], "qwen3_vl")
    raw["student"]["checkpoint"] = str(folder)
    raw["training"] |= {"device": "cpu", "steps": 1, "batch": 1, "questions_per_clip": 1}
    raw["training"]["threads"] = 1
    params = Params.from_mapping(raw)
    project = _project(tmp_path / "data", params)
    base = dataclasses.replace(project.inputs("base_student"), all_params=params)
    build_base_student(base, project.root / "base_student")
    card = read_json(project.root / "base_student" / "card.json")
    assert card["tokens_per_frame_rows_columns"] == [14, 14]  # 448 px in cells of 32
    assert card["origin"]["new_tokens"] == 0
    inputs = dataclasses.replace(project.inputs("student_p4d"), all_params=params)
    build_p4d(inputs, tmp_path / "out")
    text = (tmp_path / "out" / "curve.csv").read_text().splitlines()
    assert text[0] == "step,total,sft,latent,depth,flow,motion,rays"
    assert np.isfinite([float(value) for value in text[1].split(",")]).all()
    student = load(tmp_path / "out")
    assert student.tokenizer.chat_template == TEMPLATES["qwen3_vl"]


def _project(root: Path, params: Params) -> tiny.TinyProject:
    """The tiny project with clips of 8 frames of 448 px, labelled by the embedded expert."""
    tiny.make(root, clips=2, alike=True)
    rng = np.random.default_rng(0)
    table = read_table(root / "clips" / tiny.SHARD / "clips.parquet")
    frames, marks, masks, labels = {}, {}, {}, LabelWriter()
    teacher = ExpertTeacher(embedded.FOLDER)
    for clip_id in table["clip_id"]:
        clip = rng.integers(0, 256, (8, 448, 448, 3), dtype=np.uint8)
        frames[f"{clip_id}.rgb_thw3"] = clip
        marks[f"{clip_id}.marks_hw3"] = 255 - clip[0]
        masks[f"{clip_id}.masks_kthw"] = np.ones((1, 8, 448, 448), np.uint8)
        (label,) = teacher.label([ClipInput(clip_id=clip_id, rgb_thw3=clip, truth=None)])
        labels.add(clip_id, "expert4d", label)
    times = pl.col("start_ns").map_elements(
        lambda start: [start + k * 250_000_000 for k in range(8)], pl.List(pl.Int64)
    )
    write_table(
        root / "clips" / tiny.SHARD / "clips.parquet",
        table.with_columns(frame_pts_ns=times),
        sort_by=["clip_id"],
    )
    write_arrays(root / "clips" / tiny.SHARD / "frames.safetensors", frames)
    write_arrays(root / "regions" / tiny.SHARD / "marks.safetensors", marks)
    write_arrays(root / "regions" / tiny.SHARD / "masks.safetensors", masks)
    labels.write(root / "labels" / tiny.SHARD)
    for name in ("weights.safetensors", "config.json", "latent_stats.safetensors"):
        (root / "expert" / name).write_bytes((embedded.FOLDER / name).read_bytes())
    return tiny.TinyProject(root, replace_params(params))
