"""VLM4D: motion in real and generated videos, four options.

`real_mc.json` and `synthetic_mc.json` (in the folder, `QA/` or `data/`): lists of records with
`id`, `video` (a URL or path; what follows `resolve/main/` is the local path), `question_type`
(always multiple-choice), `question`, `choices` (letter to text, numbers among them) and `answer`
(the text of the correct choice). There are no category labels: the source of the video is used
instead, and every question counts as dynamic.

The published evaluation asks for reasoning and lets a language model judge the replies. The judge
takes the final answer of a reply and compares it; a reply without one is wrong. Here the reader of
answers takes its place. The parts of its tables follow from ids and answers: real videos are
exocentric up to number 922 and egocentric after it, and synthetic questions whose answer begins
with "no" are false positives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from p4d.errors import ContractError
from p4d.evaluation.benchmarks import fields
from p4d.evaluation.benchmarks.item import (
    Benchmark,
    BenchmarkItem,
    PublishedRules,
    Record,
    ScoredItem,
    read_items,
)
from p4d.evaluation.benchmarks.published_rules import lettered, mean
from p4d.evaluation.reading.choices import read_choice

LAST_EXOCENTRIC = 922
FILES = {"real": "real_mc.json", "synthetic": "synthetic_mc.json"}
_FOLDERS = ("", "QA", "data")


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return bool(_paths(folder))


def _paths(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for part, name in FILES.items():
        for parent in _FOLDERS:
            if (folder / parent / name).is_file():
                found.setdefault(part, folder / parent / name)
    return found


def read(folder: Path) -> Benchmark:
    """Read whichever of the two parts are present, and find the videos.

    Raises:
        ContractError: the folder holds neither part.
    """
    paths = _paths(folder)
    if not paths:
        raise ContractError(f"{folder} holds no VLM4D: expected {' or '.join(FILES.values())}")
    records = [
        {**record, "part": part} if isinstance(record, dict) else record
        for part, path in paths.items()
        for record in fields.records_of(path)
    ]

    def identify(record: Record) -> str:
        return f"{record['part']}/{fields.text(fields.first(record, 'id'))}"

    def item(item_id: str, record: Record) -> BenchmarkItem:
        name = fields.text(fields.first(record, "video")).rpartition("resolve/main/")[2]
        options = fields.options(fields.by_letter(fields.first(record, "choices")))
        answer = fields.first(record, "answer")
        return BenchmarkItem(
            item_id=item_id,
            category=PurePosixPath(name).parent.name or str(record["part"]),
            dynamic=True,
            kind="mcq",
            question=fields.text(fields.first(record, "question")),
            options=options,
            answer_index=fields.answer_index(options, answer),
            video=fields.media(folder, name, f"videos_{record['part']}/{name}"),
            group=name,
            subset=subset_of(str(record["part"]), item_id, fields.text(answer)),
        )

    items, rejected = read_items(records, identify, item)
    return Benchmark(name="vlm4d", folder=folder, items=items, rejected=rejected, rules=RULES)


def subset_of(part: str, item_id: str, answer: str) -> str:
    """Return the part of the benchmark's tables that an item belongs to."""
    if part == "synthetic":
        denied = answer.strip().lower() == "no" or answer.strip().lower().startswith("no ")
        return "synthetic false positive" if denied else "synthetic directional"
    number = re.search(r"(\d+)$", item_id)
    if number is None:
        return "real"
    return "real exocentric" if int(number.group(1)) <= LAST_EXOCENTRIC else "real egocentric"


def prompt(item: BenchmarkItem) -> str:
    """Return the prompt of the benchmark's own script, which asks for reasoning."""
    return "\n".join(
        [
            f"Question: {item.question}",
            *lettered(item.options, "{letter}: {text}"),
            "",
            "Answer the given multiple-choice question step by step. Begin by explaining your "
            "reasoning process clearly. In the last sentence of your response, you must conclude "
            "by stating the final answer using the following format: 'Therefore, the final answer "
            "is: $LETTER' (without quotes), where $LETTER must be only one of the options (A or B "
            "or C or D). Think step by step before answering.",
        ]
    )


def score(item: BenchmarkItem, text: str) -> float:
    """Return 1 if the final answer of the reply is the correct choice, else 0."""
    return float(read_choice(text, item.options) == item.answer_index)


def overall(rows: Sequence[ScoredItem]) -> dict[str, float]:
    """Return the columns of the benchmark's table that the rows fill."""
    parts = {
        "real": lambda subset: subset.startswith("real"),
        "real egocentric": lambda subset: subset == "real egocentric",
        "real exocentric": lambda subset: subset == "real exocentric",
        "synthetic": lambda subset: subset.startswith("synthetic"),
        "synthetic directional": lambda subset: subset == "synthetic directional",
        "synthetic false positive": lambda subset: subset == "synthetic false positive",
    }
    found = {"overall": mean([row.score for row in rows])}
    for name, belongs in parts.items():
        scores = [row.score for row in rows if belongs(row.item.subset or "")]
        if scores:
            found[name] = mean(scores)
    return found


RULES = PublishedRules(
    script="VLM4D, main.py with the prompt `cot` and acc_final_statistics.py",
    prompt=prompt,
    frames=10,
    max_new_tokens=512,
    score=score,
    overall=overall,
    remarks="the judge (o4-mini in the published evaluation) is replaced by the reader of answers",
)
