"""A small consistent project as tables: two shards, three usable videos, every stage.

Tests change one table and expect the gate, mart or query that watches over it to notice.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from tests.sql.example_ledger import at, ledger, md5, write_records
from tests.sql.example_rows import (
    SECOND,
    SHARDS,
    SPLITS,
    TEACHERS,
    VIDEOS,
    Tables,
    clip,
    fact,
    hashes,
    question,
    region,
    sha,
    stats,
    table,
    video,
    video_id,
)

__all__ = [
    "SECOND", "SHARDS", "at", "clip", "external_tables", "folders", "hashes", "ledger", "md5",
    "region", "sha", "table", "tables", "video_id", "write", "write_records",
]  # fmt: skip


def tables() -> Tables:
    """Tables by path below data/."""
    made: Tables = {}
    questions: list[dict] = []
    clips: list[dict] = []
    for shard, names in VIDEOS.items():
        usable = [clip(n, k, shard) for n in names for k in range(2) if (n, k) != ("sky", 1)]
        ids = [row["clip_id"] for row in usable]
        asked = [question(c, k) for c in ids for k in range(4)]
        made |= video_tables(shard, names, usable)
        made |= label_tables(shard, ids)
        made |= question_tables(shard, ids, asked)
        of = {row["clip_id"]: row["video_id"] for row in usable}
        split_of_video = {video_id(name): SPLITS[name] for name in names}
        split_of = {c: split_of_video[of[c]] for c in ids}
        questions += [
            {**q, "shard": shard, "split": split_of[q["clip_id"]], "review": None,
             "fixed_from": None}
            for q in asked
        ]  # fmt: skip
        clips += [
            {"clip_id": c, "video_id": of[c], "shard": shard, "split": split_of[c], "group": of[c]}
            for c in ids
        ]
    made["release/questions.parquet"] = table(questions)
    made["release/clips.parquet"] = table(clips)
    made |= evaluation_tables([q for q in questions if q["split"] == "test"])
    made |= external_tables()
    return made


def video_tables(shard: str, names: tuple[str, ...], clips: list[dict]) -> Tables:
    """Videos and clips of a shard; the first has a damaged video, the second a dark clip."""
    broken = [video("cut", "rejected")] if shard == SHARDS[0] else []
    dark = [clip("sky", 1, shard, "filtered")] if shard == SHARDS[1] else []
    ids = [row["clip_id"] for row in clips]
    made = {
        f"videos/{shard}/videos.parquet": table([video(n) for n in names] + broken),
        f"videos/{shard}/frames.parquet": table(
            {"video_id": video_id(n), "frame_index": i, "pts_ns": i * SECOND // 2}
            for n in names
            for i in range(8)
        ),
        f"clips/{shard}/clips.parquet": table(clips + dark),
        f"clips/{shard}/frame_hashes.parquet": table(
            hashes(n, k) for n in names for k in range(2) if (n, k) != ("sky", 1)
        ),
        f"clips/{shard}/objects.parquet": table(
            {
                "clip_id": c,
                "instance": i,
                "k": i - 1,
                "name": f"red box {i}",
                "shape": "box",
                "colour": "red",
                "size_x_m": 0.4,
                "size_y_m": 0.5,
                "size_z_m": 0.6,
                "motion": "static",
            }
            for c in ids
            for i in (1, 2)
        ),
    }
    if "red" in names:
        made[f"clips/{shard}/truth_parts.parquet"] = table(
            [
                {
                    "clip_id": "clip_red0",
                    "gives": ["depth", "camera", "intrinsics", "instances"],
                    "scale": "metric",
                    "up": "unknown",
                    "times": "declared",
                    "background": "still",
                    "depth_sigma_ratio": 0.01,
                    "pose_sigma_m": 0.005,
                    "camera_frames": 2,
                    "depth_frames": 2,
                    "instance_frames": 2,
                }
            ]
        )
    return made


def label_tables(shard: str, ids: list[str]) -> Tables:
    """Labels of two teachers, and their statistics."""
    return {
        f"labels/{shard}/index.parquet": table(
            {
                "clip_id": c,
                "teacher": t,
                "teacher_digest": "d1" if t == "exact" else "d2",
                "depth_kind": "z",
                "scale_kind": "metric",
                "map_px": 32,
                "outcome": "ok",
                "reason": None,
            }
            for c in ids
            for t in TEACHERS
        ),
        f"labels/{shard}/label_stats.parquet": table(
            stats(c, t, m)
            for c in ids
            for t in TEACHERS
            for m in ("depth", "flow", "motion", "rays")
        ),
    }


def question_tables(shard: str, ids: list[str], asked: list[dict]) -> Tables:
    """Regions, facts, questions and refusals."""
    return {
        f"regions/{shard}/regions.parquet": table(region(c, m) for c in ids for m in (1, 2)),
        **{
            f"{stage}/{shard}/outcomes.parquet": table(
                {"clip_id": c, "outcome": "ok", "reason": None} for c in ids
            ).cast({"reason": pl.String})
            for stage in ("regions", "facts")
        },
        f"facts/{shard}/facts.parquet": table(
            row
            for c in ids
            for row in (
                fact(c, "distance", 2.0, "m", (1, 2)),
                fact(c, "moving_count", 1.0, "count", (1, 2)),
                fact(c, "camera_displacement", 0.1, "m", ()),
            )
        ),
        f"questions/{shard}/questions.parquet": table(asked),
        f"questions/{shard}/refusals.parquet": table(
            {
                "clip_id": c,
                "category": "Rotational",
                "family": "rotation",
                "reason": "margin",
                "count": 2,
            }
            for c in ids
        ),
    }


def evaluation_tables(held_out: list[dict]) -> Tables:
    """Answers of the arms and of the first-frame control, and accuracies."""
    # p4d answers all, sft those about counting and else like blind, which says A.
    chosen = {
        "p4d": lambda q: q["answer_index"],
        "sft": lambda q: q["answer_index"] if q["category"] == "Counting" else 0,
        "blind": lambda q: 0,
        "p4d_first_frame": lambda q: 0,
    }
    answers = table(
        {
            "arm": arm,
            "qa_id": q["qa_id"],
            "clip_id": q["clip_id"],
            "video_id": q["video_id"],
            "group": q["video_id"],
            "category": q["category"],
            "answer_index": q["answer_index"],
            "predicted_index": pick(q),
            "correct": pick(q) == q["answer_index"],
            "text": "ABCD"[pick(q)],
            "parsed": True,
            "generated_index": pick(q),
        }
        for arm, pick in chosen.items()
        for q in held_out
    )
    accuracies = table(
        {"arm": arm, "category": "Average", "n": 8, "accuracy": a, "low": a - 0.2, "high": a + 0.2}
        for arm, a in (("p4d", 0.8), ("sft", 0.5), ("blind", 0.25))
    )
    return {
        "evaluation/predictions.parquet": answers,
        "evaluation/by_category.csv": accuracies,
    }


def external_tables() -> Tables:
    """Two rows of one external set that share no medium, one rejected, one like a train clip."""
    rows = [("ext_a", "med_a", "<video>\nWhat?"), ("ext_b", "med_b", "Where <image>?")]
    return {
        "external/rows.parquet": table(
            {
                "row_id": row_id,
                "set": "own",
                "file": "train.json",
                "number": number,
                "form": "llava",
                "source_id": row_id,
                "question_type": "",
                "scene": "",
                "questions": [asked],
                "answers": ["this"],
                "markers": ["<video>" if "video" in asked else "<image>"],
                "media_ids": [medium],
                "licence": "CC-BY-4.0",
                "source": "unstated",
            }
            for number, (row_id, medium, asked) in enumerate(rows, start=1)
        ),
        "external/media.parquet": table(
            {
                "media_id": medium,
                "sha256": sha(medium),
                "kind": "video" if medium == "med_a" else "image",
                "file": f"media/{medium}",
                "bytes": 10,
                "width_px": 64,
                "height_px": 48,
                "frames": 8 if medium == "med_a" else 1,
                "duration_s": 1.75 if medium == "med_a" else 0.0,
            }
            for _, medium, _ in rows
        ),
        "external/rejected.parquet": table(
            [
                {
                    "set": "own",
                    "file": "train.json",
                    "number": 3,
                    "source_id": "",
                    "reason": "answer 1 is empty",
                }
            ]
        ),
        "mixture/rows.parquet": table(
            {"row_id": row_id, "set": "own", "split": split, "group": row_id, "reason": None}
            for (row_id, _, _), split in zip(rows, ("train", "held_out"), strict=True)
        ).cast({"reason": pl.String}),
        "mixture/media.parquet": table(
            [
                {"media_id": "med_a", "resembles": "clip_red0", "resembles_split": "train"},
                {"media_id": "med_b", "resembles": None, "resembles_split": None},
            ]
        ),
    }


def manifest(made: Tables) -> dict:
    questions, clips = made["release/questions.parquet"], made["release/clips.parquet"]
    return {
        "release_id": "rel_1",
        "shards": [{"shard": shard, "versions": {"questions": "md5:q"}} for shard in SHARDS],
        "excluded": {},
        "duplicate_hamming_bits": 3,
        "counts": {"questions": len(questions), "clips": len(clips)},
        "splits": {
            split: {
                "questions": len(questions.filter(pl.col("split") == split)),
                "clips": len(clips.filter(pl.col("split") == split)),
            }
            for split in ("train", "val", "test")
        },
    }


def write(root: Path, made: Tables) -> Path:
    """Write the tables below `root`/data; returns `root`."""
    for name, frame in made.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    (root / "data/release/manifest.json").write_text(json.dumps(manifest(made)))
    for arm in ("sft", "p4d", "blind"):
        folder = root / f"data/student_{arm}"
        (folder / "model").mkdir(parents=True, exist_ok=True)
        save_file({"w": np.ones(4, np.float32)}, folder / "model/model.safetensors")
        curve = pl.DataFrame({"step": range(1, 11), "sft": [2.0 - 0.1 * i for i in range(10)]})
        curve.write_csv(folder / "curve.csv")
    return root


def folders(root: Path, stage: str, needs: tuple[str, ...], shard: str = SHARDS[0]) -> dict:
    """Folders as a gate gets them: one shard's, or all shards' for a stage that reads them all."""
    fan_in = not (root / "data" / stage / shard).is_dir()
    found: dict = {}
    for name in (stage, *needs):
        folder = root / "data" / name
        parts = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
        if shard not in parts:
            found[name] = folder
        else:
            found[name] = parts if fan_in else folder / shard
    return found
