"""The rows of an export: one question each, as messages, with everything known of it as columns.

Every row has the same columns in every split, so that tools that infer a schema read all of them
alike. What is nested is JSON in a text column: viewers fail on nested columns of varying depth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from p4d.categories import STATIC
from p4d.datasets.masks.rle import encode as encode_mask
from p4d.exports.source import ReleasedClip
from p4d.exports.training.media import marks_name, rate_of, video_name
from p4d.questions.facts.table import Fact
from p4d.questions.regions.marks import masks_at
from p4d.students.model.chat import IMAGE, LETTERS, VIDEO

MARKS_NOTE = (
    "The picture is the first frame of the video. The outline with number k is the region <obj_k>."
)
MARKED_VIDEO_NOTE = (
    "In the first frame of the video, the outline with number k is the region <obj_k>."
)
ANSWER_NOTE = "Answer with the letter of the right option only."
TAGS = (
    *(IMAGE, VIDEO, "<audio>", "<bbox>", "<ref-object>", "<cot-process>"),
    *("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|endoftext|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
"""Texts that trainers replace or read as the end of a turn; a question with one is left out."""


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What is known of one clip beside its questions.

    Attributes:
        clip: the clip.
        size_px: width and height of its exported pictures.
        masks_kthw: u8 0/1 tracks of its marked regions, squashed to a square [K, T, S, S], in mark
            order.
        regions: region id, name and source of each, in mark order.
        facts: by id, those that a question of the clip refers to.
        fps: pictures per second of its exported video.
    """

    clip: ReleasedClip
    size_px: tuple[int, int]
    masks_kthw: np.ndarray
    regions: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Fact]
    fps: float

    @property
    def mark_of(self) -> Mapping[str, int]:
        """Mark of each region."""
        return {row["region_id"]: k for k, row in enumerate(self.regions, start=1)}

    def mask_hw(self, k: int, t: int) -> np.ndarray:
        """The mask of mark `k` in frame `t`, bool at the size of the pictures."""
        width, height = self.size_px
        found: np.ndarray = masks_at(self.masks_kthw[k - 1, t : t + 1], height, width)[0]
        return found

    def boxes(self) -> list[tuple[int, list[float]]]:
        """Mark and box of each region visible in the first frame: x1, y1, x2, y2 in [0, 1]."""
        found = []
        for k in range(1, len(self.regions) + 1):
            mask_hw = self.mask_hw(k, 0)
            rows, columns = np.nonzero(mask_hw)
            if len(rows):
                height, width = mask_hw.shape
                found.append((k, [
                    round(float(columns.min()) / width, 4), round(float(rows.min()) / height, 4),
                    round(float(columns.max() + 1) / width, 4),
                    round(float(rows.max() + 1) / height, 4),
                ]))  # fmt: skip
        return found

    def first_frame_json(self, *, named: bool) -> str:
        """Run lengths of the regions in the first frame, as a JSON list in mark order."""
        return json.dumps([
            {"mark": k, "region_id": row["region_id"], "name": row["name"] if named else None,
             "frame": 0,
             "segmentation": encode_mask(self.mask_hw(k, 0))}
            for k, row in enumerate(self.regions, start=1)
        ])  # fmt: skip


def asked(question: str, options: Sequence[str]) -> str:
    """A question with its lettered options and how to answer."""
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, ANSWER_NOTE])


def prompt_text(question: str, options: Sequence[str]) -> str:
    """What the user says beside the marked picture and the video."""
    return f"{MARKS_NOTE}\n{asked(question, options)}"


def user_text(question: str, options: Sequence[str]) -> str:
    """What the user says in a row: the marked picture, the video, the question."""
    return f"{IMAGE}\n{VIDEO}\n{prompt_text(question, options)}"


def unsafe_text(row: Mapping[str, Any]) -> str | None:
    """The first text of a question that a trainer would take for a tag; None if there is none."""
    texts = (row["question"], *row["options"])
    return next((tag for tag in TAGS for text in texts if tag in text), None)


