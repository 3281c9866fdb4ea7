"""Two rows that say what distillation is worth: what others would do with the same labels.

`facts`: the facts that were measured of a clip stand as text before the question, and the same
model answers without any training. It needs the measurement for every clip, also at inference.
`labels`: a student that was fine-tuned on the labels as text, with the budget of plain fine-tuning
(`p4d train labels`). It costs nothing at inference.

`p4d control` makes a row on the test split of a release and compares it with the arms of the
stage `evaluation`. Every page of an evaluation names both rows, with the command for an absent one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json, read_table, write_bytes, write_json, write_table
from p4d.config import Params
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.evaluation.answering.ask import AskSettings
from p4d.evaluation.arms.asked_split import AskedSplit, open_arm
from p4d.evaluation.reproduction import reproduction_card
from p4d.evaluation.scoring.statistics import AVERAGE, Bootstrap, accuracy_by_slice, paired_gain
from p4d.pages.render import render
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.fact_text import FactTexts, with_facts
from p4d.students.data.questions import Question

FACTS_ENDING = ".facts"
"""Of the folder of a model that reads facts on a benchmark."""
FACT_ROWS = 4
"""Questions per batch that have facts before them."""

_TIME = re.compile(r"(\d+(?:\.\d+)?)(?= to| sec)")


@dataclass(frozen=True)
class TextRow:
    """One of the two rows.

    Attributes:
        title: for people.
        what: what is compared.
        commands: that make it.
    """

    title: str
    what: str
    commands: tuple[str, ...]


ROWS: Mapping[str, TextRow] = {
    "facts": TextRow(
        "Facts as text, no training",
        "the base student reads the measured facts of the clip's interval before the question",
        ("p4d control facts",),
    ),
    "labels": TextRow(
        "Labels as text, fine-tuned",
        "a student fine-tuned on questions and on the labels as text, with the budget of SFT",
        (
            "p4d train labels --out runs/labels",
            "p4d control labels --model runs/labels",
        ),
    ),
}


def make_row(
    name: str,
    model: Path,
    data: Path,
    out: Path,
    params: Params,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> dict[str, Any]:
    """Answer the test split for one row; write `predictions.parquet` and `metrics.json`.

    Args:
        name: of `ROWS`.
        model: folder of the student that answers.
        data: of a project, with the folders of `release`, `clips`, `regions`, `facts` and
            `evaluation`.
        out: folder of the row.
        params: `clips` and `evaluation`.
        progress: called as `(done, total, note)`.

    Returns:
        The content of `metrics.json`: accuracy by slice, gains of the arms over this row, and the
        reproduction card.

    Raises:
        ContractError: an input is missing, or the facts are not those of the release.
    """
    release = data / "release"
    if not (release / "questions.parquet").is_file():
        raise ContractError(f"{release} holds no release; run `make demo` or `make up` first")
    shards = read_table(release / "clips.parquet")["shard"].unique().to_list()
    clips, regions = (
        {shard: data / stage / shard for shard in shards} for stage in ("clips", "regions")
    )
    split = AskedSplit.of_release(
        release, ClipReader(clips, regions), params.evaluation, params.clips.frames
    ).options_only()  # the arms are compared by options alone
    if name == "facts":
        split = with_facts_before(split, _texts(data, release, split.questions))
    student, placement = open_arm(model, params.evaluation)
    asked = split.questions
    progress(0, len(asked), ROWS[name].title)
    with deterministic(params.evaluation.threads, seed=0):
        table = split.answers(student, arm=name)
    progress(len(asked), len(asked), ROWS[name].title)
    bootstrap = Bootstrap(params.evaluation.bootstrap_samples, params.evaluation.confidence)
    accuracy = accuracy_by_slice(table, bootstrap)
    card = reproduction_card(
        placement,
        split.settings,
        asked,
        checkpoint=_digest(model),
        threads=params.evaluation.threads,
    )
    metrics = {
        "row": name,
        "title": ROWS[name].title,
        "what": ROWS[name].what,
        "model": model.name,
        "release_id": read_json(release / "manifest.json")["release_id"],
        "questions": len(asked),
        "mean_prompt_characters": round(sum(len(q.turn()) for q in asked) / len(asked), 1),
        "accuracy": {key: interval.as_dict() for key, interval in accuracy.items()},
        "gain_of_arms": _gains(data, table, bootstrap),
        "reproduction": card,
    }
    write_table(out / "predictions.parquet", table, sort_by=["qa_id"])
    write_json(out / "metrics.json", metrics)
    return metrics


def with_facts_before(split: AskedSplit, texts: Mapping[str, FactTexts]) -> AskedSplit:
    """Return the same split with the facts of each question's interval before it."""
    return dataclasses.replace(
        split,
        questions=questions_with_facts(split.questions, texts),
        settings=asking_with_facts(split.settings),
    )


def questions_with_facts(
    questions: Sequence[Question], texts: Mapping[str, FactTexts]
) -> list[Question]:
    """Return the questions with the facts of the interval that each names before it.

    All kinds of facts about all marked regions are given: the one that answers is not marked. A
    question that names no time gets the facts of all times about the regions that it names.
    """
    return [
        with_facts(question, texts[question.shard].of_times(question, times_named(question)))
        for question in questions
    ]


def asking_with_facts(asking: AskSettings) -> AskSettings:
    """The same for questions with facts before them: too long for many in a batch."""
    return dataclasses.replace(asking, batch=FACT_ROWS, questions_per_row=1)


