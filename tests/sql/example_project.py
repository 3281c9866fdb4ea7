"""A small consistent project as tables: two shards, three usable videos, every stage.

Tests change one table and expect the gate, mart or query that watches over it to notice.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

SECOND = 1_000_000_000
SHARDS = ("0001-aaaaaaaa", "0002-bbbbbbbb")
TEACHERS = ("exact", "expert4d")
Tables = dict[str, pl.DataFrame]


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def video_id(name: str) -> str:
    return f"vid_{sha(name)[:16]}"


def video(name: str, outcome: str = "ok") -> dict:
    ok = outcome == "ok"
    return {
        "video_id": video_id(name),
        "name": f"{name}.mp4",
        "sha256": sha(name),
        "bytes": 1000,
        "file": f"files/{video_id(name)}.mp4" if ok else None,
        "sidecar_file": f"files/{video_id(name)}.truth.safetensors" if ok else None,
        "container": "mov,mp4" if ok else None,
        "codec": "h264" if ok else None,
        "pix_fmt": "yuv420p" if ok else None,
        "width_px": 64 if ok else None,
        "height_px": 64 if ok else None,
        "rotation_deg": 0 if ok else None,
        "duration_ns": 4 * SECOND if ok else None,
        "n_frames": 8 if ok else None,
        "fps_mean": 2.0 if ok else None,
        "is_vfr": False if ok else None,
        "licence": "CC0-1.0",
        "source": "test",
        "has_truth": ok,
        "outcome": outcome,
        "reason": None if ok else "moov atom not found",
    }


def clip(name: str, k: int, shard: str, outcome: str = "ok") -> dict:
    start = 2 * SECOND * k
    return {
        "clip_id": f"clip_{name}{k}",
        "video_id": video_id(name),
        "shard": shard,
        "start_ns": start,
        "end_ns": start + 2 * SECOND,
        "frame_index": [4 * k + i for i in range(4)],
        "frame_pts_ns": [start + i * SECOND // 2 for i in range(4)],
        "has_truth": True,
        "scale_kind": "metric",
        "phash": sha(name)[:16],
        "motion_energy": 1.5,
        "outcome": outcome,
        "reason": None if outcome == "ok" else "too dark",
    }


def hashes(name: str, k: int) -> dict:
    """Hashes of the four frames of a clip, each unlike any other."""

    def of(kind: str) -> list[str]:
        return [sha(f"{name} {k} {kind} {frame}")[:16] for frame in range(4)]

    return {
        "clip_id": f"clip_{name}{k}",
        "frame_hash": of("plain"),
        "mirrored_hash": of("mirrored"),
    }


def stats(clip_id: str, teacher: str, modality: str) -> dict:
    exact = teacher == "exact"
    limits = {"depth": (1.0, 9.0), "flow": (-3.0, 3.0), "motion": (0.0, 1.0), "rays": (-1.0, 1.0)}
    low, high = limits[modality]
    depth, flow, motion, rays = (modality == m for m in ("depth", "flow", "motion", "rays"))
    return {
        "clip_id": clip_id,
        "teacher": teacher,
        "modality": modality,
        "n_nan": 0,
        "n_inf": 0,
        "coverage": 0.9,
        "min": low,
        "p01": low,
        "p50": (low + high) / 2,
        "p99": high,
        "max": high,
        "depth_absrel": (0.0005 if exact else 0.1) if depth else None,
        "depth_delta1": (1.0 if exact else 0.9) if depth else None,
        "flow_epe_px": (0.004 if exact else 0.3) if flow else None,
        "flow_zero_epe_px": 0.8 if flow else None,
        "motion_iou": (1.0 if exact else 0.6) if motion else None,
        "ray_angle_rad": (0.0 if exact else 0.02) if rays else None,
        "flow_cycle_px": 0.2 if flow else None,
        "depth_scale_jump": 0.01 if depth else None,
    }


def region(clip_id: str, mark: int) -> dict:
    return {
        "region_id": f"reg_{clip_id}_{mark}",
        "clip_id": clip_id,
        "mark": mark,
        "source": "truth",
        "instance": mark,
        "name": f"red box {mark}",
        "area_px": 60,
        "visible_frames": 4,
        "outcome": "ok",
        "reason": None,
    }


def fact(clip_id: str, kind: str, value: float, unit: str, marks: tuple[int, ...]) -> dict:
    return {
        "fact_id": f"fact_{clip_id}_{kind}_{len(marks)}",
        "clip_id": clip_id,
        "kind": kind,
        "region_ids": [f"reg_{clip_id}_{mark}" for mark in marks],
        "start_ns": 0,
        "end_ns": 2 * SECOND,
        "value": value,
        "value_text": None,
        "unit": unit,
        "sigma": 0.01,
        "frame": "world",
        "method": "measured",
        "scale_kind": "metric",
        "teacher": "exact",
        "teacher_digest": "d1",
    }


def question(clip_id: str, k: int) -> dict:
    count = k % 2 == 0
    options = ["0", "1", "2", "3"] if count else ["1.00 m", "2.00 m", "3.00 m", "4.00 m"]
    right = k % 4
    return {
        "qa_id": f"qa_{clip_id}_{k}",
        "clip_id": clip_id,
        "video_id": video_id(clip_id.removeprefix("clip_")[:-1]),
        "category": "Counting" if count else "Dimensional Measurement",
        "family": "moving_count" if count else "distance",
        "frame": "camera_first",
        "template": "t1",
        "question": f"{k}: how many objects move?"
        if count
        else f"{k}: how far is <obj_1> from <obj_2>?",
        "options": options,
        "answer_index": right,
        "answer": "ABCD"[right],
        "answer_text": options[right],
        "fact_ids": [f"fact_{clip_id}_moving_count_2" if count else f"fact_{clip_id}_distance_2"],
        "region_ids": [f"reg_{clip_id}_1", f"reg_{clip_id}_2"],
        "margin_sigma": 5.0,
        "dynamic": count,
        "has_truth": True,
    }


VIDEOS = {SHARDS[0]: ("red", "sea"), SHARDS[1]: ("sky",)}
SPLITS = {"red": "train", "sea": "test", "sky": "val"}


def tables() -> Tables:
    """Tables by path below data/."""
    made: Tables = {}
    released: list[dict] = []
    released_clips: list[dict] = []
    for shard, names in VIDEOS.items():
        broken = [video("cut", "rejected")] if shard == SHARDS[0] else []
        dark = [clip("sky", 1, shard, "filtered")] if shard == SHARDS[1] else []
        clips = [clip(n, k, shard) for n in names for k in range(2) if (n, k) != ("sky", 1)]
        ids = [row["clip_id"] for row in clips]
        questions = [question(c, k) for c in ids for k in range(4)]
        of = {row["clip_id"]: row["video_id"] for row in clips}
        name_of = {video_id(name): name for name in names}
        made |= {
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
            **(
                {
                    f"clips/{shard}/truth_parts.parquet": table(
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
                }
                if "red" in names
                else {}
            ),
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
            f"questions/{shard}/questions.parquet": table(questions),
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
        split_of = {c: SPLITS[name_of[of[c]]] for c in ids}
        released += [
            {**q, "shard": shard, "split": split_of[q["clip_id"]], "review": None,
             "fixed_from": None}
            for q in questions
        ]  # fmt: skip
        released_clips += [
            {"clip_id": c, "video_id": of[c], "shard": shard, "split": split_of[c], "group": of[c]}
            for c in ids
        ]
    made["release/questions.parquet"] = table(released)
    made["release/clips.parquet"] = table(released_clips)
    held_out = [q for q in released if q["split"] == "test"]
    # p4d answers all, sft those about counting and else like blind, which says A.
    chosen = {
        "p4d": lambda q: q["answer_index"],
        "sft": lambda q: q["answer_index"] if q["category"] == "Counting" else 0,
        "blind": lambda q: 0,
        "p4d_first_frame": lambda q: 0,
    }
    made["evaluation/predictions.parquet"] = table(
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
    made["evaluation/by_category.csv"] = table(
        {"arm": arm, "category": "Average", "n": 8, "accuracy": a, "low": a - 0.2, "high": a + 0.2}
        for arm, a in (("p4d", 0.8), ("sft", 0.5), ("blind", 0.25))
    )
    made |= external_tables()
    return made


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


def table(rows) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None)


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


def md5(instance: str, version: int = 1) -> str:
    return hashlib.md5(f"{instance} {version}".encode()).hexdigest()


def at(minute: int) -> str:
    return f"2026-03-01T10:{minute:02d}:00.000+00:00"


def ledger() -> list[dict]:
    """One run of some stages; the label gate of the second shard fails; two champion versions."""
    records: list[dict] = []

    def made(stage: str, shard: str | None, upstream: dict[str, str], version: int = 1) -> None:
        instance = f"{stage}@{shard}" if shard else stage
        records.append(
            {
                "kind": "materialization",
                "at": at(len(records)),
                "prev": "0" * 64,
                "id": f"m{len(records)}",
                "stage": stage,
                "shard": shard,
                "path": f"data/{stage}/{shard}" if shard else f"data/{stage}",
                "md5": md5(instance, version),
                "nbytes": 100,
                "nfiles": 2,
                "fingerprint": {"code_version": f"code-{stage}", "params_digest": "p1"},
                "upstream": {name: f"md5:{value}" for name, value in upstream.items()},
                "git": {"commit": "c0ffee", "dirty": False},
                "env": "e1",
                "cost": {"wall_s": 2.0, "cpu_s": 1.5},
                "metrics": {"clips": 4},
                "run_id": "run-1",
            }
        )

    def check(instance: str, name: str, passed: bool) -> None:
        stage, _, shard = instance.partition("@")
        records.append(
            {
                "kind": "check",
                "at": at(len(records)),
                "stage": stage,
                "shard": shard or None,
                "md5": md5(instance),
                "name": name,
                "passed": passed,
                "blocking": True,
                "severity": "critical",
                "details": {"offenders": 0 if passed else 2},
                "run_id": "run-1",
            }
        )

    def of(*instances: str) -> dict[str, str]:
        return {instance: md5(instance) for instance in instances}

    for shard in SHARDS:
        made("videos", shard, {})
        made("clips", shard, of(f"videos@{shard}"))
    check(f"clips@{SHARDS[0]}", "intervals_are_disjoint", False)
    check(f"clips@{SHARDS[0]}", "intervals_are_disjoint", True)
    check(f"clips@{SHARDS[1]}", "intervals_are_disjoint", False)
    made("release", None, of(*(f"clips@{shard}" for shard in SHARDS)))
    made("student_p4d", None, of("release"))
    made("evaluation", None, of("release", "student_p4d"))
    made("champion", None, of("evaluation", "student_p4d"))
    # The same versions judged by another rule: a new decision.
    made("champion", None, of("evaluation", "student_p4d"), version=2)
    records.append({"kind": "landing", "at": at(20), "shard": SHARDS[0]})
    return records


def decisions() -> list[dict]:
    shared = {
        "challenger": f"md5:{md5('student_p4d')}",
        "evaluation": f"md5:{md5('evaluation')}",
        "champion": f"md5:{md5('student_p4d')}",
    }
    return [
        {
            **shared,
            "order": 1,
            "key": "d1",
            "decision": "promoted",
            "incumbent": None,
            "reasons": ["no champion yet"],
        },
        {
            **shared,
            "order": 2,
            "key": "d2",
            "decision": "refused",
            "incumbent": f"md5:{md5('student_p4d')}",
            "reasons": ["this version is champion already"],
            "error_rate": {"alpha": 0.05, "alpha_of_try": 0.0303964, "spent": False, "try": 1},
        },
    ]


def write_records(root: Path) -> None:
    """The ledger, its last line torn, and the champion's decisions."""
    for name, records, torn in (
        ("ledger/ledger.jsonl", ledger(), '{"kind": "materi'),
        ("champion/champions.jsonl", decisions(), ""),
    ):
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records) + torn)
