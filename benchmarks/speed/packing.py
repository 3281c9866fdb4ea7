"""How many questions of a clip share a row: `python -m benchmarks.speed.packing PROJECT`.

The P4D student of a finished project scores the options of its held-out questions, in turn with
every packing, in one thread. Key `packing` of benchmarks/results/questions.json.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from p4d.determinism import deterministic
from p4d.evaluation.answering.ask import QUESTIONS_PER_ROW, AskSettings, ask
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.project import Project
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.model.student import load

ALL = 1_000
TRIED = (ALL, 8, 6, 4, QUESTIONS_PER_ROW, 2)
ROUNDS = 4


def measure(project: Project) -> dict[str, Any]:
    """Return questions per processor second by questions per row, and how far answers differ."""
    questions = load_questions(project.data / "release", "test")
    clips = {shard: project.data / "clips" / shard for shard in project.shards()}
    regions = {shard: project.data / "regions" / shard for shard in project.shards()}
    visuals = ClipVisuals(ClipReader(clips, regions))
    student = load(project.data / "student_p4d")
    params, spent, replies = project.params, defaultdict(list), {}
    with deterministic(1, seed=0):
        for _ in range(ROUNDS):
            for most in TRIED:
                settings = AskSettings(
                    frames=params.clips.frames,
                    batch=params.evaluation.batch,
                    questions_per_row=most,
                )
                before = time.process_time()
                replies[most] = ask(student, questions, visuals, settings, generated=())
                spent[most].append(time.process_time() - before)
    whole = replies[ALL]
    differences = [
        abs(a - b)
        for found in replies.values()
        for qa_id, reply in found.items()
        for a, b in zip(reply.option_logp, whole[qa_id].option_logp, strict=True)
    ]
    changed = {
        qa_id
        for found in replies.values()
        for qa_id, reply in found.items()
        if reply.likeliest != whole[qa_id].likeliest
    }
    rates = {
        "all" if most == ALL else str(most): round(len(questions) / min(each), 1)
        for most, each in spent.items()
    }
    return {
        "questions": len(questions),
        "clips": len({question.clip_id for question in questions}),
        "questions_per_cpu_s": rates,
        "default": QUESTIONS_PER_ROW,
        "default_over_all": round(rates[str(QUESTIONS_PER_ROW)] / rates["all"], 2),
        "largest_difference_of_log_likelihoods": float(f"{max(differences):.1g}"),
        "choices_that_differ": len(changed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    figures = measure(Project(parser.parse_args().project))
    print(figures)
    about = {"machine": describe(CHECKOUT), "command": "python -m benchmarks.speed.packing PROJECT"}
    merge_results(RESULTS / "questions.json", {"packing": {**figures, **about}})


if __name__ == "__main__":
    main()