def times_named(question: Question) -> tuple[str, ...] | None:
    """Return the instants that a question begins with, as written; None if it names none."""
    before, comma, _ = question.question.partition(",")
    if not comma or not before.startswith(("At ", "From ")):
        return None
    return tuple(_TIME.findall(before.replace(" sec to ", " to "))) or None


def _texts(data: Path, release: Path, questions: Sequence[Question]) -> dict[str, FactTexts]:
    texts = {}
    for shard in sorted({question.shard for question in questions}):
        missing = [
            data / s / shard for s in ("regions", "facts") if not (data / s / shard).is_dir()
        ]
        if missing:
            raise ContractError(f"{missing[0]} is missing; restore it with `dvc pull` or `make up`")
        texts[shard] = FactTexts(data / "regions" / shard, data / "facts" / shard)
    rows = read_table(release / "questions.parquet").filter(pl.col("split") == "test")
    for shard, ids in rows.select("shard", "fact_ids").explode("fact_ids").iter_rows():
        if ids is not None and not texts[shard].has(ids):
            raise ContractError(
                f"data/facts/{shard} is not what the release was made from (it lacks {ids}); "
                "make the release again"
            )
    return texts


def _gains(data: Path, table: pl.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the paired gain of every arm of the stage `evaluation` over the row."""
    path = data / "evaluation" / "predictions.parquet"
    if not path.is_file():
        return {}
    arms = read_table(path)
    found = {}
    for arm in sorted(set(arms["arm"].to_list())):
        rows = arms.filter(pl.col("arm") == arm)
        if set(rows["qa_id"].to_list()) & set(table["qa_id"].to_list()):
            found[arm] = paired_gain(rows, table, bootstrap)[AVERAGE].as_dict()
    return found


def _digest(model: Path) -> str:
    from p4d.versioning.files.artifact_key import data_version
    from p4d.versioning.files.hashes import tree_of

    return data_version(tree_of(model).digest.md5)


def row_states(folder: Path, release_id: str | None) -> list[dict[str, Any]]:
    """Return both rows as a page shows them: with their figures, or how to make them.

    Args:
        folder: of the rows, `reports/controls`.
        release_id: of the release that the page is about; a row of another release is absent.
            None: the page is about a benchmark, whose questions these rows do not answer.
    """
    states = []
    for name, row in ROWS.items():
        path = folder / name / "metrics.json"
        found = read_json(path) if path.is_file() else None
        present = found is not None and found["release_id"] == release_id
        states.append(
            {
                "name": name,
                "title": row.title,
                "what": row.what,
                "commands": row.commands,
                "accuracy": found["accuracy"][AVERAGE] if present and found else None,
                "gains": found["gain_of_arms"] if present and found else {},
            }
        )
    return states


def benchmark_rows(benchmark: str, out: Path, items: str) -> list[dict[str, Any]]:
    """Return both rows for the page of a model on a benchmark.

    Args:
        benchmark: its name.
        out: folder of the model's evaluation. Beside it lie those of other models: the row of facts
            is that of the same model with `FACTS_ENDING`, the row of labels is the model `labels`.
        items: identity of the questions; a row about others is absent.
    """
    facts, labels = ROWS["facts"], ROWS["labels"]
    model = out.name.removesuffix(FACTS_ENDING)
    with_text = _row_of(out.parent / f"{model}{FACTS_ENDING}", benchmark, items)
    tuned = _row_of(out.parent / "labels", benchmark, items)
    count = with_text["facts"] if with_text else {}
    measured = f" ({count['told']} of {count['asked']} questions)" if count else ""
    return [
        {
            "title": facts.title,
            "what": f"the same model reads the measured facts of the clip first{measured}",
            "commands": (f"p4d evaluate --benchmark {benchmark} --model {model} --facts",),
            "accuracy": _interval(with_text),
        },
        {
            "title": labels.title,
            "what": labels.what,
            "commands": (
                labels.commands[0],
                f"p4d evaluate --benchmark {benchmark} --model runs/labels",
            ),
            "accuracy": _interval(tuned),
        },
    ]


def _row_of(folder: Path, benchmark: str, items: str) -> dict[str, Any]:
    """The metrics of an evaluation of the same questions; empty if there is none."""
    path = folder / "metrics.json"
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    same = found.get("benchmark") == benchmark and found["run"]["items"] == items
    return found if same and "accuracy" in found else {}


def _interval(found: Mapping[str, Any]) -> dict[str, float] | None:
    if not found:
        return None
    return {"value": found["accuracy"], "low": found["low"], "high": found["high"]}


def write_page(data: Path, folder: Path) -> Path:
    """Write `index.html`: the arms of the stage `evaluation`, and both rows beside them.

    Args:
        data: of a project.
        folder: of the rows, `reports/controls`.

    Raises:
        ContractError: the project has no evaluation.
    """
    path = data / "evaluation" / "metrics.json"
    if not path.is_file():
        raise ContractError(f"{path} is missing; run `make demo` or `make up` first")
    metrics = read_json(path)
    release_id = read_json(data / "release" / "manifest.json")["release_id"]
    arms = [
        {"title": title, "value": metrics[arm]["accuracy"][AVERAGE], **_bounds(metrics[arm])}
        for arm, title in (("p4d", "P4D"), ("sft", "SFT"), ("blind", "SFT without video"))
    ]
    rows = row_states(folder, release_id)
    page = render(
        "evaluation/controls/page.html.j2",
        arms=arms,
        rows=rows,
        questions=metrics["questions"],
        release_id=release_id,
        chance=metrics["chance"],
    )
    write_bytes(folder / "index.html", page.encode())
    return folder / "index.html"


def _bounds(found: Mapping[str, Any]) -> dict[str, float]:
    return {"low": found["low"], "high": found["high"]}