def row_of(
    question: Mapping[str, Any], about: ClipFacts, *, export_id: str, answered: bool
) -> dict[str, Any]:
    """One row.

    Args:
        question: row of the release, with `exchange_group`.
        about: of its clip.
        export_id: for the column `lineage`, which `p4d why` explains.
        answered: whether the answer, and the facts that it follows from, go out.
    """
    clip = about.clip
    answer = question["answer"] if answered else None
    turns = [{"role": "user", "content": user_text(question["question"], question["options"])}]
    if answered:
        turns.append({"role": "assistant", "content": question["answer"]})
    facts = [about.facts[each] for each in question["fact_ids"]]
    return {
        "id": question["qa_id"],
        "split": clip.split,
        "messages": turns,
        "images": [marks_name(clip)],
        "videos": [video_name(clip)],
        "question": question["question"],
        "options": list(question["options"]),
        "solution": answer,
        "answer_text": question["answer_text"] if answered else None,
        "category": question["category"],
        "family": question["family"],
        "frame": question["frame"],
        "static": question["category"] in STATIC,
        "exchange_group": question["exchange_group"] if answered else None,
        "margin_sigma": question["margin_sigma"] if answered else None,
        "facts": json.dumps([_fact(fact, about.mark_of) for fact in facts]) if answered else None,
        "regions": about.first_frame_json(named=answered),
        "frames_pts_s": list(clip.times_s),
        "fps": about.fps,
        "scale_kind": clip.scale_kind,
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "lineage": f"{export_id}/{question['qa_id']}",
    }


def recipe_of(
    question: Mapping[str, Any],
    clip: ReleasedClip,
    video: Mapping[str, Any],
    *,
    export_id: str,
    fps: float,
) -> dict[str, Any]:
    """One row of a video whose pictures may not leave: ids, and how to make the clip from it."""
    return {
        "id": question["qa_id"],
        "split": clip.split,
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "video_sha256": video["sha256"],
        "video_name": video["name"],
        "source": video["source"],
        "licence": video["licence"],
        "frame_index": list(clip.frame_index),
        "frames_pts_s": list(clip.times_s),
        "fps": fps,
        "lineage": f"{export_id}/{question['qa_id']}",
    }


def _fact(fact: Fact, mark_of: Mapping[str, int]) -> dict[str, Any]:
    """A fact with its unit and sigma; regions by mark, times since the start of the clip."""
    return {
        "fact_id": fact.fact_id,
        "kind": fact.kind,
        "marks": [mark_of.get(region) for region in fact.region_ids],
        "start_s": fact.start_ns / 1e9,
        "end_s": fact.end_ns / 1e9,
        "value": fact.value,
        "value_text": fact.value_text,
        "unit": fact.unit,
        "sigma": fact.sigma,
        "frame": fact.frame,
        "method": fact.method,
        "teacher": fact.teacher,
    }


def region_rows(about: ClipFacts, *, tracks: bool) -> Iterator[dict[str, Any]]:
    """Rows of `regions.parquet`: one per marked region and frame.

    Without `tracks` of the first frame alone and without names: how a region moves and what it is
    are the answers of many questions.
    """
    for k, region in enumerate(about.regions, start=1):
        for t in range(about.masks_kthw.shape[1] if tracks else 1):
            mask_hw = about.mask_hw(k, t)
            segmentation = encode_mask(mask_hw)
            yield {
                "clip_id": about.clip.clip_id,
                "region_id": region["region_id"],
                "mark": k,
                "name": region["name"] if tracks else None,
                "source": region["source"],
                "frame": t,
                "time_s": about.clip.times_s[t],
                "area_px": int(mask_hw.sum()),
                "segmentation": json.dumps(segmentation),
            }


def clip_row(about: ClipFacts) -> dict[str, Any]:
    """One row of `metadata.jsonl` beside the clips of a split."""
    return {
        "file_name": f"{about.clip.clip_id}.mp4",
        "clip_id": about.clip.clip_id,
        "video_id": about.clip.video_id,
        "fps": about.fps,
        "frames_pts_s": list(about.clip.times_s),
    }


def fps_of(clip: ReleasedClip, grid_hz: float, span: str) -> float:
    """Pictures per second of an exported clip, as rows state it."""
    return float(rate_of(clip, grid_hz, span))
