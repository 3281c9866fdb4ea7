"""Benchmarks in their own file formats, from the published lists of fields, with their traps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from tests.video.media import write_video

FRAMES, FPS = 24, 12


def video(path: Path, frames: int = FRAMES) -> Path:
    return write_video(path, frames=frames, fps=FPS, size=(64, 48))


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((48, 64, 3), (200, 30, 30), np.uint8)).save(path)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def r4d_bench(folder: Path) -> Path:
    """Ids as numbers and texts, an answer that is the number 0, options of mixed types."""
    records = [
        {
            "id": 7,
            "benchmark": "stibench",
            "task": "Speed & Acceleration",
            "video": "clipped/stibench/a.mp4",
            "source": "videos/stibench/a.mp4",
            "som_image": "images/stibench/7.png",
            "question": "From 0 sec to 1 sec, how fast is <obj_1>?",
            "question_raw": "From 0 sec to 1 sec, how fast is the car?",
            "options": ["3.74", 0.75, "0.00", None, 7],
            "answer": 7,
            "time_start": 0.5,
            "time_end": 1.0,
        },
        {
            "id": "7",
            "benchmark": "vlm4d",
            "task": "Counting",
            "video": "videos/vlm4d/b.mp4",
            "source": "videos/vlm4d/b.mp4",
            "som_image": "images/vlm4d/7.png",
            "question": "How many of <obj_1>, <obj_2> move?",
            "question_raw": "How many dogs move?",
            "options": [2, 0, 1, 3],
            "answer": 0,
        },
        {
            "id": "real_3",
            "benchmark": "vlm4d",
            "task": "Translational",
            "video": "videos/vlm4d/b.mp4",
            "som_image": None,
            "question_new": "Which way does <obj_1> go?",
            "question_old": "Which way does the dog go?",
            "options": ["left", "right", "not moving", "up"],
            "answer": "right",
        },
        {  # trimmed, but only the source is there
            "id": 8,
            "benchmark": "stibench",
            "task": "Dimensional Measurement",
            "video": "clipped/stibench/gone.mp4",
            "source": "videos/stibench/a.mp4",
            "question": "How tall is <obj_1>?",
            "options": ["1 m", "2 m", "3 m", "4 m", "5 m"],
            "answer": "B",
            "time_start": 1,
            "time_end": "1.5",
        },
        {"id": 9, "benchmark": "stibench", "task": "Spatial Relation"},  # no fields
        {
            "id": 10,
            "benchmark": "vlm4d",
            "task": "Rotational",
            "video": "videos/vlm4d/missing.mp4",
            "question": "Which way?",
            "options": ["a", "b"],
            "answer": "a",
        },
        {
            "id": 11,
            "benchmark": "vlm4d",
            "task": "Rotational",
            "video": "videos/vlm4d/b.mp4",
            "question": "Which way?",
            "options": ["clockwise", "not spinning"],
            "answer": "sideways",
        },
        {"id": 7, "benchmark": "stibench", "task": "Counting"},  # taken
        "no record",
    ]
    write_json(folder / "test.json", records)
    video(folder / "clipped" / "stibench" / "a.mp4", 6)
    video(folder / "videos" / "stibench" / "a.mp4")
    video(folder / "videos" / "vlm4d" / "b.mp4")
    picture(folder / "images" / "stibench" / "7.png")
    picture(folder / "images" / "vlm4d" / "7.png")
    return folder


def sti_bench(folder: Path) -> Path:
    rows = {
        "Video": ["a.mp4", "a.mp4", "a.mp4"],
        "Source": ["Waymo", "Waymo", "Waymo"],
        "Task": ["Speed & Acceleration", "Ego-Centric Orientation", "Spatial Relation"],
        "Question": ["How fast is it?", "How far did it turn?", "Where is it?"],
        "Candidates": [
            json.dumps({"A": "3.74", "B": 0, "C": "0.75", "D": "14.97", "E": "7.48"}),
            json.dumps({"A": "10 deg", "B": "20 deg", "C": "30 deg", "D": "40 deg", "E": "5 deg"}),
            json.dumps({"A": "left", "C": "right"}),
        ],
        "Answer": ["B", "E", "A"],
        "time_start": [0.0, None, 0.5],
        "time_end": [1.0, None, 0.25],
        "ID": [0, 1, 2],
        "Scene": ["outdoor"] * 3,
    }
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(folder / "qa.parquet")
    video(folder / "video" / "a.mp4")
    return folder


def sti_bench_processed(folder: Path) -> Path:
    records = [
        {
            "id": 0,
            "video": "a.mp4",
            "task": "dimensional measurement",
            "question": "How tall is it?",
            "options": [1, 2, "3", 4, 5],
            "answer": "C",
            "time_start": 0,
            "time_end": 2,
        }
    ]
    write_json(folder / "qa_processed.json", records)
    video(folder / "video" / "a.mp4")
    return folder


def vlm4d(folder: Path) -> Path:
    url = "https://huggingface.co/datasets/shijiezhou/VLM4D/resolve/main/"
    real = [
        {
            "id": "validation_1",
            "video": f"{url}videos_real/davis/dog.mp4",
            "question_type": "multiple-choice",
            "question": "Which way does the dog go?",
            "choices": {"A": "left", "B": "right", "C": "not moving", "D": "no dog"},
            "answer": "right",
        },
        {
            "id": 2,
            "video": f"{url}videos_real/davis/dog.mp4",
            "question_type": "multiple-choice",
            "question": "How many dogs turn?",
            "choices": {"A": 0, "B": 1, "C": 2, "D": 3},
            "answer": "0",
        },
    ]
    synthetic = [{**real[1], "video": f"{url}videos_synthetic/synth_001.mp4", "answer": 9}]
    write_json(folder / "QA" / "real_mc.json", real)
    write_json(folder / "QA" / "synthetic_mc.json", synthetic)
    video(folder / "videos_real" / "davis" / "dog.mp4")
    video(folder / "videos_synthetic" / "synth_001.mp4")
    return folder


def vsti_bench(folder: Path) -> Path:
    base = {"dataset": "scannet", "scene_name": "scene0001_00", "video_path": "scannet/s.mp4"}
    rows = [
        {
            "id": 0,
            "question_type": "camera_displacement",
            "question": "How far does the camera move between frame 1 and frame 9 of 32?",
            "options": None,
            "ground_truth": "2.0",
            "mc_answer": None,
        },
        {
            "id": 1,
            "question_type": "obj_obj_relative_pos_lr",
            "question": "Is the chair left or right of the table?",
            "options": ["A. Left", "B. Right"],
            "ground_truth": "Right",
            "mc_answer": "B",
        },
        {
            "id": 2,
            "question_type": "camera_movement_direction",
            "question": "Which way does the camera move?",
            "options": ["A. Forward", "B. Left", "C. Right", "D. Backward"],
            "ground_truth": "Left",
            "mc_answer": None,
        },
        {
            "id": 3,
            "question_type": "camera_obj_abs_dist",
            "question": "How far is the chair?",
            "options": None,
            "ground_truth": "0",
            "mc_answer": None,
        },
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame([base | row for row in rows]).write_parquet(folder / "test.parquet")
    video(folder / "scannet" / "s.mp4")
    return folder


def vsi_bench(folder: Path, *, pruned_ids: bool = True) -> Path:
    """A number, a choice with letters before its options, and a record without a video."""
    base = {"dataset": "scannet", "scene_name": "scene0001_00"}
    rows = [
        {
            "id": 0,
            "question_type": "object_counting",
            "question": "How many chairs are in this room?",
            "ground_truth": "4",
            "options": None,
        },
        {
            "id": 1,
            "question_type": "object_rel_direction_easy",
            "question": "Is the table to the left or the right of the chair?",
            "ground_truth": "B",
            "options": ["A. left", "B. right"],
        },
        {
            "id": 2,
            "question_type": "room_size_estimation",
            "question": "What is the size of this room (in square meters)?",
            "ground_truth": "20.5",
            "options": None,
            "scene_name": "scene0404_00",
        },
    ]
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(base | row) + "\n" for row in rows)
    (folder / "test.jsonl").write_text(lines)
    if pruned_ids:
        (folder / "pruned_ids.txt").write_text("1\n")
        # Published beside the full file; its rows are in that, too.
        pl.DataFrame([base | rows[0]]).write_parquet(folder / "test_debiased.parquet")
    video(folder / "scannet" / "scene0001_00.mp4")
    return folder


def dsr_bench(folder: Path) -> Path:
    rows = [
        {
            "videoID": "koala_1",
            "question": "How does the distance between the dog and the cat change?",
            "options": ["A. it grows", "B. it shrinks", "C. it stays", "D. it grows, then shrinks"],
            "answer": "D",
        },
        {
            "videoID": "gone",
            "question": "Which way does the dog look?",
            "options": ["A. left", "B. right", "C. up", "D. down"],
            "answer": "A",
        },
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(folder / "benchmark.parquet")
    video(folder / "videos" / "koala_1.mp4")
    return folder


def dyn_bench(folder: Path) -> Path:
    """One item with a video, one with a folder of frames, one of an unknown category."""
    base = {
        "question": "What does the car do?",
        "options": ["A. stops", "B. turns", "C. reverses", "D. speeds up"],
        "answer": "B",
        "category": "Inter-Object",
        "scene_name": "scene_1",
    }
    rows = [
        {**base, "id": "a", "video": "videos/car.mp4"},
        {**base, "id": "b", "category": "Camera-Object", "frames": "frames/scene_2", "answer": "A"},
        {**base, "id": "c", "category": "Weather", "video": "videos/car.mp4"},
    ]
    write_json(folder / "qa.json", rows)
    video(folder / "videos" / "car.mp4")
    for number in range(5):
        path = folder / "frames" / "scene_2" / f"frame_{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((48, 64, 3), 50 * number, np.uint8)).save(path)
    return folder
