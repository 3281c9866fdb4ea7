"""DSR-Bench (arXiv 2512.20557): dynamic spatial reasoning about videos in the wild, four options.

`benchmark.parquet` (or a JSON file with its fields): records with `videoID`, `question`, `options`
(texts that start with their letter) and `answer` (the letter). Videos are at `VIDEOID.mp4`, in the
folder, in `videos/` or in `videos_bench/`. There is no id: the place in the file is used.
"""

from __future__ import annotations

import re
from pathlib import Path

from p4d.errors import ContractError
from p4d.evaluation.benchmarks import fields
from p4d.evaluation.benchmarks.item import (
    Benchmark,
    BenchmarkItem,
    PublishedRules,
    Record,
    read_items,
)
from p4d.evaluation.benchmarks.published_rules import lettered, mean_of_items, right_letter

INSTRUCTION = (
    "\nThese are the frames of a video. Select the best answer to the following multiple-choice "
    "question based on the video. Respond with only the letter (A, B, C, or D) of the correct "
    "option.\n"
)
_REMOVED = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    # Two pairs are joined in the script, by a missing comma.
    "The best option isThe correct option is",
    "Best answer:Best option:",
    "Answer:",
    "Option:",
)


def found_in(folder: Path) -> bool:
    """Return whether the folder holds this benchmark."""
    return bool(_files(folder))


def _files(folder: Path) -> list[Path]:
    return fields.files_with(folder, {"videoID", "question", "options", "answer"})


def read(folder: Path) -> Benchmark:
    """Read the questions and find the videos.

    Raises:
        ContractError: the folder has no file of the benchmark, or several.
    """
    files = _files(folder)
    if len(files) != 1:
        raise ContractError(
            f"{folder} holds {len(files)} files of DSR-Bench; expected benchmark.parquet alone"
        )
    records = [
        {**record, "number": number} if isinstance(record, dict) else record
        for number, record in enumerate(fields.records_of(files[0]))
    ]

    def identify(record: Record) -> str:
        return fields.text(fields.first(record, "number"))

    def item(item_id: str, record: Record) -> BenchmarkItem:
        name = fields.text(fields.first(record, "videoID"))
        options = fields.lettered_options(fields.first(record, "options"))
        return BenchmarkItem(
            item_id=item_id,
            category=fields.text(record.get("type") or record.get("question_type") or "DSR-Bench"),
            dynamic=True,
            kind="mcq",
            question=fields.text(fields.first(record, "question")),
            options=options,
            answer_index=fields.answer_index(options, fields.first(record, "answer")),
            video=fields.media(
                folder, f"{name}.mp4", f"videos/{name}.mp4", f"videos_bench/{name}.mp4"
            ),
            group=name,
        )

    items, rejected = read_items(records, identify, item)
    return Benchmark(name="dsr-bench", folder=folder, items=items, rejected=rejected, rules=RULES)


def prompt(item: BenchmarkItem) -> str:
    """Return the prompt of the benchmark's own evaluation."""
    options = "\n".join(lettered(item.options, "{letter}. {text}"))
    return f"{INSTRUCTION}Question: {item.question}\n{options}\nAnswer: "


def score(item: BenchmarkItem, text: str) -> float:
    """Return 1 if the first capital A to D of the reply is the correct letter, else 0.

    It counts inside words, too: "Based on the frames" is B.
    """
    text = text.strip()
    for phrase in _REMOVED:
        text = text.replace(phrase, "")
    found = re.search(r"[ABCD]", text)
    return float(found is not None and found[0] == right_letter(item))


RULES = PublishedRules(
    script="DSR-Bench, vlmeval/dataset/spatial_reasoning.py",
    prompt=prompt,
    frames=32,
    max_new_tokens=512,
    score=score,
    overall=mean_of_items,
    remarks="a reply without a capital A to D counts as wrong; the script looks for the text of an "
    "option in it. Number of frames and tokens follow the settings of the model there",
)
