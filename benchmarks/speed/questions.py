"""Facts and questions per processor second, on the shards of a project that has made them.

    python -m benchmarks.speed.questions [--project .] [--rounds 5]

The stages `facts` and `questions` run again for each shard, in this process and on one thread, from
the clips, labels and regions that the project holds; files are read and written as in a run. Writes
`facts_questions_per_s` of `benchmarks/results/reality.json`, from the round of median speed:

- `per_s`: questions asked over the seconds of both stages, geometry included;
- `sure_per_s`: the same for all questions with a sure answer, those included that a clip's share or
  the balance of answers leaves out. They are rows of an answer, its margin and its facts; texts and
  options are made for those that are asked;
- `facts_per_s`, `questions_per_s`: each stage by itself. A clip's facts give some 18 questions that
  are asked, out of thousands that they could answer;
- `same_bytes`: whether the files of a stage equal those that the project holds.

`elsewhere` is the speed of VLM-3R's generators, geometry included, which was measured in an earlier
study of this project and not in this run. They write out every question whose answer lies within
fixed limits, with its options, and draw a few per scene and type of these afterwards
(`vlm_3r_data_process/src/tasks/vstibench`). That study does not say on which side of the draw it
counted, so their figure lies between what `per_s` and what `sure_per_s` count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from benchmarks.machine import CHECKOUT
from benchmarks.reality import record
from p4d.artifacts import read_table
from p4d.pipeline import StageInputs, StageReport, stage_named
from p4d.project import Project
from p4d.questions.asking.refusals import CLIP_FULL, NO_PARTNERS, NOT_DRAWN

SURE = (NO_PARTNERS, CLIP_FULL, NOT_DRAWN)
"""Why a question with a sure answer is not asked."""
VLM_3R_PER_S = 2041
SOURCE = "the reality check of November 2026, section 4; not measured in this run"


@dataclass(frozen=True)
class Round:
    """What all shards gave in one round, and the processor seconds of both stages."""

    facts: int
    questions: int
    sure: int
    facts_cpu_s: float
    questions_cpu_s: float
    same_bytes: Mapping[str, bool]

    @property
    def per_s(self) -> float:
        """Questions asked per second of both stages."""
        return self.questions / self.cpu_s

    @property
    def cpu_s(self) -> float:
        """Of both stages."""
        return self.facts_cpu_s + self.questions_cpu_s


@dataclass(frozen=True)
class Ran:
    """A stage of a shard: its report, its processor seconds, and whether its files are known."""

    report: StageReport
    cpu_s: float
    same_bytes: bool


def run_stage(
    project: Project, name: str, shard: str, folders: Mapping[str, Path], out: Path
) -> Ran:
    """Run one stage of a shard into `out`."""
    stage = stage_named(name)
    inputs = StageInputs(
        stage=stage,
        all_params=project.params,
        folders={each: folders[each] for each in stage.reads},
        shard=shard,
        manifest=None,
        inbox=None,
        versions={},
        progress=lambda done, total, note: None,
    )
    out.mkdir(parents=True)
    run = stage.load()  # imports are no part of a stage
    started = time.process_time()
    report = run(inputs, out)
    cpu_s = time.process_time() - started
    known = project.data / name / shard
    same = all(made.read_bytes() == (known / made.name).read_bytes() for made in out.iterdir())
    return Ran(report, cpu_s, same)


def one_round(project: Project, out: Path) -> Round:
    """Both stages of all shards; questions are made from the facts of this round."""
    facts, questions, left_out = list[Ran](), list[Ran](), 0
    for shard in project.shards():
        folders = {name: project.data / name / shard for name in ("clips", "labels", "regions")}
        made = out / "facts" / shard
        facts.append(run_stage(project, "facts", shard, folders, made))
        folders["facts"] = made
        asked = out / "questions" / shard
        questions.append(run_stage(project, "questions", shard, folders, asked))
        refused = read_table(asked / "refusals.parquet")
        left_out += refused.filter(pl.col("reason").is_in(SURE))["count"].sum()
    asked_of_all = sum(int(one.report.metrics["questions"]) for one in questions)
    return Round(
        facts=sum(int(one.report.metrics["facts"]) for one in facts),
        questions=asked_of_all,
        sure=asked_of_all + left_out,
        facts_cpu_s=sum(one.cpu_s for one in facts),
        questions_cpu_s=sum(one.cpu_s for one in questions),
        same_bytes={
            "facts": all(one.same_bytes for one in facts),
            "questions": all(one.same_bytes for one in questions),
        },
    )


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=CHECKOUT)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    project = Project(wanted.project.resolve())
    rounds = []
    for number in range(wanted.rounds):
        with TemporaryDirectory() as name:
            rounds.append(one_round(project, Path(name)))
        print(number, rounds[-1], round(rounds[-1].per_s), flush=True)
    middle = sorted(rounds, key=lambda one: one.per_s)[len(rounds) // 2]
    figures = {
        "per_s": round(middle.per_s),
        "per_s_rounds": [round(one.per_s) for one in rounds],
        "sure_per_s": round(middle.sure / middle.cpu_s),
        "facts_per_s": round(middle.facts / middle.facts_cpu_s),
        "questions_per_s": round(middle.questions / middle.questions_cpu_s),
        "shards": len(project.shards()),
        "facts": middle.facts,
        "questions": middle.questions,
        "sure": middle.sure,
        "facts_cpu_s": round(middle.facts_cpu_s, 3),
        "questions_cpu_s": round(middle.questions_cpu_s, 3),
        "same_bytes": dict(middle.same_bytes),
        "seconds_are": "of one processor",
        "elsewhere": {"vlm_3r_generators_per_s": VLM_3R_PER_S, "source": SOURCE},
    }
    command = "python -m benchmarks.speed.questions"
    record("facts_questions_per_s", figures, f"{command} --rounds {wanted.rounds}, after make demo")


if __name__ == "__main__":
    main()
