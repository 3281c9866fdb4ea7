"""LLaMA-Factory: its own parser, loader, converter, and its check of tags against files."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.mm_plugin import get_mm_plugin
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments, ModelArguments

folder = Path(sys.argv[1])
plugin = get_mm_plugin("qwen3_vl", image_token="<|image_pad|>", video_token="<|video_pad|>")
model = ModelArguments(model_name_or_path="none")
training = SimpleNamespace(local_process_index=0, do_eval=False)
rows, equal = 0, True
for split in ("train", "val"):
    data = DataArguments(
        dataset=f"p4d_{split}", dataset_dir=str(folder), media_dir=str(folder), template="qwen3_vl",
        overwrite_cache=True,
    )  # fmt: skip
    (attributes,) = get_dataset_list([f"p4d_{split}"], str(folder))
    given = _load_single_dataset(attributes, model, data, training)
    truth = [
        json.loads(line)
        for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    equal &= len(given) == len(truth)
    for row, one in zip(given, truth, strict=True):
        rows += 1
        said = [*row["_prompt"], *row["_response"]]
        equal &= [(m["role"], m["content"]) for m in said] == [
            (m["role"], m["content"]) for m in one["messages"]
        ]
        for kind in ("images", "videos"):
            equal &= row[f"_{kind}"] == [str(folder / name) for name in one[kind]]
            equal &= all(Path(path).is_file() for path in row[f"_{kind}"])
        plugin._validate_messages(said, row["_images"], row["_videos"], row["_audios"] or [])
print(json.dumps({"rows": rows, "equal": bool(equal)}))
