"""Runs the pipeline on a look and sums up what the judge finds."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from scipy.stats import binomtest

from benchmarks.reality.looks.film import Place, make
from benchmarks.reality.looks.judge import Judge, Marks, Verdict
from benchmarks.reality.looks.truth import LookTruth
from benchmarks.reality.variable_rate import new_project, write_params
from p4d.artifacts import Arrays, read_table
from p4d.categories import CATEGORIES
from p4d.project import Project
from p4d.questions.facts.intervals import grid_times_ns
from p4d.questions.facts.table import Fact, read_facts
from p4d.questions.regions.selection import marked_regions
from p4d.standalone import drop_stale, run_stages
from p4d.video.landing import land

MODES = ("plain", "sidecars")
TEACHER = ("expert_worlds", "expert")
STAGES = ("videos", "clips", "labels", "regions", "facts", "questions")


@dataclass(frozen=True)
class Asked:
    """A question: what the judge finds, its category, whether a mark covers several objects."""

    verdict: Verdict
    category: str
    family: str
    several: bool
    clip_id: str


@dataclass(frozen=True)
class Found:
    """What the judge finds on a look."""

    clips: int
    asked: list[Asked]
    calibration: dict[str, dict[str, str]]
    videos: int = 0


def measure_look(look: str, videos: int, work: Path, modes: Sequence[str]) -> dict[str, dict]:
    """Film a look and measure it, by mode; `work` keeps the videos for the next time."""
    root = work / look
    truth = root / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    roots = {mode: root / mode for mode in MODES}
    for mode in MODES:
        if not (roots[mode] / "inbox").is_dir():
            new_project(roots[mode])
    place = Place(
        plain=roots["plain"] / "inbox", with_truth=roots["sidecars"] / "inbox", truth=truth
    )
    for number in range(videos):
        make(look, number, place)
        print(f"{look}: filmed {number + 1} of {videos}", flush=True)
    filmed = [mode for mode in modes if any((roots[mode] / "inbox").iterdir())]
    return {mode: figures(run(roots[mode], truth, work / "teacher")) for mode in filmed}


def run(root: Path, truth: Path, teacher: Path) -> Found:
    """Run the stages whose code or parameters changed, and judge the questions of a project."""
    write_params(root)  # those of today; the videos may be older
    project = Project(root)
    teacher.mkdir(exist_ok=True)
    changed = drop_stale(teacher, project.params, TEACHER)
    run_stages(teacher, project.params, TEACHER, ())
    drop_stale(root, project.params, STAGES)
    for stage in TEACHER:
        (root / stage).unlink(missing_ok=True)
        (root / stage).symlink_to((teacher / stage).resolve(), target_is_directory=True)
    if changed:
        for stage in ("labels", "regions", "facts", "questions"):
            shutil.rmtree(root / stage, ignore_errors=True)
    if not project.shards():
        land(project)
    run_stages(root, project.params, STAGES, project.shards())
    clips, asked, counts = 0, [], Counter[tuple[str, int, bool]]()
    for shard in project.shards():
        folders = {stage: root / stage / shard for stage in STAGES}
        judges = dict(judges_of(folders, truth))
        clips += len(judges)
        facts = read_facts(folders["facts"] / "facts.parquet")
        asked += _asked(folders["questions"], judges, facts)
        for clip_id, judge in judges.items():
            for fact in facts.get(clip_id, ()):
                _count(judge, fact, counts)
    videos = sum(
        read_table(root / "videos" / shard / "videos.parquet").filter(outcome="ok").height
        for shard in project.shards()
    )
    return Found(clips, asked, _calibration(counts), videos)


def judges_of(folders: dict[str, Path], truth: Path) -> Iterator[tuple[str, Judge]]:
    """The judge of each clip of a shard."""
    clips = read_table(folders["clips"] / "clips.parquet").filter(pl.col("outcome") == "ok")
    videos = read_table(folders["videos"] / "videos.parquet")
    names = dict(videos.select("video_id", "name").iter_rows())
    masks = Arrays(folders["regions"] / "masks.safetensors")
    regions = marked_regions(read_table(folders["regions"] / "regions.parquet"))
    for clip in clips.sort("clip_id").to_dicts():
        clip_id = clip["clip_id"]
        masks_kthw = masks[f"{clip_id}.masks_kthw"]
        seen = LookTruth.read(
            truth / f"{Path(names[clip['video_id']]).stem}.npz",
            clip["frame_pts_ns"],
            masks_kthw.shape[-1],
        )
        marks = Marks.of(seen, masks_kthw[:, 0], regions.get(clip_id, ()))
        yield clip_id, Judge(truth=seen, marks=marks, time_ns=grid_times_ns(clip))


def _asked(
    questions: Path, judges: dict[str, Judge], facts: dict[str, list[Fact]]
) -> Iterator[Asked]:
    by_id = {fact.fact_id: fact for found in facts.values() for fact in found}
    for row in read_table(questions / "questions.parquet").iter_rows(named=True):
        judge = judges[row["clip_id"]]
        behind = [by_id[fact_id] for fact_id in row["fact_ids"]]
        yield Asked(
            verdict=judge.question(behind, row["options"], row["answer_text"]),
            category=row["category"], family=row["family"], several=judge.on_several(behind),
            clip_id=row["clip_id"],
        )  # fmt: skip


def _count(judge: Judge, fact: Fact, counts: Counter[tuple[str, int, bool]]) -> None:
    """Count a fact as right or not at each number of sigmas that it claims."""
    for sigmas in (1, 2, 3):
        if fact.unit in ("class", "count") and fact.sigma * sigmas > 1:
            continue
        verdict = judge.fact(fact, sigmas)
        if verdict is not Verdict.UNJUDGED:
            counts[fact.kind, sigmas, verdict is Verdict.RIGHT] += 1


def _calibration(counts: Counter[tuple[str, int, bool]]) -> dict[str, dict[str, str]]:
    """Right of all, by kind and sigmas."""
    shares: dict[str, dict[str, str]] = {}
    for kind, sigmas in sorted({(kind, sigmas) for kind, sigmas, _ in counts}):
        right = counts[kind, sigmas, True]
        total = right + counts[kind, sigmas, False]
        shares.setdefault(kind, {})[str(sigmas)] = f"{right / total:.3f} of {total}"
    return shares


def figures(found: Found) -> dict[str, object]:
    """The figures of a look."""
    asked = found.asked
    untrue = [one for one in asked if one.verdict in (Verdict.WRONG, Verdict.NOTHING)]
    low, high = 0.0, 1.0
    if asked:
        low, high = binomtest(len(untrue), len(asked)).proportion_ci(method="wilson")
    by_family = Counter(one.family for one in untrue)
    return {
        "videos": found.videos,
        "clips": found.clips,
        "clips_asked": len({one.clip_id for one in asked}),
        "asked": len(asked),
        "asked_per_clip": round(len(asked) / max(1, found.clips), 2),
        "untrue": len(untrue),
        "untrue_share": round(len(untrue) / max(1, len(asked)), 4),
        "untrue_ci95": [round(float(low), 4), round(float(high), 4)],
        "marks_on_nothing": sum(one.verdict is Verdict.NOTHING for one in asked),
        "marks_on_several": sum(one.several for one in asked),
        "unjudged": sum(one.verdict is Verdict.UNJUDGED for one in asked),
        "per_category": {
            category: {
                "asked": sum(one.category == category for one in asked),
                "untrue": sum(one.category == category for one in untrue),
            }
            for category in CATEGORIES
        },
        "untrue_by_family": dict(sorted(by_family.items())),
        "calibration": found.calibration,
    }
