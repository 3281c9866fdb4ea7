"""A tiny project: clips of a moving square, their questions, an untrained expert and its labels."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
import yaml
from safetensors.torch import save_file

from p4d.artifacts import write_arrays, write_json, write_table
from p4d.config import Params
from p4d.pipeline import StageInputs, stage_named
from p4d.students.data.samples import LabelReader
from p4d.teachers.expert4d.network import Expert4D, ExpertConfig, config_json
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

SIZE, FRAMES, MAP, SHARD = 32, 4, 16, "0000-abcdef01"
WAYS = {"left": (-3, 0), "right": (3, 0), "up": (0, -3), "down": (0, 3)}


def params(**sections: dict) -> Params:
    raw = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    tiny = {
        "clips": {"size_px": SIZE, "frames": FRAMES},
        "student": {
            "checkpoint": "",
            "vision_width": 32,
            "vision_blocks": 1,
            "vision_heads": 2,
            "text_width": 48,
            "text_blocks": 2,
            "text_heads": 2,
            "vocabulary": 320,
        },
        "training": {"steps": 3, "batch": 2, "questions_per_clip": 2, "threads": 1},
        "distillation": {"hidden_width": 16, "maps_every": 1, "until_fraction": 1.0},
        "evaluation": {"threads": 1},
    }
    raw = copy.deepcopy(raw)
    for updates in (tiny, sections):
        for name, values in updates.items():
            raw[name].update(values)
    return Params.from_mapping(raw)


def raw_params() -> dict[str, dict]:
    """The tiny parameters as params.yaml would hold them."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, tuple) else value

    return {name: plain(values) for name, values in dataclasses.asdict(params()).items()}


@dataclass(frozen=True)
class TinyProject:
    root: Path
    params: Params

    def inputs(self, stage: str, **extra: object) -> StageInputs:
        folders: dict[str, object] = {}
        for name in stage_named(stage).reads:
            folder = self.root / name
            folders[name] = {SHARD: folder / SHARD} if (folder / SHARD).is_dir() else folder
        return StageInputs(
            stage=stage_named(stage), all_params=self.params, folders=folders, **extra
        )


def make(
    root: Path, *, clips: int = 6, seed: int = 0, alike: bool = False, **sections: dict
) -> TinyProject:
    """Write every upstream folder of the student stages; splits alternate train, train, test.

    alike: all clips are asked the very same text, so that only seeing can tell them apart, and
    all are in the train split.
    """
    rng = np.random.default_rng(seed)
    frames, marks, masks, rows, questions = {}, {}, {}, [], []
    for number in range(clips):
        clip_id, video_id = f"clip_{number:03d}", f"vid_{number:03d}"
        way = list(WAYS)[number % 4]
        video = moving_square(WAYS[way], rng)
        frames[f"{clip_id}.rgb_thw3"] = video
        marks[f"{clip_id}.marks_hw3"] = video[0].copy()
        masks[f"{clip_id}.masks_kthw"] = (video.max(axis=-1) > 60).astype(np.uint8)[None]
        start_ns = number * 10**9
        split = "test" if number % 3 == 2 and not alike else "train"
        rows.append(
            {
                "clip_id": clip_id,
                "video_id": video_id,
                "start_ns": start_ns,
                "end_ns": start_ns + 10**9,
                "frame_pts_ns": [start_ns + k * 250_000_000 for k in range(FRAMES)],
                "outcome": "ok",
                "shard": SHARD,
                "split": split,
                "group": video_id,
            }
        )
        ways = [list(WAYS)[i] for i in (range(4) if alike else rng.permutation(4))]
        questions.append(
            _question(rows[-1], 0, "Translational", "Which way does <obj_1> move?", ways, way)
        )
        yes = ["yes", "no"]
        moves = "yes" if way in ("left", "right") else "no"
        text = "Does <obj_1> move sideways?"
        questions.append(_question(rows[-1], 1, "Spatial Relation", text, yes, moves))
    write_arrays(root / "clips" / SHARD / "frames.safetensors", frames)
    table = pl.DataFrame(rows)
    write_table(root / "clips" / SHARD / "clips.parquet", table, sort_by=["clip_id"])
    write_arrays(root / "regions" / SHARD / "marks.safetensors", marks)
    write_arrays(root / "regions" / SHARD / "masks.safetensors", masks)
    write_table(root / "release" / "questions.parquet", pl.DataFrame(questions), sort_by=["qa_id"])
    write_table(root / "release" / "clips.parquet", table, sort_by=["clip_id"])
    write_expert(root / "expert")
    labels = LabelWriter()
    for row in rows:
        labels.add(
            row["clip_id"], "expert4d", LabelArrays(**SquareLabels().read(SHARD, row["clip_id"]))
        )
    labels.write(root / "labels" / SHARD)
    return TinyProject(root, params(**sections))


