"""Opens exported students with transformers' own processors and pipelines; prints what they say.

    PYTHONPATH=TORCHVISION:. python -m tests.students.use.in_transformers GIVEN.npz FOLDER...

In a process of its own, because transformers' processors need torchvision (see
`tests/students/model/published/reference.py`). p4d is not imported. Prints one JSON line.
"""

# ruff: noqa: E402 - the operators come first

import json
import sys
from pathlib import Path

import torch

_OPERATORS = torch.library.Library("torchvision", "DEF")
_OPERATORS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_OPERATORS.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import numpy as np
from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline
from transformers.video_utils import VideoMetadata


def asked(folder: str, frames: np.ndarray, times_s: np.ndarray, question: str) -> dict:
    """Logits after the prompt, with and without the encoding of times, and a pipeline's text."""
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    content = [{"type": "video"}, {"type": "text", "text": question}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    rate = 1 / float(times_s[1] - times_s[0])
    metadata = VideoMetadata(
        total_num_frames=len(frames), fps=rate, frames_indices=np.arange(len(frames))
    )
    inputs = processor(
        text=[text],
        videos=[frames],
        video_metadata=[metadata],
        do_sample_frames=False,
        return_tensors="pt",
    )
    sys.path.insert(0, folder)
    sys.modules.pop("p4d_time", None)
    from p4d_time import times_told

    with torch.no_grad():
        plain = model(**inputs).logits[0, -1]
        model.model.rope_deltas = None
        with times_told(model, times_s.tolist()):
            told = model(**inputs).logits[0, -1]
    sys.path.pop(0)
    answer = pipeline("image-text-to-text", model=folder)
    picture = __import__("PIL.Image", fromlist=["Image"]).fromarray(frames[0])
    turn = [{"role": "user", "content": [
        {"type": "image", "image": picture}, {"type": "text", "text": question},
    ]}]  # fmt: skip
    said = answer(text=turn, max_new_tokens=4, do_sample=False, return_full_text=False)
    return {
        "ids": inputs["input_ids"][0].tolist(),
        "plain": plain.tolist(),
        "told": told.tolist(),
        "pipeline": said[0]["generated_text"],
    }


if __name__ == "__main__":
    given = np.load(sys.argv[1])
    question = (Path(sys.argv[1]).parent / "question.txt").read_text()
    found = [asked(f, given["frames"], given["times_s"], question) for f in sys.argv[2:]]
    assert "p4d" not in sys.modules
    print(json.dumps(found))
