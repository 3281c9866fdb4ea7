"""Asking a student about any video: what `p4d ask` does.

The video is read as a clip is: frames on the time grid, squashed to squares. Regions are boxes or
masks on the first frame that is shown, and are named `<obj_1>`, `<obj_2>` ... in the question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from p4d.artifacts import read_json
from p4d.audit.lookup.restore import restore
from p4d.config import ClipsParams
from p4d.errors import ContractError, DecodeError
from p4d.project import Project
from p4d.questions.regions.marks import MAX_MARKS, draw_marks
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.model.chat import LETTERS
from p4d.students.model.student import Student, load
from p4d.versioning.files.artifact_key import bare_md5
from p4d.video.appearance import area_mean
from p4d.video.decode import decode, read_timeline

PICTURE_PX = 512
"""Shorter side, at least, of the picture of the regions that people look at."""


@dataclass(frozen=True)
class Look:
    """What is seen of a video.

    Attributes:
        first_hw3: u8, the first frame at its own size; regions are given on it.
        frames_thw3: u8 `[T, S, S, 3]`.
        times_s: `[T]` seconds since the start of the clip.
    """

    first_hw3: np.ndarray
    frames_thw3: np.ndarray
    times_s: np.ndarray


@dataclass(frozen=True)
class Answer:
    """What a student says.

    Attributes:
        text: the likeliest option, or generated text where there were no options.
        ranked: options with their probabilities among the offered, likeliest first.
        picture_hw3: u8, the first frame with the regions drawn and numbered, for people.
    """

    text: str
    ranked: tuple[tuple[str, float], ...]
    picture_hw3: np.ndarray


def ask_video(
    student: Student,
    video: Path,
    question: str,
    *,
    options: Sequence[str] = (),
    regions: Sequence[str] = (),
    clips: ClipsParams,
    start_s: float = 0.0,
    max_new_tokens: int = 64,
) -> Answer:
    """Ask one question about a video.

    Args:
        student: any arm or checkpoint; see `load`.
        video: any file that FFmpeg reads.
        question: names regions `<obj_1>`, `<obj_2>` ... in the order of `regions`.
        options: 2 to 5 answers to choose from; none: free text.
        regions: each `x0,y0,x1,y1` in pixels of the first frame, or the path of a mask picture.
        clips: frames, grid and size that the student knows.
        start_s: where in the video the clip starts.
        max_new_tokens: of free text.

    Raises:
        ContractError: options or regions cannot be used, or the question names a region not given.
        DecodeError: the video cannot be read.
    """
    if options and not 2 <= len(options) <= len(LETTERS):
        raise ContractError(f"{len(options)} options; give 2 to {len(LETTERS)}, or none")
    if len(regions) > MAX_MARKS:
        raise ContractError(f"{len(regions)} regions; at most {MAX_MARKS} can be marked")
    if f"<obj_{len(regions) + 1}>" in question:
        raise ContractError(
            f"the question names <obj_{len(regions) + 1}>; name its region with --region"
        )
    look = look_at(video, clips, start_s)
    masks = [region_mask(region, *look.first_hw3.shape[:2]) for region in regions]
    small = np.stack([_squashed(mask, clips.size_px) for mask in masks]) if masks else None
    visual = seen_by_student(look, small)
    asked = Question(
        qa_id="asked",
        clip_id="asked",
        video_id=video.name,
        shard="",
        category="",
        question=question,
        options=tuple(options),
        answer_index=0,
        dynamic=False,
    )
    sample = Sample("asked", (asked,), visual if student.sees_video else None, {})
    packer = Packer(student.tokenizer, student.adapter)
    shown = np.stack(masks) if masks else np.zeros((0, *look.first_hw3.shape[:2]), np.uint8)
    scale = max(1, math.ceil(PICTURE_PX / min(look.first_hw3.shape[:2])))
    picture = draw_marks(look.first_hw3, shown, scale)
    if not options:
        (text,) = student.generate(packer.prompts([sample]), max_new_tokens=max_new_tokens)
        return Answer(text.strip(), (), picture)
    scores = student.answer_scores(packer.pack([sample]))[0, : len(options)]
    chances = scores.softmax(dim=0).tolist()
    ranked = sorted(zip(options, chances, strict=True), key=lambda pair: -pair[1])
    return Answer(ranked[0][0], tuple(ranked), picture)


def seen_by_student(look: Look, masks_khw: np.ndarray | None) -> Visual:
    """Frames, times and first-frame masks, with the marked picture before the clip."""
    size_px = look.frames_thw3.shape[1]
    masks = np.zeros((0, size_px, size_px), np.uint8) if masks_khw is None else masks_khw
    marked = draw_marks(look.frames_thw3[0].copy(), masks)
    return Visual(
        frames=np.concatenate([marked[None], look.frames_thw3]),
        times_s=np.concatenate([[np.nan], look.times_s]),
        masks_khw=masks,
    )


def look_at(video: Path, clips: ClipsParams, start_s: float) -> Look:
    """Sample one clip of a video on the time grid; a video that ends sooner repeats its last frame.

    Raises:
        DecodeError: unreadable, or it ends before `start_s`.
    """
    timeline = read_timeline(video, max_duration_s=math.inf)
    pts_ns = timeline.pts_ns
    start_ns = int(pts_ns[0]) + round(start_s * 1e9)
    if not int(pts_ns[0]) <= start_ns < timeline.end_ns:
        length_s = (timeline.end_ns - int(pts_ns[0])) / 1e9
        raise DecodeError(f"{video.name} is {length_s:.2f} s long; {start_s:g} s is outside of it")
    steps_ns = np.array([round(i * 1e9 / clips.grid_hz) for i in range(clips.frames)])
    # A nanosecond of slack: times and grid are rounded separately.
    at = np.searchsorted(pts_ns, steps_ns + start_ns + 1, side="right") - 1
    pictures, first = {}, None
    for frame in decode(video):
        if frame.index in at:
            rgb = frame.rgb()
            first = rgb if first is None else first
            pictures[frame.index] = area_mean(rgb, clips.size_px, clips.size_px)
        if frame.index >= at[-1]:
            break
    assert first is not None  # `at` holds indices of the timeline that was just read
    times_s = (np.maximum(pts_ns[at], start_ns) - start_ns) / 1e9
    return Look(first, np.stack([pictures[index] for index in at.tolist()]), times_s)


def region_mask(region: str, height_px: int, width_px: int) -> np.ndarray:
    """A region as a 0/1 mask u8 `[H, W]` of the first frame.

    Args:
        region: `x0,y0,x1,y1` in pixels, half open, or the path of a picture that is not black
            inside of the region; it may have another resolution.
        height_px: of the frame.
        width_px: of the frame.

    Raises:
        ContractError: neither, or nothing of it lies in the frame.
    """
    numbers = region.split(",")
    mask = np.zeros((height_px, width_px), np.uint8)
    if len(numbers) == 4:
        try:
            x0, y0, x1, y1 = (float(number) for number in numbers)
        except ValueError as error:
            raise ContractError(f"region {region}: not four numbers") from error
        mask[max(0, math.floor(y0)) : math.ceil(y1), max(0, math.floor(x0)) : math.ceil(x1)] = 1
    elif Path(region).is_file():
        try:
            with Image.open(region) as picture:
                drawn = picture.convert("L").resize((width_px, height_px), Image.Resampling.NEAREST)
        except OSError as error:
            raise ContractError(f"region {region}: no readable picture ({error})") from error
        mask = (np.asarray(drawn) > 0).astype(np.uint8)
    else:
        raise ContractError(f"region {region}: give x0,y0,x1,y1 or the path of a mask picture")
    if not mask.any():
        raise ContractError(
            f"region {region}: nothing of it lies in the frame of {width_px} x {height_px} px"
        )
    return mask


def _squashed(mask_hw: np.ndarray, size_px: int) -> np.ndarray:
    """The mask at the student's size; a region smaller than a pixel keeps the pixel it touches."""
    share = area_mean(mask_hw * np.uint8(255), size_px, size_px)
    small = (share >= 128).astype(np.uint8)
    return small if small.any() else (share == share.max()).astype(np.uint8)


def student_folder(project: Project) -> Path:
    """The promoted champion, brought back from the cache if need be, else the last P4D student.

    Raises:
        ContractError: the project has no student yet.
    """
    decision = project.data / "champion" / "decision.json"
    champion = read_json(decision).get("champion") if decision.is_file() else None
    if champion:
        folder = project.state / "students" / bare_md5(champion)
        if not folder.is_dir():
            restore(project, "student_p4d", folder, at=champion)
        return folder
    folder = project.data / "student_p4d"
    if not (folder / "card.json").is_file():
        raise ContractError(
            "there is no champion and no student_p4d in this project; run `make demo`, or name a "
            "folder with --student"
        )
    return folder


def load_asked(folder: Path | None) -> tuple[Student, Path]:
    """The student of a folder, by default of the project, and the folder."""
    found = folder or student_folder(Project.find())
    return load(found), found


def save_picture(path: Path, picture_hw3: np.ndarray) -> None:
    """Write a picture in the format that the path ends with."""
    Image.fromarray(picture_hw3).save(path)
