"""Rows of the example project, one function for each kind of row."""

from __future__ import annotations

import hashlib

import polars as pl

SECOND = 1_000_000_000
SHARDS = ("0001-aaaaaaaa", "0002-bbbbbbbb")
TEACHERS = ("exact", "expert4d")
Tables = dict[str, pl.DataFrame]
VIDEOS = {SHARDS[0]: ("red", "sea"), SHARDS[1]: ("sky",)}
SPLITS = {"red": "train", "sea": "test", "sky": "val"}


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


def table(rows) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None)
