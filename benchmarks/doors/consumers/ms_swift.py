"""ms-swift: its own loader and preprocessor; columns that it does not know go on to rewards."""

import json
import os
import sys
from pathlib import Path

folder = Path(sys.argv[1]).resolve()
os.chdir(folder)  # paths of media are relative to the folder

from swift.dataset import load_dataset  # noqa: E402

rows, equal = 0, True
for split in ("train", "val"):
    path = folder / "swift" / f"{split}.jsonl"
    given, _ = load_dataset(str(path), remove_unused_columns=False, load_from_cache_file=False)
    truth = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    equal &= len(given) == len(truth)
    for row, one in zip(given, truth, strict=True):
        rows += 1
        said = [{key: turn[key] for key in ("role", "content")} for turn in row["messages"]]
        equal &= said == one["messages"]
        equal &= row["videos"] == one["videos"]
        equal &= [image["path"] for image in row["images"]] == one["images"]
        pairs = zip(row["objects"]["bbox"], one["objects"]["bbox"], strict=True)
        equal &= all(abs(a - b) < 1e-9 for x, y in pairs for a, b in zip(x, y, strict=True))
        equal &= row["solution"] == one["solution"] and row["facts"] == one["facts"]
print(json.dumps({"rows": rows, "equal": bool(equal)}))
