"""How many questions of a clip share a row: `python -m benchmarks.speed.packing PROJECT`.

The P4D student of a finished project scores the options of its held-out questions, in turn with
every packing, in one thread. In rows that are computed `whole`, a clip is read with each row and
attention is between all tokens of a row; `shared`, the default, reads a clip once for all its
questions. Key `packing` of benchmarks/results/questions.json.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from p4d.determinism import deterministic
from p4d.evaluation.answering.ask import QUESTIONS_PER_WHOLE_ROW, AskSettings, ask
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.project import Project
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.model.batch import PackedBatch
from p4d.students.model.student import Student, load

ALL = 1_000
WHOLE = (ALL, 6, QUESTIONS_PER_WHOLE_ROW, 2)
SHARED = "shared"
ROUNDS = 3


class WholeRows(Student):
    """A student that computes the states of whole rows."""

    def scored_states(self, batch: PackedBatch) -> Tensor:
        """Last hidden states at the places that are scored."""
        row, position = batch.scored[:, :2].unbind(dim=1)
        return self.hidden(batch)[row, position]


def measure(project: Project) -> dict[str, Any]:
    """Return questions per processor second by questions per row, and how far answers differ."""
    questions = load_questions(project.data / "release", "test")
    clips = {shard: project.data / "clips" / shard for shard in project.shards()}
    regions = {shard: project.data / "regions" / shard for shard in project.shards()}
    visuals = ClipVisuals(ClipReader(clips, regions))
    student = load(project.data / "student_p4d")
    whole_rows = WholeRows(student.adapter, student.tokenizer, student.sees_video)
    tried: dict[str, tuple[Student, int | None]] = {SHARED: (student, None)}
    tried |= {"all" if most == ALL else str(most): (whole_rows, most) for most in WHOLE}
    params, spent, replies = project.params, defaultdict(list), {}
    with deterministic(1, seed=0):
        for _ in range(ROUNDS):
            for name, (asked, most) in tried.items():
                settings = AskSettings(
                    frames=params.clips.frames,
                    batch=params.evaluation.batch,
                    questions_per_row=most,
                )
                before = time.process_time()
                replies[name] = ask(asked, questions, visuals, settings, generated=())
                spent[name].append(time.process_time() - before)
    whole = replies["all"]
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
    rates = {name: round(len(questions) / min(each), 1) for name, each in spent.items()}
    shared = rates.pop(SHARED)
    return {
        "questions": len(questions),
        "clips": len({question.clip_id for question in questions}),
        "questions_per_cpu_s": shared,
        "whole_rows_questions_per_cpu_s": rates,
        "over_all_in_a_row": round(shared / rates["all"], 2),
        "over_three_in_a_row": round(shared / rates[str(QUESTIONS_PER_WHOLE_ROW)], 2),
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
