"""`croissant.json` of an exported folder: rows, regions and media, with their provenance.

Clips are a file set without a record set: mlcroissant 1.1.1 opens no MP4. Rows name their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p4d.artifacts import write_json
from p4d.exports.croissant import (
    DatasetFacts,
    Json,
    column_field,
    description_of,
    file_object,
    file_set,
    record_set,
    table_fields,
)
from p4d.exports.source import OpenRelease
from p4d.splits import SPLITS

NAME = "croissant.json"
COLUMNS: Mapping[str, tuple[str, bool, str]] = {
    "id": ("sc:Text", False, "id of the question, which p4d why explains"),
    "question": ("sc:Text", False, "the question; <obj_k> is the region with mark k"),
    "options": ("sc:Text", True, "the options, in the order of their letters"),
    "solution": ("sc:Text", False, "letter of the right option; empty where it is held out"),
    "answer_text": ("sc:Text", False, "text of the right option; empty where it is held out"),
    "category": ("sc:Text", False, "category of R4D-Bench"),
    "family": ("sc:Text", False, "family of questions that read alike"),
    "images": ("sc:Text", True, "the marked picture"),
    "videos": ("sc:Text", True, "the clip at a constant rate"),
    "frames_pts_s": ("sc:Float", True, "true time of each frame since the clip's start, seconds"),
    "fps": ("sc:Float", False, "pictures per second of the clip"),
    "facts": ("sc:Text", False, "JSON list of the facts behind the answer, with unit and sigma"),
    "regions": ("sc:Text", False, "JSON list of COCO run lengths of the first frame"),
    "clip_id": ("sc:Text", False, "id of the clip"),
    "video_id": ("sc:Text", False, "id of the source video"),
    "lineage": ("sc:Text", False, "id of this row in its export"),
}
REGION_TEXTS = {
    "clip_id": "id of the clip", "region_id": "id of the region", "mark": "number k of <obj_k>",
    "name": "name of the object, if known", "source": "who segmented it",
    "frame": "number of the frame in the clip", "time_s": "its true time, seconds",
    "area_px": "pixels of the mask", "segmentation": "JSON of COCO run lengths",
}  # fmt: skip


def write_description(
    opened: OpenRelease, folder: Path, export_id: str, videos: Sequence[str], name: str
) -> None:
    """Describe the files of `folder`.

    Args:
        opened: the release.
        folder: the export, with all its tables and media.
        export_id: of the export.
        videos: ids of the source videos of exported clips.
        name: what made the folder.
    """
    rows = [opened.videos[video_id] for video_id in videos]
    facts = DatasetFacts(
        name=export_id,
        text=(
            f"Release {opened.release_id} for training: questions about regions of 4D video with "
            "clips, marked pictures, facts and masks."
        ),
        record=opened.record,
        number=opened.number,
        url=".",
        licences=Counter(str(row["licence"]) for row in rows),
        derived_from=opened.upstream,
        sources=[(row["sha256"], row["name"]) for row in rows],
        activity=name,
    )
    splits = [split for split in SPLITS if (folder / f"{split}.jsonl").is_file()]
    distribution = [
        *(
            file_object(
                folder / f"{split}.jsonl", f"{split}.jsonl", f"{split}.jsonl",
                "application/jsonlines",
            )
            for split in splits
        ),
        file_object(
            folder / "regions.parquet", "regions.parquet", "regions.parquet",
            "application/x-parquet",
        ),
        file_set("videos", "Clips at a constant rate.", "videos/*/*.mp4", "video/mp4"),
        file_set("marks", "First frames with their marks.", "marks/*/*.png", "image/png"),
    ]  # fmt: skip
    regions = table_fields("regions", folder / "regions.parquet", "regions.parquet", REGION_TEXTS)
    sets = [
        *(_questions(split) for split in splits),
        record_set("regions", "Masks of marked regions, by frame.", "region_id", regions),
        _media("marks", "sc:ImageObject", "Marked pictures; the name is the clip's id."),
    ]
    if not rows:  # every source stays: there are recipes alone
        distribution, sets = distribution[:-2], sets[:-1]
    write_json(folder / NAME, description_of(facts, distribution, sets))


def _questions(split: str) -> Json:
    fields = [
        column_field(split, name, text, f"{split}.jsonl", data_type, is_array=is_array)
        for name, (data_type, is_array, text) in COLUMNS.items()
    ]
    return record_set(split, f"Questions of the split {split}.", "id", fields)


def _media(name: str, data_type: str, text: str) -> Json:
    def field(part: str, kind: str, what: str) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"{name}_files/{part}",
            "name": f"{name}_files/{part}",
            "description": part,
            "dataType": kind,
            "source": {"fileSet": {"@id": name}, "extract": {"fileProperty": what}},
        }

    fields = [field("file", "sc:Text", "filename"), field("content", data_type, "content")]
    return record_set(f"{name}_files", text, "file", fields)
