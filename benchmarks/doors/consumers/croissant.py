"""mlcroissant: the description without a complaint, its rows, masks and media."""

import json
import sys
from pathlib import Path

import mlcroissant
from PIL import Image

folder = Path(sys.argv[1])
dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
issues = dataset.metadata.ctx.issues
equal = not issues.errors and not issues.warnings
rows = 0
for split in ("train", "val", "test"):
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        continue
    truth = {
        row["id"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    }
    for row in dataset.records(split):
        rows += 1
        one = truth.pop(row[f"{split}/id"].decode())
        equal &= row[f"{split}/question"].decode() == one["question"]
        equal &= [option.decode() for option in row[f"{split}/options"]] == one["options"]
        times = zip(row[f"{split}/frames_pts_s"], one["frames_pts_s"], strict=True)
        equal &= all(abs(a - b) < 1e-9 for a, b in times)
    equal &= not truth
shown = {
    row["marks_files/file"].decode(): row["marks_files/content"].size
    for row in dataset.records("marks_files")
}
files = {path.name: Image.open(path).size for path in folder.glob("marks/*/*.png")}
equal &= shown == files
print(json.dumps({"rows": rows, "equal": bool(equal), "pictures": len(shown)}))
