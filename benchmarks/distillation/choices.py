"""Settings that are chosen on the validation split, written down before the test split is opened.

`python -m benchmarks.distillation choose` trains the candidates of `plan.py` with seeds that no arm
uses, asks them the validation questions, and writes the best of each arm into `FILE`. Committing
that file opens the test split: no run asks a test question before, and none afterwards if the
questions or pictures are others than those of the choice.
"""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.distillation.plan import CANDIDATES, CHOICES, EXCLUDED, RunSpec
from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError

FILE = Path("benchmarks/results/distillation_choices.json")


def write_choices(
    checkout: Path, results: Mapping[str, Mapping[str, Any]], corpus: str, asked: int
) -> dict[str, Any]:
    """Choose by accuracy on the validation split and write what was chosen, on what and when.

    Args:
        checkout: the tree that the file belongs to.
        results: finished runs by name, with `val_accuracy`.
        corpus: id of what they learned from.
        asked: number of validation questions.

    Raises:
        ContractError: a candidate has not run, or candidates of a stage are of different code.
    """
    missing = [run.name for run in CANDIDATES if run.name not in results]
    if missing:
        raise ContractError(f"not every candidate has run: {', '.join(missing)}; choose again")
    for stage in sorted({run.stage for run in CANDIDATES}):
        of = {results[r.name]["student_code"] for r in CANDIDATES if r.stage == stage}
        if len(of) > 1:
            raise ContractError(
                f"candidates of {stage} were trained by different code; choose again"
            )
    rows = [
        {
            "arm": run.chooses,
            "name": run.name,
            "setting": run.setting,
            "seed": run.seed,
            "accuracy": results[run.name]["val_accuracy"],
            "cpu_s": results[run.name]["cpu_s"],
            "commit": results[run.name]["commit"],
            "student_code": results[run.name]["student_code"],
        }
        for run in CANDIDATES
    ]
    best = {arm: _best(rows, arm) for arm in CHOICES}
    found = {
        "what": "whether SFT starts from a trained or an untrained encoder, and whether P4D "
        "distils at regions or in maps",
        "by": "mean accuracy over categories on the validation split of the corpus",
        "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "corpus": corpus,
        "questions": asked,
        "candidates": rows,
        "excluded": EXCLUDED,
        "chosen": best,
    }
    write_json(checkout / FILE, found)
    return found


def _best(rows: Sequence[Mapping[str, Any]], arm: str) -> dict[str, Any]:
    """The setting with the best mean over its seeds; the first named of equals."""
    settings: dict[str, list[float]] = {}
    of: dict[str, Any] = {}
    for row in rows:
        if row["arm"] == arm:
            key = str(sorted(row["setting"].items()))
            settings.setdefault(key, []).append(row["accuracy"])
            of[key] = row["setting"]
    best = max(settings, key=lambda key: sum(settings[key]) / len(settings[key]))
    chosen: dict[str, Any] = of[best]
    return chosen


def committed_choices(checkout: Path, corpus: str | None) -> dict[str, Any]:
    """Return the choices, if they are in the history and of this corpus (None: of any).

    Raises:
        ContractError: they are missing, not committed, changed since, or of another corpus.
    """
    path = checkout / FILE
    way_out = "run `python -m benchmarks.distillation choose` and commit the file"
    if not path.is_file():
        raise ContractError(f"{FILE} is missing, so the test split stays closed; {way_out}")
    asked = ["git", "status", "--porcelain", "--", str(FILE)]
    state = subprocess.run(
        asked, cwd=checkout, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    if state.strip():
        raise ContractError(f"{FILE} is not committed, so the test split stays closed; commit it")
    choices: dict[str, Any] = read_json(path)
    if corpus is not None and choices["corpus"] != corpus:
        raise ContractError(
            f"{FILE} was chosen on {choices['corpus']}, and {corpus} is there now; {way_out}"
        )
    return choices


def apply(run: RunSpec, choices: Mapping[str, Any]) -> RunSpec:
    """The run at the chosen setting of the arm that it belongs to."""
    return run.at(choices["chosen"][run.chosen_as]) if run.chosen_as else run
