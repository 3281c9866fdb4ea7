"""Hugging Face datasets: the questions by the card, and the clips of a split as videos."""

import json
import sys
from pathlib import Path

from datasets import load_dataset

folder = Path(sys.argv[1])
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def lines(name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


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
    equal &= set(clips["clip_id"]) == set(truth)
    for row in clips.select(range(min(5, len(clips)))):
        decoder = row["video"]
        frames += decoder.metadata.num_frames
        equal &= decoder.metadata.num_frames == len(truth[row["clip_id"]]["frames_pts_s"])
        equal &= decoder.metadata.average_fps == truth[row["clip_id"]]["fps"]
        shown = [decoder.get_frame_at(k).pts_seconds for k in range(decoder.metadata.num_frames)]
        equal &= shown == [k / row["fps"] for k in range(len(shown))]
print(json.dumps({"rows": rows, "equal": bool(equal), "frames_decoded": frames}))
