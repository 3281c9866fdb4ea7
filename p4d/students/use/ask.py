"""Asks a student about any video (`p4d ask`)."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from p4d.artifacts import read_json
from p4d.audit.lookup.restore import restore
from p4d.config import ClipsParams
from p4d.errors import ConfigError, ContractError, DecodeError
from p4d.foreign_json import read_foreign_json
from p4d.project import Project
from p4d.questions.regions.marks import MAX_MARKS, draw_marks
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.model.chat import LETTERS
from p4d.students.model.pretrained import open_student, own_sampling
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.students.model.student import MAX_CARD_BYTES, Student
from p4d.students.use.video_clip import SampledClip, region_mask, sample_as_published, sample_clip
from p4d.versioning.files.artifact_key import bare_md5
from p4d.versioning.storage.fetch import Fetcher, Note, bring_what_is_read

_MARK = re.compile(r"<obj_(?P<number>\d+)>")
PICTURE_PX = 512
"""Minimum shorter side of the picture that shows the regions to people."""


@dataclass(frozen=True, kw_only=True)
class VideoQuestion:
    """A question about a video.

    Attributes:
        text: names regions `<obj_1>`, `<obj_2>` ... in the order of `regions`.
        options: 2 to 5 answers to choose from; none: the answer is free text.
        regions: each `x0,y0,x1,y1` in pixels of the first frame, or the path of a mask picture.
        start_s: where in the video the clip starts.

    Raises:
        ContractError: the text or an option is empty, two options are equal, there are too few or
            too many options or regions, or the text names a region that is not given.
    """

    text: str
    options: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ContractError("the question is empty; give its text with --question")
        if not all(option.strip() for option in self.options):
            raise ContractError("an option is empty; give the text of an answer with each --option")
        if len(set(self.options)) < len(self.options):
            raise ContractError("two options are equal; give each answer once")
        if self.options and not 2 <= len(self.options) <= len(LETTERS):
            raise ContractError(f"{len(self.options)} options; give 2 to {len(LETTERS)}, or none")
        if len(self.regions) > MAX_MARKS:
            raise ContractError(f"{len(self.regions)} regions; at most {MAX_MARKS} can be marked")
        for mark in _MARK.finditer(" ".join((self.text, *self.options))):
            if not 1 <= int(mark["number"]) <= len(self.regions):
                raise ContractError(
                    f"{mark[0]} has no region; give the region of <obj_1> with the first --region, "
                    "that of <obj_2> with the second"
                )
        if not (math.isfinite(self.start_s) and self.start_s >= 0):
            raise ContractError(f"a clip cannot start at {self.start_s:g} s; give 0 or more")

    def named_times_s(self) -> list[float]:
        """The times that the text names, such as `0.5 sec` or `2 seconds`."""
        pattern = r"(\d+(?:\.\d+)?)\s*(?:s|sec|secs|second|seconds)\b"
        return [float(time) for time in re.findall(pattern, self.text)]


@dataclass(frozen=True)
class Answer:
    """The answer of a student.

    Attributes:
        text: the likeliest option, or generated text if there were no options.
        ranked: options with their probabilities among the options, likeliest first.
        picture_hw3: u8, the first frame with the regions drawn and numbered, for people.
        seen_s: seconds of the video of every frame that the student saw; a video that ends within
            the clip repeats its last one.
    """

    text: str
    ranked: tuple[tuple[str, float], ...]
    picture_hw3: np.ndarray
    seen_s: tuple[float, ...]

    def seen(self) -> str:
        """Which seconds the student saw, for people."""
        times = sorted(set(self.seen_s))
        text = f"saw {len(times)} frames from {times[0]:.2f} s to {times[-1]:.2f} s"
        repeated = len(self.seen_s) - len(times)
        return f"{text}; the video ends there" if repeated else text


def ask_video(
    student: Student,
    video: Path,
    question: VideoQuestion,
    clips: ClipsParams | FrameSampling,
    *,
    max_new_tokens: int = 64,
) -> Answer:
    """Ask one question about a video.

    Args:
        student: any arm or checkpoint; see `load`.
        video: any file that FFmpeg reads.
        question: with its options and regions.
        clips: frames, grid and size that the student was trained with, or the sampling of a
            published checkpoint.
        max_new_tokens: of free text.

    Raises:
        ContractError: a region cannot be used, the student sees no video, or the question names a
            time that no frame shows.
        DecodeError: the video cannot be read.
    """
    if not student.sees_video:
        raise ContractError("this student reads text only and sees no video; name another student")
    try:
        if isinstance(clips, FrameSampling):
            clip = sample_as_published(video, clips, question.start_s)
        else:
            clip = sample_clip(video, clips, question.start_s)
    except DecodeError as error:
        raise DecodeError(f"{video}: {error}") from error
    _check_times(video, question, clip)
    height_px, width_px = clip.first_hw3.shape[:2]
    masks = np.zeros((len(question.regions), height_px, width_px), np.uint8)
    for mask, region in zip(masks, question.regions, strict=True):
        mask[:] = region_mask(region, height_px, width_px)
    text, ranked = _answer(student, video, question, clip.visual(masks), max_new_tokens)
    scale = max(1, math.ceil(PICTURE_PX / min(height_px, width_px)))
    seen_s = tuple(round(question.start_s + time, 4) for time in clip.times_s.tolist())
    return Answer(text, ranked, draw_marks(clip.first_hw3, masks, scale), seen_s)


def _check_times(video: Path, question: VideoQuestion, clip: SampledClip) -> None:
    """Raise for a time that lies behind what the student sees, or its question would be a guess."""
    times = clip.times_s
    step = float(times[-1]) / max(len(times) - 1, 1)
    last = clip.span_s if clip.span_s is not None else float(times[-1]) + step
    behind = [time for time in question.named_times_s() if time > last + 0.05]
    if behind:
        raise ContractError(
            f"{video}: the question names {behind[0]:g} s, but the student sees {last:.2f} s from "
            f"{question.start_s:g} s on; move the clip with --start (times count from there)"
        )


def _answer(
    student: Student, video: Path, question: VideoQuestion, visual: Visual, max_new_tokens: int
) -> tuple[str, tuple[tuple[str, float], ...]]:
    asked = ad_hoc_question(question.text, question.options, clip_id="asked", video_id=video.name)
    sample = Sample("asked", (asked,), visual if student.sees_video else None, {})
    packer = Packer(student.tokenizer, student.adapter)
    if not question.options:
        (text,) = student.generate(packer.prompts([sample]), max_new_tokens=max_new_tokens)
        return text.strip(), ()
    scores = student.answer_scores(packer.pack([sample]))[0, : len(question.options)]
    chances = scores.softmax(dim=0).tolist()
    ranked = sorted(zip(question.options, chances, strict=True), key=lambda pair: -pair[1])
    return ranked[0][0], tuple(ranked)


def student_folder(project: Project, note: Note) -> Path:
    """The promoted champion, restored if needed, else the last P4D student.

    In a clone without artifacts, either comes from DVC's default remote; `note` is called then.

    Raises:
        ContractError: the project has no student yet.
    """
    bring_what_is_read(project, {"champion"}, note)
    decision = project.data / "champion" / "decision.json"
    champion = read_json(decision).get("champion") if decision.is_file() else None
    if champion:
        folder = project.state / "students" / bare_md5(champion)
        if not folder.is_dir():
            with Fetcher(project, note) as fetcher:
                restore(project, "student_p4d", folder, at=champion, fetcher=fetcher)
        return folder
    bring_what_is_read(project, {"student_p4d"}, note)
    folder = project.data / "student_p4d"
    if not (folder / "card.json").is_file():
        raise ContractError(
            "there is no champion and no student_p4d in this project; run `make demo`, in a clone "
            "`dvc pull`, or name a folder with --student"
        )
    return folder


def load_asked(folder: Path | None, note: Note) -> tuple[Student, Path]:
    """The student of a folder, by default of the project, and the folder."""
    found = folder or student_folder(Project.find(), note)
    return open_student(found), found


def sampling_of(folder: Path, clips: ClipsParams) -> ClipsParams | FrameSampling:
    """How videos are sampled for the student of a folder.

    A published checkpoint has its own way; an exported student keeps the one it was trained with;
    `clips` are those of the project, for its own students.

    Raises:
        ContractError: the folder is damaged.
    """
    own = own_sampling(folder)
    if own is not None:
        return own
    file = folder / "p4d.json"
    if not file.is_file():
        return clips
    kept = read_foreign_json(file, max_bytes=MAX_CARD_BYTES, name=str(file))
    names = ("frames", "grid_hz", "size_px")
    try:
        return dataclasses.replace(clips, **{name: kept[name] for name in names})
    except (KeyError, TypeError, ConfigError) as error:
        raise ContractError(f"{file} does not say how videos are sampled ({error})") from error


def save_picture(path: Path, picture_hw3: np.ndarray) -> None:
    """Write a picture; the extension of the path gives its format."""
    Image.fromarray(picture_hw3).save(path)
