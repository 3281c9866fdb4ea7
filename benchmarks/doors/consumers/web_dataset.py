"""webdataset: whole clips with pictures and rows, equal to the files of the folder."""

import io
import json
import sys
from pathlib import Path

import webdataset as wds
from PIL import Image

folder = Path(sys.argv[1])
rows, equal = 0, True
for split in ("train", "val", "test"):
    archives = sorted(str(path) for path in (folder / "webdataset").glob(f"{split}-*.tar"))
    if not archives:
        continue
    truth = [
        json.loads(line)
        for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    given = []
    for sample in wds.WebDataset(archives, shardshuffle=False):
        clip = sample["__key__"]
        equal &= sample["mp4"] == (folder / "videos" / split / f"{clip}.mp4").read_bytes()
        equal &= sample["png"] == (folder / "marks" / split / f"{clip}.png").read_bytes()
        Image.open(io.BytesIO(sample["png"])).verify()
        given += json.loads(sample["json"])["rows"]
    rows += len(given)
    equal &= sorted(given, key=lambda row: row["id"]) == truth
print(json.dumps({"rows": rows, "equal": bool(equal)}))
