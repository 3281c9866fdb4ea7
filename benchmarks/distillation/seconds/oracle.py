"""What decides the answers, as text: the time of every frame, and the frames of events.

The facts name no seconds: `<obj_1> moves 1.12 m from frame 2 to frame 7`. Together with the list of
times they decide every answer, by reading a place of the list, a difference and a division.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.distillation.seconds.plan import settings
from p4d.artifacts import Arrays, read_table, write_table
from p4d.config import FactsParams
from p4d.questions.facts.exact.reader import SceneReader
from p4d.questions.facts.exact.second_facts import Courses
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.scene.trajectories import Trajectories
from p4d.questions.regions.selection import marked_regions

FOLDER = "release_oracle"

_REGION = re.compile(r"<obj_(\d)>")


def with_texts(work: Path, shards: Sequence[str]) -> None:
    """Write the variant of the release whose questions begin with times and events."""
    target = work / FOLDER
    if target.is_dir():
        return
    texts = {clip: text for shard in shards for clip, text in _texts(work, shard).items()}
    table = read_table(work / "release" / "questions.parquet")
    questions = [
        texts[row["clip_id"]].about(row["question"]) + row["question"]
        for row in table.iter_rows(named=True)
    ]
    unfinished = work / f".{FOLDER}"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(work / "release", unfinished)
    changed = table.with_columns(question=pl.Series(questions))
    write_table(unfinished / "questions.parquet", changed, sort_by=["qa_id"])
    unfinished.rename(target)


@dataclass(frozen=True)
class Course:
    """The one motion of an object: length of its path, and the frames between which it moves."""

    path_m: float
    first: int
    last: int


def courses_of(scene: Scene, params: FactsParams) -> list[Course | None]:
    """The motion of each object of a clip, in the order of the marks; None without a clear one."""
    whole = Trajectories(Scenes([scene]), 0, len(scene.time_ns) - 1, params)
    courses = Courses(whole)
    return [
        Course(float(path_m), int(first), int(last)) if known else None
        for known, path_m, first, last in zip(
            courses.known_ck[0], whole.path_m_ck[0], courses.first_ck[0], courses.last_ck[0],
            strict=True,
        )
    ]  # fmt: skip


class ClipText:
    """Times and events of one clip."""

    def __init__(self, times_s: Sequence[float], courses: Sequence[Course | None]) -> None:
        """`courses` in the order of the marks; None for an object without one clear motion."""
        self._times_s, self._courses = times_s, courses

    def about(self, question: str) -> str:
        """The text before a question, with the events of the objects that it names."""
        shown = ", ".join(f"{time_s:.2f}" for time_s in self._times_s)
        lines = [f"The frames are shown at {shown} seconds.\n"]
        for mark in dict.fromkeys(_REGION.findall(question)):
            course = self._courses[int(mark) - 1]
            if course is not None:
                lines.append(
                    f"<obj_{mark}> moves {course.path_m:.2f} m from frame {course.first + 1} "
                    f"to frame {course.last + 1}.\n"
                )
        return "".join(lines)


def _texts(work: Path, shard: str) -> dict[str, ClipText]:
    params = settings(1, "none", 0).facts
    regions = read_table(work / "regions" / shard / "regions.parquet")
    region_ids = marked_regions(regions)
    masks = Arrays(work / "regions" / shard / "masks.safetensors")
    reader = SceneReader(work / "clips" / shard, work / "labels" / shard, regions)
    found = {}
    for clip in read_table(work / "clips" / shard / "clips.parquet").to_dicts():
        clip_id = clip["clip_id"]
        ids = region_ids.get(clip_id, ())
        scene = reader.scene(clip, ids, masks[f"{clip_id}.masks_kthw"], on_grid=False)
        times_s = [ns * 1e-9 for ns in scene.time_ns.tolist()]
        found[clip_id] = ClipText(times_s, courses_of(scene, params))
    return found
