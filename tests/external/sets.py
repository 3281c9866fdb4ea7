"""Small external sets in the exact published forms, written into a folder."""

import io
import json

import av
import numpy as np
import polars as pl
from PIL import Image


def video(path, count, *, seed=0, rate=8, frames=None):
    """A video of noise, or of the given u8 frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        height, width = (48, 64) if frames is None else frames.shape[1:3]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count if frames is None else len(frames)):
            picture = (
                np.kron(
                    rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8)
                )
                if frames is None
                else frames[number]
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def picture(seed, *, form="PNG"):
    """Bytes of a picture of coloured blocks."""
    rng = np.random.default_rng(seed)
    rgb = np.kron(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, form)
    return buffer.getvalue()


def talk(*texts):
    """LLaVA's turns of alternating texts."""
    speakers = ["human", "gpt"] * (len(texts) // 2 + 1)
    return [{"from": s, "value": t} for s, t in zip(speakers, texts, strict=False)]


def write(path, value):
    """JSON, or JSON lines for a path that ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix == ".jsonl"
    text = "\n".join(json.dumps(each) for each in value) if lines else json.dumps(value)
    path.write_text(text)


def llava(folder):
    """Two videos, a picture, a text; `<image>` stands for a video in one row."""
    video(folder / "clips" / "a.mp4", 20, seed=1)
    video(folder / "clips" / "b.mp4", 3, seed=2)
    (folder / "still.png").write_bytes(picture(3))
    rows = [
        {
            "id": "two_videos",
            "video": ["clips/a.mp4", "clips/b.mp4"],
            "conversations": talk(
                "<video>\nWhat moves?", "a red box", "And here? <video>", "a ball"
            ),
        },
        {"id": "picture", "image": "still.png", "conversations": talk("Which colour?", "red")},
        {"id": "text", "conversations": talk("1 + 1?", "2")},
        {
            "id": "image_is_video",
            "video": "clips/a.mp4",
            "conversations": talk("<image>\nWhere is it?", "on the left"),
        },
    ]
    write(folder / "train.json", rows)
    return rows


def sat(path, *, rows=4):
    """SAT's Parquet: one or two pictures, answers, the correct one always first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "image_bytes": [[picture(10 + n), picture(20 + n)][: 1 + n % 2] for n in range(rows)],
            "question": [f"Which way did object {n} move?" for n in range(rows)],
            "answers": [["left", "right", "it did not move"] for _ in range(rows)],
            "question_type": ["obj_movement"] * rows,
            "correct_answer": ["left"] * rows,
        }
    ).write_parquet(path)


def poses():
    """Camera-to-world poses of 32 frames that turn and walk: [32, 4, 4], metres."""
    found = np.tile(np.eye(4), (32, 1, 1))
    for number in range(32):
        angle = 0.09 * number
        found[number, :2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        found[number, :3, 3] = [0.2 * number, 1.0 + 0.02 * number**1.3, 1.5]
    return found


def frame_metadata(scene="scene0191_00"):
    """The form of VLM-3R's scannet_frame_metadata_train.json."""
    frames = [
        {"frame_id": 40 * number, "camera_pose_camera_to_world": pose.tolist()}
        for number, pose in enumerate(poses())
    ]
    return {scene: {"frames": frames}}


def displacement(first, second, *, wrong=False):
    """The displacement that a VSTI row asks for, by the right or by the erroneous centre."""
    pose = poses()
    centres = pose[:, :3, 3]
    if wrong:
        centres = -np.einsum("nji,nj->ni", pose[:, :3, :3], centres)
    return round(float(np.linalg.norm(centres[second - 1] - centres[first - 1])), 1)


def vsti_row(number, question_type, question, answer, scene="scene0191_00"):
    """A row of VLM-3R's training files."""
    return {
        "id": f"vsti_{number}",
        "scene_name": scene,
        "question_type": question_type,
        "video": f"scannet/videos/train/{scene}.mp4",
        "conversations": talk(f"<image>\n{question}", answer),
    }


def vsti_rows(*, wrong):
    """Displacements, a distance, a direction and a relation, with the right or wrong centre."""
    pairs = [(3, 12), (5, 20), (10, 31), (1, 25)]
    rows = [
        vsti_row(
            n,
            "camera_displacement",
            f"Approximately how far (in meters) did the camera move between frame {a} and "
            f"frame {b} of 32?",
            str(displacement(a, b, wrong=wrong)),
        )
        for n, (a, b) in enumerate(pairs)
    ]
    return [
        *rows,
        vsti_row(
            8, "camera_obj_abs_dist", "How far is the camera from the chair in frame 3?", "1.2"
        ),
        vsti_row(9, "camera_movement_direction", "Which way does the camera move?", "A"),
        vsti_row(10, "obj_obj_relative_pos_lr", "Is the chair left of the table?", "B"),
    ]
