"""One held-out question with its clip, in the form in which `p4d ask` takes it.

`make demo` ends with it: the question is about a video of the inbox that no student was trained on.
It is preferably one that P4D answers correctly and SFT does not. How many of these there are, and
how many of the opposite outcome, is stated beside it, as one example proves nothing.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from p4d.artifacts import Arrays, read_table
from p4d.project import Project
from p4d.students.use.ask import VideoQuestion


@dataclass(frozen=True, kw_only=True)
class HeldOutExample:
    """A question of the test split.

    Attributes:
        video: file in the inbox.
        asked: the question with its options, regions and the start of its clip.
        answer: the correct option.
        better: test questions that the first arm answers correctly and the second does not.
        worse: test questions of the opposite outcome.
    """

    video: Path
    asked: VideoQuestion
    answer: str
    better: int
    worse: int

    def command(self, root: Path) -> str:
        """The command line that asks it from `root`."""
        parts = ["p4d", "ask", str(self.video.relative_to(root)), "--question", self.asked.text]
        if self.asked.start_s:
            parts += ["--start", f"{self.asked.start_s:g}"]
        for option in self.asked.options:
            parts += ["--option", option]
        for region in self.asked.regions:
            parts += ["--region", str(Path(region).relative_to(root))]
        return shlex.join(parts)


def held_out_example(
    project: Project, pictures: Path, *, arm: str = "p4d", other: str = "sft"
) -> HeldOutExample | None:
    """A test question about a video that is still in the inbox.

    It is preferably one that `arm` answers correctly and `other` does not, then one that `arm`
    answers correctly, and in both cases about the motion of a marked region; the first by id.

    Args:
        project: has an evaluation.
        pictures: folder that masks of the regions are written to, one picture per region.
        arm: the arm that is shown.
        other: the arm that it is compared with.

    Returns:
        None if no video with a test question is in the inbox.
    """
    answered = read_table(project.data / "evaluation" / "predictions.parquet")
    outcomes = answered.pivot(on="arm", index="qa_id", values="correct")
    better = outcomes.filter(pl.col(arm) & ~pl.col(other))["qa_id"]
    worse = outcomes.filter(~pl.col(arm) & pl.col(other))["qa_id"]
    correct = outcomes.filter(pl.col(arm))["qa_id"]
    asked = read_table(project.data / "release" / "questions.parquet").filter(
        pl.col("qa_id").is_in(outcomes["qa_id"].implode())
    )
    ranked = asked.sort(
        pl.col("qa_id").is_in(better.implode()),
        pl.col("qa_id").is_in(correct.implode()),
        pl.col("dynamic"),
        pl.col("question").str.contains("<obj_", literal=True),
        pl.col("qa_id"),
        descending=[True, True, True, True, False],
    )
    for row in ranked.iter_rows(named=True):
        found = _asked(project, row, pictures)
        if found is not None:
            video, question = found
            return HeldOutExample(
                video=video,
                asked=question,
                answer=row["options"][row["answer_index"]],
                better=len(better),
                worse=len(worse),
            )
    return None


def _asked(
    project: Project, row: dict[str, Any], pictures: Path
) -> tuple[Path, VideoQuestion] | None:
    """The video and the question of a row of `questions.parquet`."""
    shard, clip_id = row["shard"], row["clip_id"]
    videos = read_table(project.data / "videos" / shard / "videos.parquet")
    (name,) = videos.filter(video_id=row["video_id"])["name"]
    video = project.inbox / name
    if not video.is_file():
        return None
    clips = read_table(project.data / "clips" / shard / "clips.parquet")
    (start_ns,) = clips.filter(clip_id=clip_id)["start_ns"]
    masks = Arrays(project.data / "regions" / shard / "masks.safetensors")
    regions = _written(masks[f"{clip_id}.masks_kthw"][:, 0], pictures)
    asked = VideoQuestion(
        text=row["question"],
        options=tuple(row["options"]),
        regions=tuple(str(path) for path in regions),
        start_s=start_ns / 1e9,
    )
    return video, asked


def _written(masks_khw: np.ndarray, pictures: Path) -> list[Path]:
    pictures.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, mask in enumerate(masks_khw, start=1):
        path = pictures / f"obj_{number}.png"
        Image.fromarray((mask > 0).astype(np.uint8) * 255).save(path)
        paths.append(path)
    return paths
