"""The rows of an export in the form of each trainer, and the index files that trainers ask for.

| file | read by | form |
|---|---|---|
| `SPLIT.jsonl` | `datasets`, ms-swift, TRL | messages JSON lines with all columns |
| `swift/SPLIT.jsonl` | ms-swift | the same, with the boxes of the regions as `objects` |
| `sharegpt/SPLIT.json` | LLaMA-Factory, by `dataset_info.json` | messages, `images`, `videos` |
| `llava/SPLIT.json` | Qwen-VL finetune and other readers of `<image>` and `<video>` | LLaVA |
| `llava_next/SPLIT.json` | LLaVA-NeXT, where `<image>` stands for the one video of a row | LLaVA |

Rows without an answer are in `SPLIT.jsonl` alone: the others are for training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from p4d.exports.training.rows import MARKED_VIDEO_NOTE, MARKS_NOTE, ClipFacts, asked
from p4d.splits import SPLITS
from p4d.students.model.chat import IMAGE, VIDEO

Row = Mapping[str, Any]
SWIFT_EXTRA = ("id", "solution", "answer_text", "category", "facts", "frames_pts_s", "lineage")


def json_lines(rows: Sequence[Row]) -> bytes:
    """One JSON object per line, keys in the order of the rows."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def json_list(rows: Sequence[Row]) -> bytes:
    """A JSON list with one row per line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n".encode()


def llava(row: Row) -> Row:
    """LLaVA's form with `<image>` for the marked picture and `<video>` for the clip."""
    human, answer = (turn["content"] for turn in row["messages"])
    return {
        "id": row["id"],
        "image": row["images"][0],
        "video": row["videos"][0],
        "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": answer}],
    }


def llava_next(row: Row) -> Row:
    """LLaVA's form with one medium per row: the clip whose first frame carries the marks."""
    text = f"{IMAGE}\n{MARKED_VIDEO_NOTE}\n{asked(row['question'], row['options'])}"
    return {
        "id": row["id"],
        "video": row["videos"][0].replace("videos/", "videos_marked/", 1),
        "conversations": [
            {"from": "human", "value": text},
            {"from": "gpt", "value": row["solution"]},
        ],
    }


def sharegpt(row: Row) -> Row:
    """LLaMA-Factory's form; its converter wants exactly the columns that `dataset_info` names."""
    return {name: row[name] for name in ("messages", "images", "videos")}


def swift(row: Row, about: ClipFacts) -> Row:
    """ms-swift's form: each region's box in the marked picture, which ms-swift writes for a model.

    Columns that ms-swift does not know go on to a reward function.
    """
    boxes = about.boxes()
    named = ", ".join(f"<obj_{k}> <bbox>" for k, _ in boxes)
    where = f"Regions in the picture: {named}.\n" if boxes else ""
    text = f"{IMAGE}\n{VIDEO}\n{MARKS_NOTE}\n{where}{asked(row['question'], row['options'])}"
    user, answer = row["messages"]
    return {
        "messages": [{**user, "content": text}, answer],
        "images": row["images"],
        "videos": row["videos"],
        "objects": {
            "ref": [],
            "bbox": [box for _, box in boxes],
            "bbox_type": "norm1",
            "image_id": [0] * len(boxes),
        },
        **{name: row[name] for name in SWIFT_EXTRA},
    }


JSON_FORMS = {"sharegpt": sharegpt, "llava": llava, "llava_next": llava_next}
"""Forms that are one JSON list per split, by the name of their folder."""


def dataset_info(splits: Sequence[str]) -> dict[str, Any]:
    """LLaMA-Factory's index of data sets: `p4d_train` and so on, with paths from the folder."""
    return {
        f"p4d_{split}": {
            "file_name": f"sharegpt/{split}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images", "videos": "videos"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
            },
        }
        for split in SPLITS
        if split in splits
    }
