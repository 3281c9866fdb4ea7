"""Hugging Face datasets: the questions by the card, and the clips of a split as videos.

The files are found and listed by `datasets` and decoded by PyAV: torchcodec, which it uses itself,
is built for CUDA alone where this was measured.
"""

import json
import sys
from pathlib import Path

import av
from datasets import Video, load_dataset

folder = Path(sys.argv[1])
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def lines(name):
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


questions = load_dataset(str(folder), "questions")
rows, equal = 0, True
for split, hub in SPLITS.items():
    path = folder / f"{split}.jsonl"
    if path.is_file():
        given, truth = list(questions[hub]), lines(path.name)
        rows += len(given)
        equal &= given == truth
frames = 0
for split in SPLITS:
    path = folder / "videos" / split / "metadata.jsonl"
    if not path.is_file():
        continue
    truth = {row["clip_id"]: row for row in lines(f"videos/{split}/metadata.jsonl")}
    clips = load_dataset("videofolder", data_dir=str(path.parent), split="train")
    clips = clips.cast_column("video", Video(decode=False))
    equal &= set(clips["clip_id"]) == set(truth)
    for row in clips:
        with av.open(row["video"]["path"]) as container:
            times = [float(f.pts * f.time_base) for f in container.decode(video=0)]
        frames += len(times)
        equal &= times == [k / row["fps"] for k in range(len(row["frames_pts_s"]))]
print(json.dumps({"rows": rows, "equal": bool(equal), "frames_decoded": frames}))