def moving_square(step: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """u8 [T, S, S, 3]."""
    video = np.full((FRAMES, SIZE, SIZE, 3), 60, np.uint8)
    x, y = rng.integers(10, 15, 2)
    colour = rng.integers(120, 255, 3)
    for t in range(FRAMES):
        left, top = x + t * step[0], y + t * step[1]
        video[t, max(top, 0) : top + 8, max(left, 0) : left + 8] = colour
    return video


def _question(
    clip: dict, number: int, category: str, text: str, options: list, answer: str
) -> dict:
    index = options.index(answer)
    return {
        "qa_id": f"qa_{clip['clip_id']}_{number}",
        "clip_id": clip["clip_id"],
        "video_id": clip["video_id"],
        "shard": SHARD,
        "split": clip["split"],
        "category": category,
        "family": text,
        "question": text,
        "options": options,
        "answer_index": index,
        "answer": "ABCDE"[index],
        "answer_text": answer,
        "dynamic": category == "Translational",
    }


def write_expert(folder: Path) -> None:
    config = ExpertConfig(
        size_px=SIZE,
        frames=FRAMES,
        width=16,
        blocks=2,
        heads=2,
        hooks=(1, 2),
        patch_px=8,
        tubelet=2,
        map_px=MAP,
        stem_channels=32,
        head_channels=128,
        detail_channels=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expert = Expert4D(config)
        for weight in expert.parameters():
            if not weight.any():  # heads start at zero, which would hide every gradient
                torch.nn.init.normal_(weight, std=0.1)
    folder.mkdir(parents=True)
    save_file(expert.state_dict(), folder / "weights.safetensors")
    write_json(folder / "config.json", config_json(config))
    write_arrays(
        folder / "latent_stats.safetensors",
        {"mean_hd": np.full((2, 16), 0.1, np.float32), "std_hd": np.full((2, 16), 0.5, np.float32)},
    )


class SquareLabels(LabelReader):
    """Labels of the tiny project without a store, for tests below the stage level."""

    def __init__(self, *, nan: bool = False) -> None:
        self._fill = np.nan if nan else 0.0

    def has(self, shard: str, clip_id: str) -> bool:
        return True

    def read(self, shard: str, clip_id: str, *, maps: bool = True) -> dict[str, np.ndarray]:
        shape = (FRAMES, MAP, MAP)
        rng = np.random.default_rng(int(clip_id[-3:]))
        latents = rng.normal(size=(2, 2, 4, 4, 16)).astype(np.float32) + np.float32(self._fill)
        if not maps:
            return {"latents": latents}
        return {
            "latents": latents,
            "depth_thw": rng.uniform(1, 5, shape).astype(np.float32),
            "valid_thw": np.ones(shape, np.float32),
            "flow_px_thw2": rng.normal(size=(*shape, 2)).astype(np.float32),
            "flow_valid_thw": np.ones(shape, np.float32),
            "motion_thw": rng.uniform(0, 1, shape).astype(np.float32),
            "rays_thw6": rng.normal(size=(FRAMES, 4, 4, 6)).astype(np.float32),
        }
