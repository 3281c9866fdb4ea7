"""Writes what transformers' own processors make of the inputs in `cases.py` to `processors.json`.

    pip install --no-deps --target TORCHVISION torchvision==0.28.0
    PYTHONPATH=TORCHVISION:. python -m tests.students.model.published.reference

torchvision is apart from the environment because its only wheel is built for CUDA: beside a CPU
build of torch it can be imported only after two of its operators are declared.
"""

# ruff: noqa: E402 - the operators come first

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch

_OPERATORS = torch.library.Library("torchvision", "DEF")
_OPERATORS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_OPERATORS.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import numpy as np
import torchvision
import transformers
from transformers import AutoProcessor
from transformers.video_utils import VideoMetadata

from tests.students.model.published.cases import FILE, QUESTION, Case, cases_of, digest, runs
from tests.students.model.published.checkpoints import FAMILIES, write_checkpoint


def _as_transformers(processor: object, case: Case) -> dict:
    frames = case.pictures()
    kinds = (["image"] if case.still else []) + ["video"]
    content = [*({"type": kind} for kind in kinds), {"type": "text", "text": QUESTION}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    metadata = VideoMetadata(
        total_num_frames=case.total, fps=case.video_fps, frames_indices=case.indices
    )
    stills = {"images": [case.marked()]} if case.still else {}
    out = processor(
        text=[text],
        videos=[frames],
        video_metadata=[metadata],
        do_sample_frames=False,
        # InternVL's processor joins tensors of torch only.
        return_tensors="pt" if type(processor).__name__ == "InternVLProcessor" else "np",
        **stills,
    )
    found = {"ids": runs(np.asarray(out["input_ids"][0]).tolist())}
    for key in ("pixel_values", "pixel_values_videos"):
        if key in out:
            array = np.asarray(out[key], np.float32)
            found[key] = {"shape": list(array.shape), "sha256": digest(array)}
    for key in ("image_grid_thw", "video_grid_thw", "second_per_grid_ts"):
        if key in out:
            found[key] = np.asarray(out[key]).tolist()
    return found


def _sampled(processor: object, wanted: dict) -> list[dict]:
    found = []
    for total, fps in ((7, 30.0), (30, 29.97), (48, 12.0), (250, 25.0), (3000, 30.0)):
        video = processor.video_processor
        metadata = VideoMetadata(total_num_frames=total, fps=fps)
        indices = video.sample_frames(metadata=metadata, **wanted)
        case = {"total": total, "fps": fps, "indices": np.asarray(indices).tolist()}
        found.append(case | {k: v for k, v in wanted.items() if k == "num_frames"})
    return found


def make() -> dict:
    """All cases of all families."""
    made: dict = {
        "torchvision": torchvision.__version__,
        "transformers": transformers.__version__,
        "cases": {},
        "sampling": {},
    }
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            processor = AutoProcessor.from_pretrained(write_checkpoint(Path(folder), family))
        made["cases"][family] = {
            case.name: _as_transformers(processor, case) for case in cases_of(family)
        }
        wanted = {"internvl": {"num_frames": 5}}.get(family, {"fps": 2.0})
        if family != "llava_onevision":
            made["sampling"][family] = _sampled(processor, wanted)
    return made


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), sort_keys=True) + "\n")
