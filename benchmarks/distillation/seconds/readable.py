"""What of the times enters the language model: explained variance of a ridge regression.

From the visual tokens of the base student, averaged over the places of each slot, to times of the
frames; fitted on clips of train worlds, measured on clips of validation worlds. Beside it, the same
from the encodings alone: of slots, which is what this student gets, and of frames, as the paper's
encoder of single frames gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.distillation.seconds.corpus import base_student, clips_of
from benchmarks.distillation.seconds.plan import settings
from p4d.artifacts import read_table, write_json
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.model.student import embedded_tokens, load
from p4d.students.model.time_encoding import time_encoding

FILE = "readable.json"
CLIPS = {"train": 600, "val": 200}
BATCH, RIDGE = 16, 1e-3


def measure_readable(work: Path) -> None:
    """Measure once, and write `readable.json`."""
    if (work / FILE).is_file():
        return
    times, tokens, strength = _seen(work)
    targets = {part: _targets(times_s) for part, times_s in times.items()}
    found: dict[str, Any] = {"feature_norm_over_encoding": strength, "explained_variance": {}}
    sources: dict[str, Mapping[str, np.ndarray]] = {
        f"tokens of the base student, {way}": tokens[way] for way in tokens
    }
    sources["encodings of the two slots"] = {
        part: _encoded(times_s.reshape(len(times_s), 2, -1).mean(axis=2))
        for part, times_s in times.items()
    }
    sources["encodings of the eight frames"] = {part: _encoded(times[part]) for part in times}
    for name, inputs in sources.items():
        found["explained_variance"][name] = {
            target: round(
                _explained(inputs["train"], targets["train"][target], inputs["val"],
                           targets["val"][target]), 3,
            )
            for target in targets["train"]
        }  # fmt: skip
    write_json(work / FILE, found)


def _seen(work: Path) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]], float]:
    """Times `[n, T]` by split, tokens `[n, slots * D]` by way and split, and a ratio of norms.

    The ratio is the mean norm of the features that enter the projector over that of the encoding.
    """
    clips = clips_of(work)
    table = read_table(work / "release" / "questions.parquet")
    times: dict[str, np.ndarray] = {}
    tokens: dict[str, dict[str, np.ndarray]] = {"tpe": {}, "none": {}}
    norms: list[float] = []
    for way, of_way in tokens.items():
        student = load(base_student(work, way, settings(1, way, 0)))
        packer = Packer(student.tokenizer, student.adapter)
        (projector, *_) = student.adapter.projector()
        if way == "none":
            handle = projector.register_forward_pre_hook(
                lambda _, given: norms.append(float(given[0].norm(dim=-1).mean()))
            )
        for part, count in CLIPS.items():
            rows = table.filter(split=part).select("shard", "clip_id").unique().sort("clip_id")
            visuals = [clips.read(*row) for row in rows.head(count).rows()]
            times[part] = np.stack([visual.times_s[1:] for visual in visuals])
            found: list[Tensor] = []
            for at in range(0, len(visuals), BATCH):
                samples = [
                    Sample("c", (ad_hoc_question("?", (), clip_id="c", video_id="v"),), visual, {})
                    for visual in visuals[at : at + BATCH]
                ]
                batch = packer.pack(samples)
                assert batch.times_s is not None
                with torch.no_grad():
                    entered = embedded_tokens(student.adapter, batch)
                placed = student.adapter.frame_tokens(entered, batch.input_ids, batch.times_s)
                found.append(placed.mean(dim=(2, 3)).flatten(1))
            of_way[part] = torch.cat(found).numpy()
        if way == "none":
            handle.remove()
            width = student.adapter.model.config.vision_config.hidden_size
    return times, tokens, round(float(np.mean(norms)) / (width / 2) ** 0.5, 2)


def _targets(times_s: np.ndarray) -> dict[str, np.ndarray]:
    frames = times_s.shape[1]
    steps = np.diff(times_s, axis=1)
    half = times_s.reshape(len(times_s), 2, -1).mean(axis=2)
    return {
        "first to last frame": times_s[:, -1],
        "longest pause": steps.max(axis=1),
        "mean time of the first slot": half[:, 0],
        "mean time of the second slot": half[:, 1],
        **{f"time of frame {t + 1}": times_s[:, t] for t in range(1, frames)},
    }


def _encoded(times_s: np.ndarray) -> np.ndarray:
    return np.asarray(time_encoding(torch.from_numpy(times_s), 128).flatten(1).numpy())


def _explained(
    inputs: np.ndarray, target: np.ndarray, asked: np.ndarray, true: np.ndarray
) -> float:
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    x, z = (inputs - mean) / scale, (asked - mean) / scale
    kernel = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(kernel, x.T @ (target - target.mean()))
    error = true - (z @ weights + target.mean())
    return float(1 - (error**2).mean() / ((true - target.mean()) ** 2).mean())
