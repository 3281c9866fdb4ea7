"""Questions about real videos, held against what a person sees.

    python -m benchmarks.reality.real_clips [--cache DIR] [--sheets DIR]

Lands the videos of `clips_recipe.py` without any truth, as one shard, and runs the stages `videos`
to `questions`. What is asked is compared with judgements in `judged/`: `questions.jsonl` has rows
of `p4d review` (accept, or drop with a reason that begins with wrong, about nothing or unclear),
`marks.jsonl` says of each mark whether it lies on one thing. Judgements are keyed by the content of
a question, so they hold for as long as it is asked in the same way; others count as `unjudged`.
Each is one viewer's, whom its `annotator` names: the authors, or a vision-language model; both
looked at frames of the clips at the size at which they were measured. `--sheets` writes the
pictures to look at, one PNG per clip.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from benchmarks.reality import record
from benchmarks.reality.clip_sheets import write_sheets
from benchmarks.reality.clips_recipe import HALVES, VIDEOS, fetch, half_of
from benchmarks.reality.variable_rate import new_project
from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.project import Project
from p4d.review.verdicts import Verdict
from p4d.standalone import run_stages
from p4d.video.landing import land

JUDGED = Path(__file__).with_name("judged")
CACHE = Path("data/.real_videos")
STAGES = ("videos", "clips", "regions", "facts", "questions")
VERDICTS = ("true", "wrong", "about nothing", "unclear")
MARKS = ("one thing", "several things", "nothing")


def questions_of(root: Path) -> dict[str, pl.DataFrame]:
    """Run the stages over the landed videos; returns the tables that are counted.

    Labels are not made: regions of source `flow` and their facts read none.
    """
    project = Project(root)
    land(project)
    (shard,) = project.shards()
    (root / "labels" / shard).mkdir(parents=True, exist_ok=True)
    run_stages(root, project.params, STAGES, [shard])
    names = ("videos/videos", "clips/clips", "regions/regions", "questions/questions")
    return {
        name.split("/")[1]: read_table(
            root / name.split("/")[0] / shard / f"{name.split('/')[1]}.parquet"
        )
        for name in names
    }


def judged_questions() -> dict[str, str]:
    """One of `VERDICTS` by `qa_id`.

    Raises:
        ContractError: a reason begins with none of them.
    """
    found = {}
    for line in _lines(JUDGED / "questions.jsonl"):
        verdict = Verdict(**line)
        word = "true"
        if verdict.decision != "accept":
            word = verdict.reason.partition(":")[0]
        if word not in VERDICTS:
            raise ContractError(f"{verdict.qa_id}: a reason must begin with one of {VERDICTS[1:]}")
        found[verdict.qa_id] = word
    return found


def _annotators(asked: Sequence[str]) -> list[str]:
    """Who judged these questions, of those that are judged."""
    by = {line["qa_id"]: line["annotator"] for line in _lines(JUDGED / "questions.jsonl")}
    return sorted(by[qa_id] for qa_id in asked if qa_id in by)


def judged_marks() -> dict[str, str]:
    """One of `MARKS` by `region_id`."""
    return {line["region_id"]: line["mark"] for line in _lines(JUDGED / "marks.jsonl")}


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines()]


def figures(
    tables: Mapping[str, pl.DataFrame], names: set[str], asked_by: Mapping[str, str]
) -> dict[str, object]:
    """What was asked about the videos of these names, and how it was judged."""
    videos = tables["videos"].filter(pl.col("name").is_in(list(names)))
    clips = tables["clips"].filter(
        pl.col("video_id").is_in(videos["video_id"].to_list()), pl.col("outcome") == "ok"
    )
    mine = pl.col("clip_id").is_in(clips["clip_id"].to_list())
    questions = tables["questions"].filter(mine)
    marked = tables["regions"].filter(mine, pl.col("outcome") == "ok")
    # A mark that no question names is drawn in the picture of a question all the same.
    shown = marked.filter(pl.col("clip_id").is_in(questions["clip_id"].to_list()))
    marks = Counter(judged_marks().get(each, "unjudged") for each in shown["region_id"])
    verdicts = Counter(asked_by.get(each, "unjudged") for each in questions["qa_id"])
    by_category = questions.group_by("category").len().sort("category")
    asked = questions["clip_id"].n_unique()
    return {
        "videos": len(names),
        "videos_accepted": videos.filter(pl.col("outcome") == "ok").height,
        "clips": len(clips),
        "clips_asked": asked,
        "share_asked": round(asked / max(1, len(clips)), 3),
        "questions": len(questions),
        **{word.replace(" ", "_"): verdicts[word] for word in (*VERDICTS, "unjudged")},
        "marks": {word: marks[word] for word in (*MARKS, "unjudged")},
        "per_category": dict(by_category.iter_rows()),
        "families": questions["family"].n_unique(),
    }


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--work", type=Path, help="keep the project here")
    parser.add_argument("--sheets", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        root = given.work or Path(name) / "project"
        if not root.is_dir():
            inbox = new_project(root)
            for half in HALVES:
                for notice in fetch(given.cache, inbox, half):
                    print(notice)
        tables = questions_of(root)
        if given.sheets:
            write_sheets(root, given.sheets)
    judged = judged_questions()
    names = {video.name for video in VIDEOS}
    found: dict[str, object] = figures(tables, names, judged)
    for half in HALVES:
        mine = {video.name for video in VIDEOS if half_of(video) == half}
        found[half.replace(" ", "_")] = figures(tables, mine, judged)
    found["judged_by"] = dict(Counter(_annotators(tables["questions"]["qa_id"].to_list())))
    record("real", found, "python -m benchmarks.reality.real_clips")


if __name__ == "__main__":
    main()
