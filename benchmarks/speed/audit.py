"""Times the audit on a project of a million questions: `python -m benchmarks.speed.audit`.

The project is synthetic (`benchmarks/synthetic/questions_project.py`). Each figure is a whole
process, interpreter start included. `why_s` is the median with the index of ids in place,
`why_first_s` the first call, which builds it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, describe
from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.artifacts import read_json, write_json
from p4d.versioning.ledger.ledger import Ledger


def timed(root: Path, *arguments: str, runs: int = 3) -> float:
    """Return the median wall seconds of `p4d` as a whole process."""
    walls = []
    for _ in range(runs):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "p4d.cli", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        walls.append(time.perf_counter() - started)
        if done.returncode:
            raise SystemExit(f"p4d {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return round(statistics.median(walls), 3)


def measure(made: QuestionsProject) -> dict[str, Any]:
    """Return the figures of one synthetic project."""
    root = made.project.root
    row = made.questions.row(0, named=True)
    model = made.md5["student_p4d"]
    shutil.rmtree(made.project.state / "ids", ignore_errors=True)
    first = timed(root, "why", row["qa_id"], runs=1)
    queries = {
        "sources_of_model": ["--set", f"md5={model}"],
        "models_of_video": ["--set", f"video_id={row['video_id']}"],
        "models_touched_by_video": ["--set", f"video_id={row['video_id']}"],
        "checks_in_force": [],
        "checks_on_date": ["--set", "date=2100-01-01"],
        "champion_on_date": ["--set", "date=2100-01-01"],
        "cost_per_release": [],
    }
    seconds = {name: timed(root, "sql", name, *given) for name, given in queries.items()}
    asked = {"why_s": row["qa_id"], "why_evaluation_s": "evaluation", "why_decision_s": "champion"}
    return {
        **{name: timed(root, "why", identifier) for name, identifier in asked.items()},
        "why_first_s": first,
        "audit_sql_s": max(seconds.values()),
        "audit_sql_s_by_query": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the project here and use it again")
    parser.add_argument("--write", action="store_true", help="merge into durability.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="p4d-audit-") as scratch:
        root = (arguments.folder or Path(scratch) / "project").resolve()
        made = QuestionsProject(root, arguments.questions)
        # Written last: a folder without it was left half made.
        made = made.read() if (root / "dvc.lock").exists() else made.write()
        figures = {
            "questions": len(made.shards) * made.clips * QUESTIONS_PER_CLIP,
            "shards": len(made.shards),
            "ledger_lines": sum(1 for _ in Ledger(made.project).records()),
            **measure(made),
        }
    for name, value in figures.items():
        print(name, value)
    if arguments.write:
        path = RESULTS / "durability.json"
        known = read_json(path) if path.is_file() else {}
        known |= {
            "why_s": figures["why_s"],
            "audit_sql_s": figures["audit_sql_s"],
            "audit": {"machine": describe(RESULTS), **figures},
        }
        write_json(path, known)


if __name__ == "__main__":
    main()
